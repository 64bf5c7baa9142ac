# SPDX-License-Identifier: MIT
"""The Debian package on a machine that systemd runs: installed, upgraded while packets flow,
removed, purged. An upgrade's package is this one under a higher number, so with this one's scripts."""

import os
import pwd
import re
import shutil

import pytest

from appliance import (CONFIG, DROP_INS, PROGRAM, REPOSITORY, RULES_SCRIPT, TO_TWO_RECEIVERS, UNIT,
                       Unit, make, ruleset, table_is_up)
from flow import Transit
from lib.namespaces import run
from lib.waiting import scaled

pytestmark = pytest.mark.vm

NAME = "trafficduplicator"
PACKAGE = REPOSITORY / "build/trafficduplicator.deb"
ENABLED = f"/etc/systemd/system/multi-user.target.wants/{UNIT}"
NEW_CONFIG = '{ "Shipped" : { "SOURCEPORT" : 162, "DESTINATION" : ["192.0.2.9"] } }\n'
# Not in the image, whose dpkg leaves documents out.
DOCUMENTS = ("/usr/share/doc/", "/usr/share/man/")


def _package_tool(*command):
    return run(*command, timeout_s=scaled(60),
               env=dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8"))


def _dpkg(*arguments):
    """dpkg, with nobody there to answer a question."""
    return _package_tool("dpkg", *arguments)


def _apt(*arguments):
    return _package_tool("apt-get", "-y", "-q", *arguments)


def _state():
    """What dpkg has of the package: "ii", "rc", or "" for nothing."""
    done = run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", NAME, check=False)
    return done.stdout.strip()


def _version():
    return run("dpkg-query", "-W", "-f", "${Version}", NAME).stdout


def _shipped_files():
    """The package's own files, as far as they are installed here."""
    lines = run("dpkg-deb", "--contents", PACKAGE).stdout.splitlines()
    paths = [line.split()[5][1:] for line in lines if not line.startswith("d")]
    assert str(CONFIG) in paths
    return [path for path in paths if not path.startswith(DOCUMENTS)]


@pytest.fixture(scope="module")
def clean_machine():
    """The machine without what `make install` brought, which is back afterwards."""
    make("uninstall")
    shutil.rmtree(CONFIG.parent, ignore_errors=True)
    run("userdel", NAME)
    yield ruleset()
    make("install")


@pytest.fixture
def package(clean_machine):
    """The package, installed; what its test leaves of it is purged."""
    _dpkg("--install", PACKAGE)
    yield PACKAGE
    if _state():
        _dpkg("--purge", NAME)


@pytest.fixture
def unit(package):
    """Its unit, stopped, with a config for the Star network: an administrator's change."""
    service = Unit()
    yield service
    print(service.journal())
    if _state() == "ii":
        service.remove()
    else:
        shutil.rmtree(DROP_INS)


@pytest.fixture
def newer(package, tmp_path):
    """Makes the package of a higher version, with this config in it or the same one."""
    def made(version, config=None):
        tree = tmp_path / version
        run("dpkg-deb", "--raw-extract", package, tree)
        control = tree / "DEBIAN/control"
        control.write_text(re.sub(r"(?m)^Version: .*", f"Version: {version}",
                                  control.read_text()))
        if config:
            (tree / str(CONFIG)[1:]).write_text(config)
        return run("dpkg-deb", "-Znone", "--build", tree, tmp_path).stdout.split("'")[3]
    return made


def test_install_starts_nothing_before_an_administrator_says_so(package, clean_machine):
    for path in _shipped_files():
        assert os.path.exists(path), path
    user = pwd.getpwnam(NAME)
    assert 0 < user.pw_uid < 1000 and user.pw_shell == "/usr/sbin/nologin"
    assert run("systemctl", "is-enabled", UNIT, check=False).stdout.strip() == "disabled"
    assert run("systemctl", "is-active", UNIT, check=False).stdout.strip() == "inactive"
    assert ruleset() == clean_machine
    assert "DuplicateSyslog" in run(PROGRAM, "check").stdout

    run("systemctl", "enable", "--now", UNIT, timeout_s=scaled(15))
    assert run("systemctl", "is-active", UNIT, check=False).stdout.strip() == "active"
    assert os.path.lexists(ENABLED)
    assert table_is_up()


def test_upgrade_while_packets_flow(network, unit, newer):
    """It restarts the service, and no packet goes uncopied. The changed configuration stays, without
    a question; the one that the new version ships lies beside it."""
    run("systemctl", "enable", "--now", UNIT, timeout_s=scaled(15))
    config, pid = CONFIG.read_text(), unit.pid
    transit = Transit(network, unit)
    _apt("install", "-o", "Dpkg::Options::=--force-confold", newer("99.1", NEW_CONFIG))
    unit.wait_another_than(pid)
    assert transit.end() == 0
    assert (_state(), _version()) == ("ii", "99.1")
    assert CONFIG.read_text() == config
    assert CONFIG.with_name(f"{CONFIG.name}.dpkg-dist").read_text() == NEW_CONFIG
    assert (unit.show("UnitFileState"), unit.show("NRestarts")) == ("enabled", "0")
    unit.wait_journal(f"Stopped {UNIT}")


def test_upgrade_leaves_a_stopped_service_stopped(unit, newer):
    """A configuration that only the administrator has changed is none of the upgrade's business,
    one that only the new version has changed is replaced; neither is asked about."""
    config = CONFIG.read_text()
    _dpkg("--install", newer("99.2"))
    assert (_version(), CONFIG.read_text()) == ("99.2", config)
    CONFIG.write_bytes((REPOSITORY / "config/trafficduplicator.config").read_bytes())
    _dpkg("--install", newer("99.3", NEW_CONFIG))
    assert (_version(), CONFIG.read_text()) == ("99.3", NEW_CONFIG)
    assert [path.name for path in CONFIG.parent.iterdir()] == [CONFIG.name]
    assert (unit.show("ActiveState"), unit.show("UnitFileState")) == ("inactive", "disabled")


def test_remove_and_purge_leave_nothing(unit, clean_machine):
    """But the user, whose number might come back as somebody else's, as is the custom."""
    run("systemctl", "enable", "--now", UNIT, timeout_s=scaled(15))
    assert unit.config == TO_TWO_RECEIVERS and ruleset() != clean_machine
    pid = unit.pid

    _dpkg("--remove", NAME)
    assert _state() == "rc"
    assert not os.path.exists(f"/proc/{pid}"), "the daemon is stopped"
    assert ruleset() == clean_machine
    assert CONFIG.exists()
    for path in (PROGRAM, RULES_SCRIPT, "/run/trafficduplicator"):
        assert not os.path.lexists(path), path

    _dpkg("--purge", NAME)
    assert _state() == ""
    for path in (*_shipped_files(), CONFIG.parent, ENABLED, "/usr/lib/trafficduplicator"):
        assert not os.path.lexists(path), path
    left = run("find", "/etc", "/run", "/var/lib", "/usr/lib", "/usr/sbin", "/usr/share",
               "-xdev", "-maxdepth", 4, "-name", f"*{NAME}*",
               "-not", "-path", DROP_INS).stdout
    assert left.split() == []
    assert pwd.getpwnam(NAME)
