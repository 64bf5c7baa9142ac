# SPDX-License-Identifier: MIT
"""Fixtures of network tests: a network made for the test alone, daemons in it, the end of both.

Environment: TD_PROGRAM, TD_RULES (what is tested), TD_PROGRAM_RELEASE and TD_PROGRAM_TSAN (other
builds that single tests need), TD_TIMEOUT_SCALE (slow machines), SEED (random packets), TD_WAY
(the way of copies, see lib/ways.py).
"""

import os
import random

import pytest

from lib import visits
from lib.configs import syslog
from lib.daemon import Daemon
from lib.namespaces import remove_leftovers
from lib.topology import Bridge, Star
from lib.ways import DEFAULT, WAY, WAYS


def pytest_configure(config):
    config.addinivalue_line("markers", "vm: also runs in the virtual machine with nft's own queue")
    config.addinivalue_line("markers", "alone: needs the machine for itself, to measure or to keep a rate")
    config.addinivalue_line("markers", "long: waits for many seconds: is begun first")
    config.addinivalue_line("markers", "way(*ways, reason): what is asserted holds for these ways of copies only")
    config.addinivalue_line("markers", "once: has nothing to do with how copies leave, or sees to that itself")
    if WAY not in WAYS:
        pytest.exit(f"TD_WAY is one of {', '.join(WAYS)}, not {WAY}", 1)


def _begin_with_the_long(config, items):
    """So that the end of a run does not wait for one of them. Spread over the processes: xdist
    gives each as many to begin with as its LoadScheduling says, in this order."""
    count = getattr(config, "workerinput", {}).get("workercount", 1)
    batch = max(len(items) // count // 4, 2)
    long = [item for item in items if item.get_closest_marker("long")]
    rest = [item for item in items if not item.get_closest_marker("long")]
    ordered = []
    for number in range(count):
        ordered += long[number::count]
        missing = max((number + 1) * batch - len(ordered), 0)
        ordered += rest[:missing]
        del rest[:missing]
    items[:] = ordered + rest


@pytest.hookimpl(trylast=True)  # what -m leaves
def pytest_collection_modifyitems(config, items):
    """Skips by name what belongs to other ways. What is the same on each way, as everything without
    a daemon is, runs on the default one."""
    kept, same = [], []
    for item in items:
        is_same = "daemons" not in item.fixturenames or item.get_closest_marker("once")
        (same if is_same and WAY != DEFAULT else kept).append(item)
        for mark in item.iter_markers("way"):
            if WAY not in mark.args:
                item.add_marker(pytest.mark.skip(reason=mark.kwargs["reason"]))
    if same:
        config.hook.pytest_deselected(items=same)
        items[:] = kept
    _begin_with_the_long(config, items)


@pytest.fixture(scope="session", autouse=True)
def clean_start():
    if os.geteuid() != 0:
        pytest.exit("the network tests need root, for namespaces of their own", 1)
    remove_leftovers()


def _used(network):
    try:
        yield network
    finally:
        network.remove()


@pytest.fixture
def star():
    """The appliance as a router: Star in lib/topology.py."""
    yield from _used(Star())


@pytest.fixture
def big_star():
    """Star with wires wide enough for the largest datagram in one packet."""
    yield from _used(Star(mtu=dict.fromkeys(Star.ROLES, 65535)))


@pytest.fixture
def make_star():
    """Makes a Star with wires as the test wants them."""
    made = []

    def make(**mtu):
        made.append(Star(mtu=mtu))
        return made[-1]
    yield make
    for network in made:
        network.remove()


@pytest.fixture
def bridge():
    """The appliance as a bridge: Bridge in lib/topology.py."""
    yield from _used(Bridge())


@pytest.fixture
def daemons():
    """Makes daemons. At the test's end each is checked: equations, exit code, sanitizers."""
    made = []

    def make(network, **keywords):
        made.append(Daemon(network.appliance, **keywords))
        return made[-1]
    yield make
    faults = []
    for daemon in made:
        try:
            daemon.finish()
        except AssertionError as error:
            faults.append(str(error))
    assert not faults, "\n\n".join(faults)


@pytest.fixture
def visit(star):
    """Runs doctor on the appliance."""
    return lambda daemon, *more: visits.examine(star, daemon, *more)


@pytest.fixture
def two(star, daemons):
    """A daemon that has sent copies of some packets to two receivers."""
    daemon = daemons(star)
    daemon.start(syslog(f"{star.receiver1.v4}/514", f"{star.receiver2.v4}/514"),
                 *visits.holdable(daemon))
    visits.feed(star, daemon)
    return daemon


@pytest.fixture
def rng():
    """Random numbers; the seed is printed with a failing test's output and set by SEED."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"SEED={seed}")
    return random.Random(seed)
