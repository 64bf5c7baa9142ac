# SPDX-License-Identifier: MIT
"""Fixtures of the tests in the virtual machine. They change the machine that they run on: its unit,
its rules, its addresses. So they run nowhere else."""

import contextlib
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "netns"))

collect_ignore_glob = [] if os.environ.get("TD_IN_VM") else ["test_*.py"]


def pytest_configure(config):
    config.addinivalue_line("markers", "vm: runs in the virtual machine")


@pytest.fixture(scope="session", autouse=True)
def at_boot():
    """What became of the service at the machine's start; from there on it is stopped. Its start may
    take several attempts on a slow machine; what it came to, test_boot.py judges."""
    from appliance import UNIT, show, table_is_up
    from lib.namespaces import run
    from lib.waiting import wait_for
    with contextlib.suppress(AssertionError):
        wait_for("the service, or that it is not coming",
                 lambda: show("UnitFileState") != "enabled"
                 or show("ActiveState") in ("active", "failed"), timeout_s=60)
    found = {name: show(name) for name in (
        "ActiveState", "UnitFileState", "After")}
    found["table is up"] = table_is_up()
    run("journalctl", "--sync")
    found["journal"] = run("journalctl", "-b", "-u", UNIT, "-o", "cat", "--no-pager").stdout
    run("systemctl", "disable", "--now", UNIT)
    return found


@pytest.fixture
def unit():
    """The unit, stopped, with a config for the Star network."""
    from appliance import Unit
    service = Unit()
    yield service
    print(service.journal())
    service.remove()


@pytest.fixture
def running(unit):
    """The unit, started."""
    unit.call("start")
    return unit


@pytest.fixture
def network():
    """Clients, receivers and a server around this machine: Star in tests/netns/lib/topology.py."""
    from appliance import Machine
    machine = Machine()
    yield machine
    machine.remove()


@pytest.fixture
def gate(unit, tmp_path_factory):
    """The unit with a gate before its rules script."""
    from appliance import PROGRAM, Gate
    directory = tmp_path_factory.mktemp("gate")
    for folder in (directory, *directory.parents):
        folder.chmod(folder.stat().st_mode | 0o055)
    made = Gate(directory)
    unit.drop_in("PrivateTmp=no", "ExecStart=",
                 f"ExecStart={PROGRAM} run --rules-script {made.script}")
    return made
