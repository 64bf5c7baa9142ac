# SPDX-License-Identifier: MIT
"""CHECK: three failures in a row take a destination down, two successes bring it back.

The network is Star, drawn in lib/topology.py. Checks are 2 s apart: that is where the time goes.
"""

import contextlib
import socket
import time

import pytest

from lib import packets, status
from lib.configs import rule, settings
from lib.oracle import assert_copies
from lib.waiting import wait_for

pytestmark = pytest.mark.long
FAMILIES = pytest.mark.parametrize("family", [4, 6])
LIMIT_S = 20
INTERVAL_S, TIMEOUT_S = 2, 1.5


def _firewall(host, *rules):
    host.namespace.run("nft", "-f", "-", stdin="""
        table inet ill {
            chain input { type filter hook input priority 0; %s; }
        }""" % "; ".join(rules))


def _cut(host, what="icmp type echo-request drop; icmpv6 type echo-request drop"):
    _firewall(host, what)


def _mend(host):
    host.namespace.run("nft", "delete", "table", "inet", "ill")


def _state(daemon, address):
    return {d["state"] for r in daemon.status()["rules"] for d in r["destinations"]
            if d["address"] == address}


def _wait_state(daemon, address, state):
    wait_for(f"{address} to be {state}", lambda: _state(daemon, address) == {state}, LIMIT_S,
             lambda: f"{_state(daemon, address)}\n{daemon.stderr()}")


def _lines(daemon, *words):
    return [line for line in daemon.stderr().splitlines() if all(word in line for word in words)]


def _sent(star, family, count=12, port=514, source=None):
    source = source or star.client1.address(family)
    return [packets.udp_packet(source, star.server.address(family), 5000 + n, port,
                               b"health %d" % n) for n in range(count)]


@contextlib.contextmanager
def _listener(host, address, port):
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.namespace.entered():
        server = socket.create_server((address, port), family=kind)
    with server:
        yield server


def _down_and_up(star, daemons, family, check, sick):
    """sick(): a context in which receiver1 fails the check."""
    one, two = star.receiver1.address(family), star.receiver2.address(family)
    captures = star.receiver1.capture(), star.receiver2.capture()
    daemon = daemons(star).start({"R": rule("514", {"ADDRESS": one, "CHECK": check}, two)})
    assert _state(daemon, one) == {"up"} and _state(daemon, two) == {"unchecked"}
    sent, total = _sent(star, family), 0

    def send(first_gets):
        nonlocal total
        star.client1.inject(*sent)
        total += len(sent)
        found = daemon.wait_received(total)
        assert_copies(sent if first_gets else [], captures[0].take_udp(), one)
        assert_copies(sent, captures[1].take_udp(), two)
        return status.destination(found, "R", one)
    assert send(True)["dropped"]["down"] == 0
    with sick():
        begun = time.monotonic()
        _wait_state(daemon, one, "down")
        took_s = time.monotonic() - begun
        # The third failure comes two intervals after the first, which is up to one away.
        assert took_s > 2 * INTERVAL_S - TIMEOUT_S, took_s
        numbers = send(False)
        assert (numbers["due_pkts"], numbers["dropped"]["down"]) == (2 * len(sent), len(sent))
    _wait_state(daemon, one, "up")
    numbers = send(True)
    assert (numbers["sent_pkts"], numbers["dropped"]["down"]) == (2 * len(sent), len(sent))
    assert len(_lines(daemon, one, "is down")) == 1, daemon.stderr()
    assert len(_lines(daemon, one, "is up again")) == 1, daemon.stderr()


@FAMILIES
def test_icmp(star, daemons, family):
    @contextlib.contextmanager
    def sick():
        _cut(star.receiver1)
        yield
        _mend(star.receiver1)
    _down_and_up(star, daemons, family, "icmp", sick)


@FAMILIES
def test_tcp_refused(star, daemons, family):
    """A service that is not there is a failure at once."""
    address = star.receiver1.address(family)
    stack = contextlib.ExitStack()
    stack.enter_context(_listener(star.receiver1, address, 601))

    @contextlib.contextmanager
    def sick():
        stack.close()
        yield
        stack.enter_context(_listener(star.receiver1, address, 601))
    with stack:
        _down_and_up(star, daemons, family, "tcp/601", sick)


def test_tcp_silent(star, daemons):
    """A service behind a firewall that says nothing."""
    @contextlib.contextmanager
    def sick():
        _cut(star.receiver1, "tcp dport 601 drop")
        yield
        _mend(star.receiver1)
    with _listener(star.receiver1, star.receiver1.v4, 601):
        _down_and_up(star, daemons, 4, "tcp/601", sick)


def _is_echo_request(packet):
    at = packets.view(packet)
    return (at.version, at.protocol, at.data[at.body_at]) in ((4, 1, 8), (6, 58, 128))


