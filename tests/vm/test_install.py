# SPDX-License-Identifier: MIT
"""make install and make uninstall on a machine that systemd runs."""

import os
import pathlib
import pwd
import re
import stat

import pytest

from appliance import CONFIG, PROGRAM, REPOSITORY, RULES_SCRIPT, UNIT, make, table_is_up
from lib.namespaces import run
from lib.waiting import scaled

pytestmark = pytest.mark.vm

UNIT_FILE = f"/lib/systemd/system/{UNIT}"
SYSUSERS = "/usr/lib/sysusers.d/trafficduplicator.conf"
COMPLETION = "/usr/share/bash-completion/completions/trafficduplicator"
DOCUMENTS = pathlib.Path("/usr/share/doc/trafficduplicator")
PAGES = [f"/usr/share/man/man{page.name[-1]}/{page.name}"
         for page in (REPOSITORY / "docs/man").iterdir()]
EXAMPLES = [str(DOCUMENTS / "examples" / example.name)
            for example in (REPOSITORY / "config/examples").glob("*.config")]
PACKAGING = REPOSITORY / "packaging"
HANDOVER = PACKAGING / "systemd/trafficduplicator-handover"
HA_SCRIPTS = [PACKAGING / f"ha/trafficduplicator-{name}"
              for name in ("healthy", "announce", "drain")]
OTHERS = [str(DOCUMENTS / path.relative_to(PACKAGING))
          for folder in ("aws", "grafana", "ha", "prometheus")
          for path in (PACKAGING / folder).rglob("*") if path.is_file() and path not in HA_SCRIPTS]
INSTALLED = {**dict.fromkeys((PROGRAM, RULES_SCRIPT, *(
    f"{pathlib.Path(RULES_SCRIPT).parent}/{path.name}"
    for path in (HANDOVER, *HA_SCRIPTS))), 0o755),
    **dict.fromkeys((UNIT_FILE, SYSUSERS, str(CONFIG), COMPLETION, *PAGES, *EXAMPLES, *OTHERS),
                    0o644)}


@pytest.fixture
def reinstalled():
    """Whatever the test removes is back afterwards."""
    yield
    make("install")


def _assert_installed(root=""):
    for path, mode in INSTALLED.items():
        found = os.stat(root + path)
        assert stat.S_IMODE(found.st_mode) == mode, path
        assert (found.st_uid, found.st_gid) == (0, 0), path


def _listing(folder):
    return sorted(str(p.relative_to(folder)) for p in pathlib.Path(folder).rglob("*")
                  if not p.is_dir())


def test_files_modes_and_user():
    _assert_installed()
    assert CONFIG.read_bytes() == (REPOSITORY / "config/trafficduplicator.config").read_bytes()
    assert not re.search(r"@[A-Z]+@", pathlib.Path(UNIT_FILE).read_text())
    user = pwd.getpwnam("trafficduplicator")
    assert 0 < user.pw_uid < 1000
    assert user.pw_shell == "/usr/sbin/nologin"
    version = (REPOSITORY / "VERSION").read_text().strip()
    assert version in run(PROGRAM, "--version").stdout


def test_shipped_config_starts():
    try:
        run("systemctl", "start", UNIT, timeout_s=scaled(15))
        assert "DuplicateSyslog" in run(PROGRAM, "status").stdout
    finally:
        run("systemctl", "stop", UNIT, timeout_s=scaled(15))


def test_uninstall_stops_the_daemon_and_leaves_nothing(running, reinstalled):
    CONFIG.write_bytes((REPOSITORY / "config/trafficduplicator.config").read_bytes())
    run("systemctl", "enable", UNIT)
    make("uninstall")
    assert not table_is_up()
    for path in (*INSTALLED, CONFIG.parent, pathlib.Path(RULES_SCRIPT).parent, DOCUMENTS,
                 f"/etc/systemd/system/multi-user.target.wants/{UNIT}"):
        assert not os.path.lexists(path), path
    assert run("systemctl", "cat", UNIT, check=False).returncode != 0
    CONFIG.parent.mkdir()
    CONFIG.touch()  # for the end of the unit fixture


def test_uninstall_keeps_a_changed_config_and_so_does_install(unit, reinstalled):
    unit.configure('{ "Mine" : {} }')
    assert f"{CONFIG} was changed: kept" in make("uninstall")
    assert f"{CONFIG} is there already: kept" in make("install")
    assert CONFIG.read_text() == '{ "Mine" : {} }'
    _assert_installed()
    unit.configure((REPOSITORY / "config/trafficduplicator.config").read_text())


def test_destdir_is_all_that_is_touched(tmp_path):
    before = _listing("/etc"), _listing("/usr/lib/sysusers.d"), _listing("/lib/systemd/system")
    make("install", f"DESTDIR={tmp_path}")
    _assert_installed(str(tmp_path))
    assert _listing(tmp_path) == sorted(path.lstrip("/") for path in INSTALLED)
    make("uninstall", f"DESTDIR={tmp_path}")
    assert _listing(tmp_path) == []
    assert before == (
        _listing("/etc"), _listing("/usr/lib/sysusers.d"), _listing("/lib/systemd/system"))


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_prefix_moves_the_program_and_the_unit_follows(tmp_path, umask):
    previous = os.umask(umask)
    try:
        make("install", f"DESTDIR={tmp_path}", "PREFIX=/opt/td")
    finally:
        os.umask(previous)
    for folder in ("opt/td/sbin", "opt/td/lib/trafficduplicator", "etc/trafficduplicator"):
        assert stat.S_IMODE(os.stat(tmp_path / folder).st_mode) == 0o755, folder
    unit = (tmp_path / UNIT_FILE.lstrip("/")).read_text()
    assert "ExecStart=/opt/td/sbin/trafficduplicator run " in unit
    assert "ExecStopPost=/opt/td/lib/trafficduplicator/trafficduplicator-handover end " in unit
    assert unit.count("/usr/") == 0
