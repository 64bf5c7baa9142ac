# SPDX-License-Identifier: MIT
"""Traffic in transit goes on whatever happens to the daemon. The network is Star, drawn in
lib/topology.py.

    client1 ──> [ appliance: daemon absent, killed, frozen, restarted, twice ] ──> server
                     └──────────────────────────────────────────────────────────> receiver1
"""

import signal

import pytest

from lib import machine, packets, status
from lib.configs import rule, settings, syslog
from lib.daemon import rules_script
from lib.oracle import assert_copies, routed
from lib.stream import Stream, numbers
from lib.waiting import wait_for


def _in_transit(star, count, family=4, first=5000):
    return [packets.udp_packet(star.client1.address(family), star.server.address(family), first + n,
                               514, b"in transit") for n in range(count)]


@pytest.mark.parametrize("family", [4, 6])
def test_rules_without_a_daemon(star, daemons, family):
    at_server = star.server.capture()
    daemon = daemons(star)
    daemon.configure(syslog(star.receiver1.address(family)))
    assert rules_script("up", daemon.config_path, star.appliance).returncode == 0
    sent = _in_transit(star, 50, family)
    star.client1.inject(*sent)
    at_server.wait(50)
    assert at_server.take() == [routed(packet) for packet in sent]


@pytest.mark.vm
def test_killed_and_started_again(star, daemons):
    """After SIGKILL all that is sent arrives, and the next start goes as the first."""
    at_server, at_receiver = star.server.capture(), star.receiver1.capture()
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    batches = [_in_transit(star, 50, first=5000 + 100 * n) for n in range(3)]
    star.client1.inject(*batches[0])
    daemon.wait_received(50)
    daemon.kill()
    star.client1.inject(*batches[1])
    daemon.start()
    star.client1.inject(*batches[2])
    daemon.wait_received(50)
    at_server.wait(150)
    assert at_server.take() == [routed(p) for batch in batches for p in batch]
    assert_copies(batches[0] + batches[2], at_receiver.take_udp(), star.receiver1.v4)
    daemon.stop()
    assert "trafficduplicator" not in star.appliance.run("nft", "list", "ruleset").stdout


def test_killed_in_mid_stream(star, daemons):
    """What waits in the queue dies with the daemon; what is sent after its death passes, and what
    is sent after the next `ready` is copied again."""
    at_server, at_receiver = star.server.capture(), star.receiver1.capture()
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    stream = Stream(star.client1, star.server.v4)
    at_server.wait(300)
    before_death = stream.count
    daemon.kill()
    after_death = stream.count + 1
    wait_for("the stream to go on without the daemon", lambda: stream.count > after_death + 200)
    daemon.start()
    ready = stream.count + 1
    wait_for("the stream to go on with it", lambda: stream.count > ready + 200)
    total = stream.stop()
    daemon.wait_status("the last packet", lambda s: s["queue"]["waiting_pkts"] == 0)
    arrived, copied = numbers(at_server.take()), numbers(at_receiver.take())
    assert len(set(arrived)) == len(arrived) and len(set(copied)) == len(copied)
    lost = set(range(total)) - set(arrived)
    assert all(before_death - 100 <= n < after_death for n in lost), sorted(lost)
    assert set(range(ready, total)) <= set(copied)
    assert not set(range(after_death, ready)) & set(copied) or \
        min(set(copied) & set(range(after_death, ready))) > after_death + 200


def test_started_and_stopped_in_mid_stream(star, daemons):
    """A clean start and a clean stop cost no packet at all."""
    at_server, at_receiver = star.server.capture(), star.receiver1.capture()
    stream = Stream(star.client1, star.server.v4)
    spans = []
    for _ in range(3):
        daemon = daemons(star).start(syslog(star.receiver1.v4))
        first = stream.count + 1
        wait_for("the stream to go on", lambda n=first: stream.count > n + 100)
        spans.append((first, stream.count))
        daemon.stop()
    total = stream.stop()
    arrived = numbers(at_server.take())
    lost = sorted(set(range(total)) - set(arrived))
    assert not lost, f"lost {lost} of {total}; the daemon ran for {spans}"
    assert len(arrived) == total
    copied = numbers(at_receiver.take())
    assert len(set(copied)) == len(copied)
    for first, last in spans:
        assert set(range(first, last)) <= set(copied)


