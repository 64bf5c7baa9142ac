# SPDX-License-Identifier: MIT
"""What a rule sends, key by key: to which of its destinations, how often, from whom, how far.

The network is Star, drawn in lib/topology.py; with one worker, where the order of packets counts.
"""

import collections
import ipaddress
import time

import pytest

from lib import packets, status
from lib.configs import rule, settings
from lib.oracle import assert_copies
from lib.waiting import wait_for

FAMILIES = pytest.mark.parametrize("family", [4, 6])
BEHIND = {4: [f"10.64.0.{n}" for n in range(1, 9)], 6: [f"fd64::{n}" for n in range(1, 9)]}


def _one_worker(rules):
    return settings(rules, WORKERS=1)


def _sent(star, family, count, ports=(514,), source=None, **ip):
    """Datagrams that differ in payload and source port."""
    source = source or star.client1.address(family)
    return [packets.udp_packet(source, star.server.address(family), 5000 + n, ports[n % len(ports)],
                               b"message %d" % n, **ip) for n in range(count)]


def _place(packet):
    at = packets.view(packet)
    return str(ipaddress.ip_address(at.destination)), at.port


def _copies_by_place(capture):
    copies = collections.defaultdict(list)
    for packet in capture.take_udp():
        copies[_place(packet)].append(packet)
    return copies


def _due(found, name):
    return [to["due_pkts"] for to in status.rule(found, name)["destinations"]]


@FAMILIES
def test_round_robin(star, daemons, family):
    """One each in turn, by the packet."""
    to = BEHIND[family][:3]
    capture = star.receiver1.capture()
    daemon = daemons(star).start(_one_worker({"R": rule("514", *to, BALANCE="round-robin")}))
    sent = _sent(star, family, 31)
    star.client1.inject(*sent)
    found = daemon.wait_received(31)
    copies = _copies_by_place(capture)
    for n, address in enumerate(to):
        assert_copies(sent[n::3], copies[address, 514], address)
    assert _due(found, "R") == [11, 10, 10]


def test_round_robin_for_both_families_at_once(star, daemons):
    """Packets of one family do not take the turns of the other's destinations."""
    to = [BEHIND[4][0], BEHIND[4][1], BEHIND[6][0], BEHIND[6][1]]
    daemon = daemons(star).start(_one_worker({"R": rule("514", *to, BALANCE="round-robin")}))
    for four, six in zip(_sent(star, 4, 20), _sent(star, 6, 20)):
        star.client1.inject(four, six)
    found = daemon.wait_received(40)
    assert _due(found, "R") == [10, 10, 10, 10]


@FAMILIES
def test_failover_with_all_up(star, daemons, family):
    capture = star.receiver1.capture()
    to = BEHIND[family][:3]
    daemon = daemons(star).start({"R": rule("514", *to, BALANCE="failover")})
    sent = _sent(star, family, 20)
    star.client1.inject(*sent)
    found = daemon.wait_received(20)
    assert_copies(sent, capture.take_udp(), to[0])
    assert _due(found, "R") == [20, 0, 0]


CLIENTS = 200


def _clients(family):
    return [f"10.1.1.{n}" if family == 4 else f"fd01:1::{n:x}" for n in range(3, 3 + CLIENTS)]


def _homes(star, daemon, capture, family, ports=(514, 515)):
    """{client: the destinations of its packets}, by two packets to each port."""
    before = daemon.status()["received_pkts"]
    for client in _clients(family):
        star.client1.inject(*_sent(star, family, 2 * len(ports), ports, client))
    daemon.wait_received(before + CLIENTS * 2 * len(ports))
    homes = collections.defaultdict(set)
    for packet in capture.take_udp():
        at = packets.view(packet)
        homes[str(ipaddress.ip_address(at.source))].add(_place(packet)[0])
    assert set(homes) == set(_clients(family))
    return homes


