# SPDX-License-Identifier: MIT
"""make install and make uninstall, with everything below DESTDIR. Those on a machine that systemd
runs stand in tests/vm."""

import re
import shutil
import stat

import pytest

from lib.daemon import PROGRAM, REPOSITORY
from lib.namespaces import run

if not (REPOSITORY / "docs").exists():
    pytest.skip("the repository is not here: only the tests are", allow_module_level=True)

PACKAGING = REPOSITORY / "packaging"
HA_SCRIPTS = [PACKAGING / f"ha/trafficduplicator-{name}" for name in ("healthy", "announce", "drain")]
CONFIG = "/etc/trafficduplicator/trafficduplicator.config"
INSTALLED = {
    CONFIG: "config/trafficduplicator.config",
    "/lib/systemd/system/trafficduplicator.service": None,  # with the folders filled in
    "/usr/lib/sysusers.d/trafficduplicator.conf": "packaging/systemd/trafficduplicator.sysusers",
    "/usr/lib/trafficduplicator/trafficduplicator-rules": "iptables/trafficduplicator-rules",
    "/usr/lib/trafficduplicator/trafficduplicator-handover":
        "packaging/systemd/trafficduplicator-handover",
    "/usr/sbin/trafficduplicator": None,  # the build's
    "/usr/share/bash-completion/completions/trafficduplicator":
        "packaging/bash-completion/trafficduplicator",
    **{f"/usr/share/doc/trafficduplicator/examples/{path.name}": f"config/examples/{path.name}"
       for path in (REPOSITORY / "config/examples").glob("*.config")},
    **{f"/usr/lib/trafficduplicator/{path.name}": f"packaging/ha/{path.name}" for path in HA_SCRIPTS},
    **{f"/usr/share/doc/trafficduplicator/{path.relative_to(PACKAGING)}":
       f"packaging/{path.relative_to(PACKAGING)}"
       for folder in ("aws", "grafana", "ha", "prometheus")
       for path in (PACKAGING / folder).rglob("*") if path.is_file() and path not in HA_SCRIPTS},
    **{f"/usr/share/man/man{path.name[-1]}/{path.name}": f"docs/man/{path.name}"
       for path in (REPOSITORY / "docs/man").iterdir()},
}


def _make(target, destdir):
    # The program stays as it was built.
    return run("make", "-C", REPOSITORY, "-o", PROGRAM, target, f"BUILD={PROGRAM.parent}",
               "PREFIX=/usr", f"DESTDIR={destdir}").stdout


def _files(folder):
    return sorted("/" + str(path.relative_to(folder)) for path in folder.rglob("*")
                  if not path.is_dir())


def test_install_and_uninstall(tmp_path):
    _make("install", tmp_path)
    assert _files(tmp_path) == sorted(INSTALLED)
    for path, source in INSTALLED.items():
        found = tmp_path / path[1:]
        is_program = path.endswith("/sbin/trafficduplicator") or "/lib/trafficduplicator/" in path
        assert stat.S_IMODE(found.stat().st_mode) == (0o755 if is_program else 0o644), path
        assert not source or found.read_bytes() == (REPOSITORY / source).read_bytes(), path
    _make("uninstall", tmp_path)
    assert _files(tmp_path) == []
    ours = list(tmp_path.rglob("trafficduplicator*"))
    assert not ours, "folders of its own go as well"


def test_the_unit_names_what_is_installed(tmp_path):
    _make("install", tmp_path)
    unit = (tmp_path / "lib/systemd/system/trafficduplicator.service").read_text()
    named = re.findall(r"^Exec(\w+)=-?(\S+) (.*)$", unit, re.MULTILINE)
    assert [verb for verb, _, _ in named] == ["Start", "Reload", "Stop", "StopPost"]
    for _, program, arguments in named:
        paths = [program, *re.findall(r"/\S+", arguments)]
        assert all((tmp_path / path[1:]).exists() for path in paths), paths
    # So that a reload of a bad file fails; a signal would never tell.
    assert named[1][2] == "reload"
    # The file that is checked is the one that is run.
    assert named[0][2].removeprefix("run ") == named[2][2].partition("/trafficduplicator ")[2]


def test_systemd_finds_no_fault_in_the_unit(tmp_path):
    """As it is installed, but for where the programs are."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    _make("install", tmp_path)
    unit = tmp_path / "lib/systemd/system/trafficduplicator.service"
    unit.write_text(unit.read_text().replace("=/usr/", f"={tmp_path}/usr/").replace(
        "=-/usr/", f"=-{tmp_path}/usr/"))
    done = run("systemd-analyze", "verify", "--man=no", unit, check=False)
    assert unit.name not in done.stderr, done.stderr
    score = run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit,
                check=False)
    assert score.returncode == 0, score.stdout


def test_a_changed_config_is_kept(tmp_path):
    _make("install", tmp_path)
    (tmp_path / CONFIG[1:]).write_text("mine")
    assert "was changed: kept" in _make("uninstall", tmp_path)
    assert "is there already: kept" in _make("install", tmp_path)
    assert (tmp_path / CONFIG[1:]).read_text() == "mine"


def test_the_readme_says_where_the_examples_are():
    folder = "share/doc/trafficduplicator/examples"
    assert folder in (REPOSITORY / "README.md").read_text(encoding="utf-8")
