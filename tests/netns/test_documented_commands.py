# SPDX-License-Identifier: MIT
"""Every command that README and docs tell their readers to type is run: here, on an appliance whose
/etc and /run are its own, or by the test that is named for it, where it changes a whole machine."""

import json
import re
import signal
import subprocess

import pytest

from lib.configs import syslog
from lib.daemon import PROGRAM, REPOSITORY, RULES_SCRIPT, environment
from lib.documents import TEXTS, command_lines
from lib.waiting import scaled, wait_for

pytestmark = pytest.mark.once

# What a namespace cannot show, with the file that does it and the words by which it does.
ELSEWHERE = [
    (r"make (check|check-vm|demo|bench|bench-quick)\b.*|tests/bench/bench\.py --help",
     "Makefile", "check-vm:"),
    (r"make soak\b.*", "tests/faults/test_soak.py", "tests/soak/soak.py"),
    (r"make (fuzz|fuzz-keep|coverage)\b.*", "tests/fuzz/fuzz.mk", "coverage:"),
    (r"make lint\b.*", "tests/lint.mk", "lint-all"),
    (r"make sbom\b.*", "tests/packages/test_sbom.py", "make-sbom"),
    (r"tests/install-packages .*|make", "Makefile", "tests/install-packages check"),
    (r"systemctl enable --now trafficduplicator", "tests/vm/test_package.py", "enable"),
    (r"make deb|apt-get install \./build/deb/.*", "tests/vm/test_package.py", "apt-get"),
    (r"systemctl .*|journalctl .*", "tests/vm/appliance.py", "journalctl"),
    (r"trafficduplicator top", "tests/netns/test_top.py", "tmux"),
    (r"modprobe br_netfilter", "tests/netns/lib/topology.py", '"br_netfilter"'),
    (r"systemd-analyze security .*", "tests/netns/test_installation.py", "systemd-analyze"),
    (r"editor /etc/trafficduplicator/trafficduplicator.config", "packaging/install.mk",
     "trafficduplicator.config"),
]
# Pages with tests of their own, which need more than one appliance, an image, or AWS's own tools.
PAGES_ELSEWHERE = {
    "aws.md": "tests/aws/test_page.py",
    "container.md": "tests/container/test_container.py",
    "high-availability.md": "tests/netns/test_ha_page.py",
    "monitoring.md": "tests/netns/test_metrics.py",
}
# Other ends than 0 that are right: doctor finds what it finds.
CODES = [(r"trafficduplicator doctor\b", {0, 1})]
FROM_A_CLIENT = r"logger --server 192\.0\.2\.1 .*"

if not REPOSITORY.joinpath("README.md").exists():
    pytest.skip("the repository is not here: only the tests are", allow_module_level=True)


def _elsewhere(line):
    return next(((file, words) for pattern, file, words in ELSEWHERE
                 if re.fullmatch(pattern, line)), None)