@FAMILIES
def test_hash(star, daemons, family):
    """A client has one destination, whatever its ports; each destination has its share of them.

    One that goes takes only its own clients along, and gets them back when it returns.
    """
    to = BEHIND[family][:5]
    capture = star.receiver1.capture()
    config = {"R": rule("514-515", *to, BALANCE="hash")}
    daemon = daemons(star).start(config)
    homes = _homes(star, daemon, capture, family)
    assert all(len(home) == 1 for home in homes.values()), "sticky"
    shares = collections.Counter(next(iter(home)) for home in homes.values())
    # 40 each on average; 10 is beyond five standard deviations of a fair choice.
    assert set(shares) == set(to) and min(shares.values()) >= 10, shares
    gone = to[2]
    daemon.configure({"R": rule("514-515", *(t for t in to if t != gone), BALANCE="hash")})
    assert daemon.reload().returncode == 0
    without = _homes(star, daemon, capture, family)
    assert all(len(home) == 1 for home in without.values())
    moved = {client for client in homes if homes[client] != without[client]}
    assert moved == {client for client in homes if homes[client] == {gone}}
    assert len({next(iter(without[client])) for client in moved}) > 1, "spread over the others"
    daemon.configure({"R": rule("514-515", *reversed(to), BALANCE="hash")})
    assert daemon.reload().returncode == 0
    assert _homes(star, daemon, capture, family) == homes, "whatever their order in the file"


def test_hash_is_the_same_in_the_next_life(star, daemons):
    """A restart moves no client: collectors keep the templates of their exporters."""
    to, capture = BEHIND[4][:4], star.receiver1.capture()
    config = {"R": rule("514-515", *to, BALANCE="hash")}
    homes = []
    for _ in range(2):
        daemon = daemons(star).start(config)
        homes.append(_homes(star, daemon, capture, 4))
        daemon.stop()
    assert homes[0] == homes[1]


