# SPDX-License-Identifier: MIT
"""The daemon killed, hung and restarted: systemd brings it back, originals never notice."""

import signal
import subprocess
import time

import pytest

from appliance import UNIT, ruleset, table_is_up
from lib.namespaces import run
from lib.waiting import scaled, wait_for

pytestmark = pytest.mark.vm


def _reaches(client, receiver, target, payload):
    """Sends until one arrives; for use where a first one may be lost. Returns who it came from."""
    found = []

    def probe():
        client.sendto(payload, target)
        if receiver.pull():
            found.extend(receiver.wait(1))
        return found
    wait_for(f"{payload} at {receiver.where}", probe)
    return found[-1][1:]


def test_killed_daemon_is_started_again_and_duplicates(network, running):
    receiver = network.receiver1.receiver(514)
    pid = running.kill()
    running.wait_another_than(pid)
    assert running.show("NRestarts") == "1"
    client = network.client1.socket()
    client.sendto(b"after", (network.client1.gateway_v4, 514))
    assert receiver.wait(1) == [(b"after", *client.getsockname())]


def test_originals_in_transit_go_on_while_the_daemon_is_dead(network, running):
    server = network.server.receiver(514)
    receiver = network.receiver1.receiver(514)
    client = network.client1.socket()
    target = (network.server.v4, 514)
    client.sendto(b"alive", target)
    assert server.wait(1) == [(b"alive", *client.getsockname())]
    assert receiver.wait(1) == [(b"alive", *client.getsockname())]

    running.drop_in("RestartSec=1h")
    rules = ruleset()
    running.kill()
    running.wait_state("activating", "auto-restart")
    assert ruleset() == rules, "rules are left alone in a crash"
    sent = [b"dead %d" % number for number in range(20)]
    for payload in sent:
        client.sendto(payload, target)
    assert sorted(server.wait(20)) == sorted((p, *client.getsockname()) for p in sent)
    assert receiver.pull() == 0

    running.call("restart")
    client.sendto(b"back", target)
    assert server.wait(1) == [(b"back", *client.getsockname())]
    assert receiver.wait(1) == [(b"back", *client.getsockname())]


@pytest.fixture
def calendar():
    """Sets the machine's clock so many seconds ahead; it is put back in the end."""
    moved = 0

    def ahead(seconds):
        nonlocal moved
        time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
        moved += seconds
    yield ahead
    ahead(-moved)


def test_the_clock_jumps(network, running, calendar):
    """Ten years ahead and twenty back: nothing but the calendar's own times goes by it."""
    receiver, server = network.receiver1.receiver(514), network.server.receiver(514)
    client, target = network.client1.socket(), (network.server.v4, 514)
    pid, years_s = running.pid, 365 * 86400
    for number, seconds in enumerate((10 * years_s, -20 * years_s, 10 * years_s)):
        before = running.status()["uptime_s"]
        calendar(seconds)
        payload = b"jump %d" % number
        client.sendto(payload, target)
        for arrived in (receiver, server):
            assert arrived.wait(1) == [(payload, *client.getsockname())]
        running.call("reload")
        assert 0 <= running.status()["uptime_s"] - before < 1000
    found = running.status()
    assert found["health"] == "ok" and found["received_pkts"] == 3
    assert running.pid == pid and running.show("NRestarts") == "0"


def test_rules_go_when_a_killed_daemon_is_not_coming_back(unit, gate):
    """Here: it does not end in time when told to, so systemd kills it."""
    unit.drop_in("TimeoutStopSec=3s")
    starting = subprocess.Popen(["systemctl", "start", UNIT])
    gate.wait_for("up")
    gate.let_pass()
    assert starting.wait(scaled(15)) == 0
    stopping = subprocess.Popen(["systemctl", "stop", UNIT])
    gate.wait_for("down")
    assert table_is_up()
    assert stopping.wait(scaled(15)) == 0
    assert unit.show("Result") == "timeout"
    assert not table_is_up()


def test_hung_daemon_is_killed_by_the_watchdog_and_started_again(network, running):
    receiver = network.receiver1.receiver(514)
    pid = running.freeze()
    running.wait_another_than(pid)
    running.wait_journal("Watchdog timeout")
    client = network.client1.socket()
    assert _reaches(client, receiver, (network.client1.gateway_v4, 514), b"again") == \
        client.getsockname()


def test_watchdog_is_content_with_a_daemon_that_works(unit):
    unit.drop_in("WatchdogSec=4s")
    unit.call("start")
    pid = unit.pid
    fed = int(unit.show("WatchdogTimestampMonotonic"))
    wait_for("three watchdog periods",
             lambda: int(unit.show("WatchdogTimestampMonotonic")) > fed + 12_000_000,
             there=unit.journal)
    assert unit.pid == pid
    assert unit.show("NRestarts") == "0"


def test_restart_by_hand_leaves_no_second_table(running):
    running.call("restart")
    tables = run("nft", "list", "tables").stdout.split("\n")
    assert tables.count("table inet trafficduplicator") == 1
    running.kill(signal.SIGTERM)
    running.wait_state("inactive", "dead")
    assert not table_is_up(), UNIT