class Machine:
    """The appliance as its administrator sees it: default paths, the program in PATH."""

    def __init__(self, star, directory):
        self.star, self.directory = star, directory
        self._prepare()
        self._ready = directory / "ready"
        with open(self._ready, "wb") as said:
            self.process = subprocess.Popen(
                star.appliance.command("unshare", "--mount", "sh", "-euc", self._script()),
                env=self._environment(), stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        wait_for("ready", lambda: "ready\n" in self._ready.read_text(),
                 there=self._ready.read_text)

    def _prepare(self):
        home = self.directory / "bin"
        home.mkdir()
        (home / "trafficduplicator").symlink_to(PROGRAM)
        (home / "trafficduplicator-rules").symlink_to(RULES_SCRIPT)
        corpus = self.directory / "work"
        corpus.mkdir()
        (corpus / "samplicator.conf").write_text("10.0.0.0/255.0.0.0: 192.0.2.10/2055\n")
        (corpus / "tee_receivers.lst").write_text("id=1 ip=192.0.2.10:2055\n")
        config = syslog(f"{self.star.receiver1.v4}/514", f"{self.star.receiver2.v4}/514")
        (self.directory / "config").write_text(json.dumps(config, indent=8))
        self.star.appliance.ip("addr add 192.0.2.1/32 dev lo")

    def _environment(self):
        return dict(environment(), PATH=f"{self.directory}/bin:/usr/sbin:/usr/bin:/sbin:/bin")

    def _script(self):
        here = self.directory
        return (f"mount --make-rprivate / && mkdir {here}/etc && cp -a /etc/. {here}/etc && "
                f"mount --bind {here}/etc /etc && mount -t tmpfs tmpfs /run && "
                "mkdir -p /etc/trafficduplicator /run/trafficduplicator && "
                f"install -m 0644 {here}/config /etc/trafficduplicator/trafficduplicator.config && "
                f"exec trafficduplicator run --rules-script {RULES_SCRIPT}")

    def type(self, line):
        """Runs a line of shell there, or on the client that it is meant for."""
        if re.fullmatch(FROM_A_CLIENT, line):
            return self.star.client1.namespace.run("sh", "-euc", line, check=False)
        return subprocess.run(
            ["nsenter", f"--target={self.process.pid}", "--mount", "--net",
             f"--wd={self.directory}/work", "sh", "-euc", line], env=self._environment(),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=scaled(60),
            check=False)

    def close(self):
        """Ends the daemon, which must end well."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(scaled(30)) == 0, self._ready.read_text()


@pytest.fixture(name="machine")
def _machine(star, tmp_path):
    tmp_path.chmod(0o755)
    machine = Machine(star, tmp_path)
    yield machine
    machine.close()


def _lines(path):
    return [re.sub(r"\bsudo ", "", line) for line in command_lines(path)]


HERE = [path for path in TEXTS if path.name not in PAGES_ELSEWHERE]


@pytest.mark.parametrize("page, file", PAGES_ELSEWHERE.items())
def test_pages_that_are_run_elsewhere(page, file):
    assert page in {path.name for path in TEXTS}
    assert page in (REPOSITORY / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", HERE, ids=[path.name for path in HERE])
def test_every_command(machine, path):
    for line in _lines(path):
        if _elsewhere(line):
            continue
        done = machine.type(line)
        right = next((codes for pattern, codes in CODES if re.match(pattern, line)), {0})
        assert done.returncode in right, f"{line}: exit {done.returncode}\n{done.stderr}"
        assert "Sanitizer" not in done.stderr, done.stderr


def test_the_message_of_the_readme_is_duplicated(machine):
    line, = (line for line in _lines(TEXTS[0]) if re.fullmatch(FROM_A_CLIENT, line))
    assert machine.type(line).returncode == 0
    wait_for("one packet in, two copies out", lambda: re.search(
        r"\breceived\D+1\b", machine.type("trafficduplicator status").stdout))


@pytest.mark.parametrize("pattern, file, words", ELSEWHERE)
def test_what_is_run_elsewhere(pattern, file, words):
    assert any(re.fullmatch(pattern, line) for path in HERE for line in _lines(path)), "unused"
    assert words in (REPOSITORY / file).read_text(encoding="utf-8"), f"{file} has no {words}"


def test_make_targets_are_there():
    makefiles = [REPOSITORY / "Makefile", *(REPOSITORY / "packaging").glob("*.mk"),
                 *(REPOSITORY / "tests").rglob("*.mk")]
    phony = " ".join(re.findall(r"^\.PHONY:(.*)$", "\n".join(
        path.read_text(encoding="utf-8") for path in makefiles), re.MULTILINE)).split()
    named = {target for path in TEXTS for line in _lines(path)
             for target in re.findall(r"^make ([a-z][a-z-]*)\b", line)}
    assert {"demo", "check"} <= named <= set(phony)