def test_two_failures_are_not_enough(star, daemons):
    """A receiver that misses two checks and answers the third stays up."""
    capture = star.receiver1.capture()
    daemon = daemons(star).start({"R": rule("514", {"ADDRESS": star.receiver1.v4,
                                                    "CHECK": "icmp"})})
    for _ in range(2):
        capture.wait(1, match=_is_echo_request)
        capture.take()
        _cut(star.receiver1)
        capture.wait(2, match=_is_echo_request)
        _mend(star.receiver1)
        capture.take()
        capture.wait(1, match=_is_echo_request)
    assert _state(daemon, star.receiver1.v4) == {"up"}
    assert not _lines(daemon, "is down")


@pytest.mark.once
@pytest.mark.alone
def test_checks_are_two_seconds_apart(star, daemons):
    capture = star.receiver1.capture()
    daemons(star).start({"R": rule("514", {"ADDRESS": star.receiver1.v4, "CHECK": "icmp"}),
                         "S": rule("515", {"ADDRESS": star.receiver1.v4, "CHECK": "icmp"})})
    times = []
    for count in range(1, 5):
        capture.wait(count, match=_is_echo_request)
        times.append(time.monotonic())
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert all(1.5 < gap < 2.5 for gap in gaps), f"one check serves both rules: {gaps}"


CLIENTS = [f"10.1.1.{n}" for n in range(3, 43)]


def test_balance_goes_by_health(star, daemons):
    """failover moves on and back, hash moves only the clients of the one that is down, round-robin
    leaves it out; with all down the copies are counted as down, and none is sent."""
    one, two = star.receiver1.v4, star.receiver2.v4
    to = [{"ADDRESS": one, "CHECK": "icmp"}, {"ADDRESS": two, "CHECK": "icmp"}]
    third = ["10.64.0.1"]  # behind receiver1, and never checked
    captures = star.receiver1.capture(), star.receiver2.capture()
    daemon = daemons(star).start(settings({
        "Failover": rule("514", *to, BALANCE="failover"),
        "Hash": rule("515", *to, *third, BALANCE="hash"),
        "Turns": rule("516", *to, *third, BALANCE="round-robin"),
        "None left": rule("517", *to, BALANCE="hash")}, WORKERS=1))
    total = 0

    def send():
        """{port: {client: addresses of its copies}}"""
        nonlocal total
        for client in CLIENTS:
            for port in (514, 515, 516, 517):
                star.client1.inject(*_sent(star, 4, 1, port, client))
        total += 4 * len(CLIENTS)
        daemon.wait_received(total)
        result = {port: {} for port in (514, 515, 516, 517)}
        for packet in (p for capture in captures for p in capture.take_udp()):
            at = packets.view(packet)
            result[at.port].setdefault(bytes(at.source), []).append(bytes(at.destination))
        return result
    first, second, other = map(packets.packed, (one, two, *third))
    everyone = {packets.packed(client) for client in CLIENTS}

    def targets(copies):
        return {address for addresses in copies.values() for address in addresses}
    healthy = send()
    assert targets(healthy[514]) == {first} and set(healthy[514]) == everyone
    assert targets(healthy[515]) == targets(healthy[516]) == {first, second, other}
    _cut(star.receiver1)
    _wait_state(daemon, one, "down")
    ill = send()
    assert targets(ill[514]) == {second} and set(ill[514]) == everyone
    assert all(ill[515][c] == healthy[515][c] for c in everyone if healthy[515][c] != [first])
    assert targets(ill[515]) == targets(ill[516]) == {second, other}
    turns = [ill[516][packets.packed(c)] for c in CLIENTS]
    assert turns.count([second]) + turns.count([other]) == len(CLIENTS)
    assert targets(ill[517]) == {second}
    _cut(star.receiver2)
    _wait_state(daemon, two, "down")
    before = daemon.status()
    worse = send()
    assert worse[514] == worse[517] == {} and targets(worse[515]) == targets(worse[516]) == {other}
    lost = [sum(d["dropped"]["down"] for d in status.rule(daemon.status(), name)["destinations"])
            - sum(d["dropped"]["down"] for d in status.rule(before, name)["destinations"])
            for name in ("Failover", "Hash", "Turns", "None left")]
    assert lost == [len(CLIENTS), 0, 0, len(CLIENTS)]
    _mend(star.receiver1)
    _mend(star.receiver2)
    _wait_state(daemon, one, "up")
    _wait_state(daemon, two, "up")
    again = send()
    assert {port: again[port] for port in (514, 515, 517)} == \
        {port: healthy[port] for port in (514, 515, 517)}


def test_a_reload_keeps_what_is_known(star, daemons):
    """A destination that is down does not get copies because something else has changed."""
    one = {"ADDRESS": star.receiver1.v4, "CHECK": "icmp"}
    capture = star.receiver1.capture()
    _cut(star.receiver1)
    daemon = daemons(star).start({"R": rule("514", one)})
    _wait_state(daemon, star.receiver1.v4, "down")
    daemon.configure({"R": rule("514-515", {**one, "NAME": "Ill"}), "S": rule("516", one)})
    assert daemon.reload().returncode == 0
    assert _state(daemon, star.receiver1.v4) == {"down"}
    star.client1.inject(*_sent(star, 4, 10))
    found = daemon.wait_received(10)
    assert status.rule(found, "R")["destinations"][0]["dropped"]["down"] == 10
    assert capture.take_udp() == []