@FAMILIES
@pytest.mark.parametrize("one_in", [2, 3, 10])
def test_sample_of_a_rule(star, daemons, family, one_in):
    """Of N packets one is copied, to all destinations."""
    to = BEHIND[family][:2]
    capture = star.receiver1.capture()
    daemon = daemons(star).start(_one_worker({"R": rule("514", *to, SAMPLE=one_in)}))
    sent = _sent(star, family, 60)
    star.client1.inject(*sent)
    found = daemon.wait_received(60)
    copies = _copies_by_place(capture)
    for address in to:
        assert_copies(sent[::one_in], copies[address, 514], address)
    numbers = status.rule(found, "R")
    assert (numbers["matched_pkts"], numbers["sampled_out_pkts"], numbers["duplicated_pkts"]) == \
        (60, 60 - 60 // one_in, 60 // one_in)


@FAMILIES
def test_sample_of_a_destination(star, daemons, family):
    """Each destination has its own, of what the rule's leaves."""
    one, two, three = BEHIND[family][:3]
    capture = star.receiver1.capture()
    daemon = daemons(star).start(_one_worker({"R": rule(
        "514", {"ADDRESS": one, "SAMPLE": 5}, two, {"ADDRESS": three, "PORT": 9, "SAMPLE": 2},
        SAMPLE=3)}))
    sent = _sent(star, family, 90)
    star.client1.inject(*sent)
    found = daemon.wait_received(90)
    copies = _copies_by_place(capture)
    assert_copies(sent[::15], copies[one, 514], one)
    assert_copies(sent[::3], copies[two, 514], two)
    assert_copies(sent[::6], copies[three, 9], three, 9)
    assert [(d["due_pkts"], d["sampled_out_pkts"]) for d in status.rule(found, "R")
            ["destinations"]] == [(6, 24), (30, 0), (15, 15)]


def test_a_later_rule_sends_what_an_earlier_one_samples_out(star, daemons):
    """The place gets every packet once: from whichever rule sends it first."""
    to = BEHIND[4][0]
    capture = star.receiver1.capture()
    daemon = daemons(star).start(_one_worker({
        "Sampled": rule("514", to, SAMPLE=2),
        "Sampled there": rule("514", {"ADDRESS": to, "PORT": 514, "SAMPLE": 3}),
        "Rest": rule("514", to)}))
    sent = _sent(star, 4, 60)
    star.client1.inject(*sent)
    found = daemon.wait_received(60)
    assert_copies(sent, capture.take_udp(), to)
    assert [_due(found, name) for name in ("Sampled", "Sampled there", "Rest")] == \
        [[30], [10], [20]]


@pytest.mark.once
@pytest.mark.alone
@pytest.mark.parametrize("rate_pps", [20, 200])
def test_ratelimit(star, daemons, rate_pps):
    """Over some seconds the copies are what the rate allows, and one second's worth at once."""
    to, capture = BEHIND[4][0], star.receiver1.capture()
    daemon = daemons(star).start({"Limited": rule("514", to, RATELIMIT=rate_pps),
                                  "Unlimited": rule("514", f"{to}/999")})
    sent, begun = 0, time.monotonic()
    while time.monotonic() < begun + 4:
        star.client1.inject(*_sent(star, 4, 10))
        sent += 10
        time.sleep(10 / (10 * rate_pps))  # the pace of clients: ten times the limit
    took_s = time.monotonic() - begun
    found = daemon.wait_received(sent, timeout_s=60)
    numbers = status.rule(found, "Limited")
    allowed = rate_pps * (took_s + 1)
    assert numbers["matched_pkts"] == sent
    assert 0.85 * allowed - 2 <= numbers["duplicated_pkts"] <= 1.1 * allowed + 2, (allowed, numbers)
    assert numbers["rate_limited_pkts"] == sent - numbers["duplicated_pkts"] > 0
    copies = _copies_by_place(capture)
    assert len(copies[to, 514]) == numbers["duplicated_pkts"]
    assert len(copies[to, 999]) == sent


def test_ratelimit_leaves_what_is_below_it_alone(star, daemons):
    """A burst of one second's worth passes; the next has to wait for its tokens."""
    daemon = daemons(star).start({"R": rule("514", BEHIND[4][0], RATELIMIT=1000)})
    star.client1.inject(*_sent(star, 4, 1000))
    numbers = status.rule(daemon.wait_received(1000), "R")
    assert (numbers["duplicated_pkts"], numbers["rate_limited_pkts"]) == (1000, 0)


@FAMILIES
@pytest.mark.parametrize("value, arrives", [
    ("keep", {1: 1, 2: 2, 255: 255}), ("decrement", {1: None, 2: 1, 255: 254}),
    (1, {1: 1, 2: 1, 255: 1}), (99, {1: 99, 2: 99, 255: 99}), (255, {1: 255, 2: 255, 255: 255})])
def test_ttl(star, daemons, family, value, arrives):
    """Of a rule and of a destination, which has the last word; a TTL used up is a loop."""
    by_rule, own = BEHIND[family][:2]
    other = 7 if value == 99 else 99
    capture = star.receiver1.capture()
    daemon = daemons(star).start({
        "Rule": rule("514", by_rule, {"ADDRESS": own, "TTL": other}, TTL=value),
        "Destination": rule("514", {"ADDRESS": by_rule, "PORT": 2, "TTL": value}, TTL=other)})
    key = "ttl" if family == 4 else "hop_limit"
    for ttl, wanted in arrives.items():
        sent = _sent(star, family, 3, **{key: ttl})
        star.client1.inject(*sent)
        before = daemon.expected_received_pkts or 0
        found = daemon.wait_received(before + 3)
        copies = _copies_by_place(capture)
        for place in ((by_rule, 514), (by_rule, 2)):
            assert_copies(sent if wanted else [], copies[place], *place, ttl=wanted)
        assert_copies(sent, copies[own, 514], own, ttl=other)
    lost = 3 * (None in arrives.values())
    for name in ("Rule", "Destination"):
        dropped = status.destination(found, name, by_rule)["dropped"]
        assert {k: n for k, n in dropped.items() if n} == ({"loop": lost} if lost else {})


@FAMILIES
def test_source(star, daemons, rng, family):
    """The client, the appliance's address towards the destination, or a fixed one; the port is
    the client's in any case."""
    fixed = "198.51.100.7" if family == 4 else "2001:db8:f::7"
    one, two = star.receiver1.address(family), star.receiver2.address(family)
    captures = [star.receiver1.capture(), star.receiver2.capture()]
    at_client = star.client1.capture()
    daemon = daemons(star).start({"R": rule(
        "514", one, {"ADDRESS": one, "PORT": 1, "SOURCE": "client"},
        {"ADDRESS": one, "PORT": 2, "SOURCE": "appliance"},
        {"ADDRESS": one, "PORT": 3, "SOURCE": fixed},
        {"ADDRESS": two, "PORT": 2, "SOURCE": "appliance"})})
    sent = [packets.udp_packet(star.client1.address(family), star.server.address(family),
                               5000 + n, 514, rng.randbytes(n * 7)) for n in range(100)]
    if family == 4:  # and one without a checksum, which stays without
        sent.append(packets.ipv4(star.client1.v4, star.server.v4, packets.udp(
            star.client1.v4, star.server.v4, 5000, 514, b"none", sum_=0)))
    star.client1.inject(*sent)
    daemon.wait_received(len(sent))
    at_one, at_two = map(_copies_by_place, captures)
    for port, source in ((514, None), (1, None), (2, star.receiver1.gateway(family)), (3, fixed)):
        assert_copies(sent, at_one[one, port], one, port, source=source)
    assert_copies(sent, at_two[two, 2], two, 2, source=star.receiver2.gateway(family))
    assert at_client.take_icmp_errors() == []


@FAMILIES
def test_source_appliance_follows_the_route(star, daemons, family):
    """Another way out, another address of the appliance's."""
    to = BEHIND[family][0]
    one, two = star.receiver1, star.receiver2
    captures = {host: host.capture() for host in (one, two)}
    daemon = daemons(star).start({"R": rule("514", {"ADDRESS": to, "SOURCE": "appliance"})})
    bits = 32 if family == 4 else 128
    star.appliance.ip(f"route replace {to}/{bits} via {two.address(family)}")
    number = 0

    def follows():
        nonlocal number
        sent = _sent(star, family, 1)
        star.client1.inject(*sent)
        number += 1
        daemon.wait_received(number)
        copies = captures[two].take_udp()
        if copies:
            source = packets.view(copies[0]).source
            return str(ipaddress.ip_address(source)) == two.gateway(family)
        return False
    wait_for("copies from the address on the way to receiver2", follows)
    sent = _sent(star, family, 5)
    star.client1.inject(*sent)
    daemon.wait_received(number + 5)
    assert_copies(sent, captures[two].take_udp(), to, source=two.gateway(family))


@FAMILIES
def test_fragmented_copies_from_another_source(star, daemons, rng, family):
    """SOURCE and TTL hold for copies in pieces, too."""
    fixed = "198.51.100.7" if family == 4 else "2001:db8:f::7"
    star.appliance.ip("link set receiver1 mtu 1300")
    to, capture = star.receiver1.address(family), star.receiver1.capture()
    daemon = daemons(star).start({"R": rule("514", {"ADDRESS": to, "SOURCE": fixed, "TTL": 9})})
    sent = [packets.udp_packet(star.client1.address(family), star.server.address(family), 5000, 514,
                               rng.randbytes(1400)) for _ in range(10)]
    star.client1.inject(*sent)
    daemon.wait_received(10)
    parts = capture.take_udp()
    assert len(parts) == 20
    assert_copies(sent, packets.reassemble(parts, 1300), to, ttl=9, fragmented=True, source=fixed)


def test_name(star, daemons):
    """NAME is what status calls a destination; without, its place is."""
    one, two = star.receiver1, star.receiver2
    daemon = daemons(star).start({"R": rule(
        "514", {"ADDRESS": one.v4, "PORT": 515, "NAME": "SIEM (Zürich)"}, f"{two.v4}/514",
        {"ADDRESS": one.v6, "PORT": "516"}, two.v6)})
    assert [d["name"] for d in daemon.status()["rules"][0]["destinations"]] == \
        ["SIEM (Zürich)", f"{two.v4}/514", f"{one.v6}/516", two.v6]
    star.client1.inject(*_sent(star, 4, 1))
    assert status.rule(daemon.wait_received(1), "R")["destinations"][0]["sent_pkts"] == 1


@FAMILIES
def test_rules_of_different_balance_on_one_place(star, daemons, family):
    """Each rule chooses for itself; what is chosen twice is sent once."""
    to = BEHIND[family][:3]
    capture = star.receiver1.capture()
    daemon = daemons(star).start(_one_worker({
        "Failover": rule("514", *to, BALANCE="failover"),
        "Turns": rule("514", *to, BALANCE="round-robin"),
        "All": rule("514", *to)}))
    sent = _sent(star, family, 30)
    star.client1.inject(*sent)
    found = daemon.wait_received(30)
    copies = _copies_by_place(capture)
    for address in to:
        assert_copies(sent, copies[address, 514], address)
    assert [_due(found, name) for name in ("Failover", "Turns", "All")] == \
        [[30, 0, 0], [0, 10, 10], [0, 20, 20]]
