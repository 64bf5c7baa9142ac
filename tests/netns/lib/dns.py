# SPDX-License-Identifier: MIT
"""A real DNS server in a namespace, and which server the programs in a namespace ask."""

import contextlib
import pathlib
import shutil
import signal
import subprocess
import tempfile

from .waiting import wait_for


class DnsServer:
    """dnsmasq, sole authority for the names that it is given. Addresses change by set()."""

    def __init__(self, host, ttl_s=1):
        self._host, self._ttl_s = host, ttl_s
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="td-dns-"))
        self._directory.chmod(0o755)
        self._names = self._directory / "names"
        self._log = self._directory / "log"
        self._names.touch()
        self._process = None

    def set(self, **addresses):
        """The names' addresses from now on: a text or a list each; "__" in a name is a dot."""
        lines = []
        for name, value in addresses.items():
            for address in value if isinstance(value, list) else [value]:
                lines.append(f"{address} {name.replace('__', '.')}\n")
        self._names.write_text("".join(lines))
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def start(self):
        """Starts it and waits until it answers."""
        seen = len(self.log())
        self._process = subprocess.Popen(
            self._host.namespace.command(
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                "--no-hosts", "--local=/test/", f"--local-ttl={self._ttl_s}", "--user=root",
                "--pid-file", "--bind-interfaces", f"--listen-address={self._host.v4}",
                f"--addn-hosts={self._names}", "--log-queries", f"--log-facility={self._log}"),
            stdin=subprocess.DEVNULL)
        wait_for("dnsmasq to be ready", lambda: "addresses" in self.log()[seen:], there=self.log)
        return self

    def log(self):
        """What it says, questions and answers included."""
        return self._log.read_text() if self._log.exists() else ""

    def stop(self):
        """Ends it; questions to it are refused from now on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self):
        """Ends it for good."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)


@contextlib.contextmanager
def files_in_etc(namespace, **texts):
    """/etc/resolv.conf and /etc/hosts as `ip netns exec` shows them inside: resolv_conf=, hosts=."""
    folder = pathlib.Path("/etc/netns") / namespace.name
    folder.mkdir(parents=True)
    try:
        for name, text in texts.items():
            (folder / name.replace("_", ".")).write_text(text)
        yield folder
    finally:
        shutil.rmtree(folder)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