@pytest.mark.vm
def test_frozen_and_the_queue_full_drop(star, daemons):
    """A frozen daemon with room for 100: the 101st and on are dropped, and counted exactly."""
    at_server, at_receiver = star.server.capture(), star.receiver1.capture()
    daemon = daemons(star).start(settings(syslog(star.receiver1.v4), WORKERS=1, QUEUELENGTH=100,
                                          WHENFULL="drop"))
    before, during, after = (_in_transit(star, n, first=first)
                             for n, first in ((20, 5000), (500, 10000), (20, 20000)))
    star.client1.inject(*before)
    daemon.wait_received(20)
    at_server.wait(20)
    assert at_server.take() == [routed(packet) for packet in before]
    daemon.freeze()
    star.client1.inject(*during)
    assert at_server.take() == []  # and the kernel is through with all of them
    daemon.thaw()
    daemon.wait_received(520)
    star.client1.inject(*after)
    found = daemon.wait_received(540)
    through = during[:100] + after
    assert found["queue"]["dropped_kernel_pkts"] == 400
    assert found["received_pkts"] == 140
    at_server.wait(120)
    assert at_server.take() == [routed(packet) for packet in through]
    assert_copies(before + through, at_receiver.take_udp(), star.receiver1.v4)


def test_frozen_and_the_queue_full_forward(star, daemons):
    """With WHENFULL forward what finds no room goes on at once, without copies, and is counted.

    The kernel counts nothing here, so that the daemon limits the queue by its socket's buffer, in
    bytes: there is room for QUEUELENGTH packets at least.
    """
    at_server, at_receiver = star.server.capture(), star.receiver1.capture()
    daemon = daemons(star).start(settings(syslog(star.receiver1.v4), WORKERS=1, QUEUELENGTH=100,
                                          WHENFULL="forward"))
    before, during, after = (_in_transit(star, n, first=first)
                             for n, first in ((20, 5000), (500, 10000), (20, 20000)))
    star.client1.inject(*before)
    daemon.wait_received(20)
    at_server.wait(20)
    assert at_server.take() == [routed(packet) for packet in before]
    daemon.freeze()
    star.client1.inject(*during)
    passed = at_server.take()
    room = len(during) - len(passed)
    assert 100 <= room <= 300
    assert passed == [routed(packet) for packet in during[room:]]
    daemon.thaw()
    at_server.wait(room)
    assert at_server.take() == [routed(packet) for packet in during[:room]]
    star.client1.inject(*after)
    found = daemon.wait_received(540)
    assert found["queue"]["dropped_kernel_pkts"] == len(passed)
    assert found["received_pkts"] == 40 + room
    at_server.wait(20)
    assert at_server.take() == [routed(packet) for packet in after]
    assert_copies(before + during[:room] + after, at_receiver.take_udp(), star.receiver1.v4)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_end_takes_the_rules_away(star, daemons, number):
    before = machine.rulesets(star.appliance)
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    assert machine.rulesets(star.appliance) != before
    daemon.signal(number)
    assert daemon.wait_exit() == 0, daemon.stderr()
    assert machine.rulesets(star.appliance) == before
    assert not daemon.socket.exists()


def test_a_stop_while_packets_wait(star, daemons):
    """SIGTERM finds packets in the queue: each is still copied and goes on."""
    at_server, at_receiver = star.server.capture(), star.receiver1.capture()
    daemon = daemons(star).start(settings(syslog(star.receiver1.v4), WORKERS=1))
    daemon.freeze()
    sent = _in_transit(star, 200)
    star.client1.inject(*sent)
    daemon.signal(signal.SIGTERM)
    daemon.thaw()
    assert daemon.wait_exit() == 0, daemon.stderr()
    assert at_server.take() == [routed(packet) for packet in sent]
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.v4)


@pytest.mark.parametrize("what", ["control socket", "queue"])
def test_a_second_daemon_refuses(star, daemons, what):
    """It says why, and the first goes on unharmed, its rules with it."""
    at_receiver = star.receiver1.capture()
    first = daemons(star).start(syslog(star.receiver1.v4))
    rules = machine.rulesets(star.appliance)
    second = daemons(star)
    if what == "control socket":
        second.socket = first.socket
    second.spawn(config={"Other": rule("515", star.receiver2.v4)})
    assert second.wait_exit() == 1, second.stderr()
    said = second.stderr().lower()
    assert "already" in said or "in use" in said or "another" in said, second.stderr()
    assert machine.rulesets(star.appliance) == rules
    sent = _in_transit(star, 20)
    star.client1.inject(*sent)
    found = first.wait_received(20)
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.v4)
    assert status.rule(found, "DuplicateSyslog")["duplicated_pkts"] == 20
