# SPDX-License-Identifier: MIT
"""Which packets a rule applies to, key by key; and that no others reach the program.

The networks are Star and Bridge, drawn in lib/topology.py. Every packet carries a number: the
daemon must receive exactly those that match, and copy them, and nft keeps the rest away from it.
"""

import json
import struct

import pytest

from lib import packets, status
from lib.configs import rule, settings
from lib.daemon import command
from lib.oracle import assert_copies
from lib.topology import wait_running
from lib.waiting import wait_for

FAMILIES = pytest.mark.parametrize("family", [4, 6])
PREFIX = {4: "10.1.", 6: "fd01:"}
FARAWAY = {4: "10.99.0.0/16", 6: "fd99::/16"}


def _numbered(number):
    return struct.pack("!I", number)


def _address(family, four, six):
    return four if family == 4 else six


def _check(star, daemons, config, sent, matches, family):
    """Sends packets, [(host, packet)]; those at matches, and they alone, are copied to receiver1
    and come to the daemon."""
    to = star.receiver1.address(family)
    capture = star.receiver1.capture()
    daemon = daemons(star).start(config)
    for host, packet in sent:
        host.inject(packet)
    daemon.wait_received(len(matches))
    copies = sorted((c for c in capture.take_udp()), key=lambda c: packets.view(c).payload)
    assert_copies([sent[n][1] for n in matches], copies, to)
    found = daemon.status()
    assert (found["received_pkts"], found["unmatched_pkts"]) == (len(matches), 0)
    return found


def _to_ports(star, family, ports):
    client, server = star.client1.address(family), star.server.address(family)
    return [(star.client1, packets.udp_packet(client, server, 5000, port, _numbered(n)))
            for n, port in enumerate(ports)]


@FAMILIES
@pytest.mark.parametrize("value, matching", [
    ("514", {514}), (514, {514}), ("2055-2057", {2055, 2056, 2057}),
    (["514", "2055-2056", 6343], {514, 2055, 2056, 6343}), (["514-516", "517-2055"],
                                                            {514, 515, 516, 517, 2055}),
    ("1-65535", {1, 513, 514, 515, 516, 517, 2055, 2056, 2057, 6343, 65535})])
def test_sourceport(star, daemons, family, value, matching):
    ports = [1, 513, 514, 515, 516, 517, 2055, 2056, 2057, 6343, 65535]
    _check(star, daemons, {"R": rule(value, star.receiver1.address(family))},
           _to_ports(star, family, ports), [n for n, p in enumerate(ports) if p in matching],
           family)


CLIENTS = {4: ["10.1.1.2", "10.1.1.77", "10.1.1.127", "10.1.1.128", "10.1.1.255", "10.1.2.2",
               "172.16.0.1"],
           6: ["fd01:1::2", "fd01:1::77", "fd01:1::7f", "fd01:1::80", "fd01:1::ffff", "fd01:2::2",
               "2001:db8::1"]}
SOURCES = [
    (("10.1.1.0/24", "fd01:1::/64"), (0, 1, 2, 3, 4)),
    (("10.1.1.77", "fd01:1::77"), (1,)),
    (("10.1.1.77/32", "fd01:1::77/128"), (1,)),
    ((["10.1.1.0/25", "10.1.2.0/24"], ["fd01:1::/121", "fd01:2::/64"]), (0, 1, 2, 5)),
    ((["10.1.0.0/16", "!10.1.1.0/25"], ["fd01::/16", "!fd01:1::/121"]), (3, 4, 5)),
    ((["!10.1.1.0/24"], ["!fd01:1::/64"]), (5, 6)),
    (("!10.1.1.77", "!fd01:1::77"), (0, 2, 3, 4, 5, 6)),
    ((["!10.1.0.0/16", "!172.16.0.1", "0.0.0.0/0"], ["!fd01::/16", "!2001:db8::1", "::/1"]), ()),
    # An exclusion stands, however small the network that has it otherwise.
    ((["10.1.1.77", "!10.1.1.0/24", "10.1.2.2"], ["fd01:1::77", "!fd01:1::/64", "fd01:2::2"]),
     (5,)),
]


@FAMILIES
@pytest.mark.parametrize("case", range(len(SOURCES)))
def test_sourceaddress(star, daemons, family, case):
    values, matches = SOURCES[case]
    value = values[family == 6]
    if not matches:  # the file is refused, since nobody is left, or the rule matches nobody
        value = value + [_address(family, "192.0.2.1", "2001:db8:9::1")]
    sent = [(star.client1, packets.udp_packet(source, star.server.address(family), 5000, 514,
                                              _numbered(n)))
            for n, source in enumerate(CLIENTS[family])]
    _check(star, daemons, {"R": rule("514", star.receiver1.address(family), SOURCEADDRESS=value)},
           sent, list(matches), family)


@FAMILIES
def test_sourceaddress_of_the_other_family(star, daemons, family):
    """Clients that are asked for leave out the other family; clients that are excluded do not."""
    other = 10 - family
    both = star.receiver1.v4, star.receiver1.v6
    net = {4: "10.1.1.0/24", 6: "fd01:1::/64"}
    sent = [(star.client1, packets.udp_packet(star.client1.address(family),
                                              star.server.address(family), 5000, 514 + n,
                                              _numbered(n))) for n in range(2)]
    _check(star, daemons, {
        "Only others": rule("514", star.receiver1.address(other), SOURCEADDRESS=net[other]),
        "Not these": rule("515", *both, SOURCEADDRESS="!" + net[other]),
    }, sent, [1], family)


LISTENS = [
    (("10.99.0.1", "fd99::1"), (0,)),
    (("10.99.0.0/31", "fd99::/127"), (0,)),
    (("10.99.0.0/16", "fd99::/16"), (0, 1, 2)),
    ((["10.99.0.1", "10.1.1.1"], ["fd99::1", "fd01:1::1"]), (0, 3)),
    ((["10.99.1.0/24", "10.99.0.2/32"], ["fd99:1::/32", "fd99::2/128"]), (1, 2)),
]


@FAMILIES
@pytest.mark.parametrize("case", range(len(LISTENS)))
def test_listenaddress(star, daemons, family, case):
    star.appliance.ip(f"route add {FARAWAY[family]} via {star.server.address(family)}")
    values, matches = LISTENS[case]
    targets = _address(family, ["10.99.0.1", "10.99.0.2", "10.99.1.1", "10.1.1.1", "10.3.1.2"],
                       ["fd99::1", "fd99::2", "fd99:1::1", "fd01:1::1", "fd03:1::2"])
    sent = [(star.client1, packets.udp_packet(star.client1.address(family), to, 5000, 514,
                                              _numbered(n))) for n, to in enumerate(targets)]
    _check(star, daemons, {"R": rule("514", star.receiver1.address(family),
                                     LISTENADDRESS=values[family == 6])},
           sent, list(matches), family)


@FAMILIES
@pytest.mark.parametrize("value, matches", [
    ("client1", (0,)), (["client1", "server"], (0, 2)), (["nowhere0", "client2"], (1,)),
    ("nowhere0", ())])
def test_interface(star, daemons, family, value, matches):
    sent = [(host, packets.udp_packet(host.address(family), star.client2.address(family)
                                      if host is star.server else star.server.address(family),
                                      5000, 514, _numbered(n)))
            for n, host in enumerate((star.client1, star.client2, star.server))]
    config = {"R": rule("514", star.receiver1.address(family), INTERFACE=value)}
    _check(star, daemons, config, sent, list(matches), family)


@FAMILIES
def test_an_interface_that_comes_later(star, daemons, family):
    """A rule may name an interface that is not there yet, and follows it when it comes."""
    to = star.receiver1.address(family)
    capture = star.receiver1.capture()
    star.appliance.ip("link set client1 down", "link set client1 name before0",
                      "link set before0 up")
    daemon = daemons(star).start({"R": rule("514", to, INTERFACE="later0"),
                                  "Any": rule("515", to)})
    star.appliance.ip("link set before0 down", "link set before0 name later0", "link set later0 up")
    client = star.client1
    for namespace, interface in ((star.appliance, "later0"), (client.namespace, "eth0")):
        wait_running(namespace, interface)

    def packet(port):
        return packets.udp_packet(client.address(family), star.server.address(family), 5000, port,
                                  b"x")
    number = 0

    def arrives():
        nonlocal number
        before = daemon.status()
        client.inject(packet(514), packet(515))
        number += 1
        after = daemon.wait_status("the packet of rule Any", lambda s: status.rule(s, "Any")
                                   ["matched_pkts"] > status.rule(before, "Any")["matched_pkts"])
        return status.rule(after, "R")["matched_pkts"] > status.rule(before, "R")["matched_pkts"]
    wait_for("later0 to be known", arrives)
    assert all(arrives() for _ in range(5))
    assert capture.take_udp()


@FAMILIES
@pytest.mark.parametrize("value, matches", [
    ("client1", (0, 2)), ("client2", (1,)), ("br0", (0, 1, 2)), (["client2", "server"], (1,)),
    ("server", ())])
def test_interface_of_a_bridge(bridge, daemons, family, value, matches):
    """A packet that crosses a bridge, or is for it, came in by the bridge and by its port.

    nft cannot see the port there, so that the daemon may receive packets only to pass them on.
    """
    own = _address(family, "10.9.0.1", "fd09::1")
    sent = [(host.inject, packets.udp_packet(host.address(family), bridge.server.address(family),
                                             5000, 514, _numbered(n)))
            for n, host in enumerate((bridge.client1, bridge.client2))]
    sent.append((bridge.to_appliance(bridge.client1).send, packets.udp_packet(
        bridge.client1.address(family), own, 5000, 514, _numbered(2))))
    capture = bridge.receiver2.capture()
    to = bridge.receiver2.address(family)
    daemon = daemons(bridge).start(settings(
        {"R": rule("514", to, INTERFACE=value), "Last": rule("515", f"{to}/515")}, WORKERS=1))
    for inject, packet in sent:
        inject(packet)
    bridge.client1.inject(packets.udp_packet(
        bridge.client1.address(family), bridge.server.address(family), 5000, 515, b"last"))
    found = daemon.wait_status("the last packet", lambda s: status.rule(s, "Last")["matched_pkts"])
    copies = [c for c in capture.take_udp() if packets.view(c).port == 514]
    assert_copies([sent[n][1] for n in matches],
                  sorted(copies, key=lambda c: packets.view(c).payload), to)
    assert status.rule(found, "R")["matched_pkts"] == len(matches)
    assert found["received_pkts"] <= 4


@FAMILIES
def test_enabled(star, daemons, family):
    to = star.receiver1.address(family)
    found = _check(star, daemons, {"Off": rule("514-515", to, ENABLED=False),
                                   "On": rule("515", to, ENABLED=True)},
                   _to_ports(star, family, [514, 515]), [1], family)
    assert status.rule(found, "Off")["matched_pkts"] == 0


def test_all_rules_off(star, daemons):
    _check(star, daemons, {"Off": rule("514", star.receiver1.v4, ENABLED=False)},
           _to_ports(star, 4, [514]), [], 4)


@FAMILIES
def test_a_family_without_a_destination(star, daemons, family):
    other = star.receiver1.address(10 - family)
    _check(star, daemons, {"Other": rule("514-515", other),
                           "Own": rule("515", star.receiver1.address(family))},
           _to_ports(star, family, [514, 515]), [1], family)


@FAMILIES
def test_every_matching_rule_applies(star, daemons, family):
    """Four rules, one copy for each place; the first rule in the file that sends there counts it."""
    one, two = star.receiver1.address(family), star.receiver2.address(family)
    captures = [star.receiver1.capture(), star.receiver2.capture()]
    net = _address(family, "10.1.1.0/24", "fd01:1::/64")
    daemon = daemons(star).start({
        "Place": rule("514", f"{one}/514"),
        "Same place": rule("500-600", one, f"{two}/514"),
        "Same again": rule("514-515", f"{one}/514", two, SOURCEADDRESS=net),
        "Another port": rule("514", f"{one}/5514", INTERFACE="client1"),
        "Not this": rule("514", f"{one}/9999", INTERFACE="client2")})
    sent = [packet for _, packet in _to_ports(star, family, [514] * 10)]
    star.client1.inject(*sent)
    found = daemon.wait_received(10)
    at_one, at_two = (capture.take_udp() for capture in captures)
    for port in (514, 5514):
        assert_copies(sent, [c for c in at_one if packets.view(c).port == port], one, port)
    assert len(at_one) == 20
    assert_copies(sent, at_two, two, 514)
    due = {r["name"]: [d["due_pkts"] for d in r["destinations"]] for r in found["rules"]}
    assert due == {"Place": [10], "Same place": [0, 10], "Same again": [0, 0],
                   "Another port": [10], "Not this": [0]}
    assert [r["matched_pkts"] for r in found["rules"]] == [10, 10, 10, 10, 0]


@pytest.mark.parametrize("wishes, goes_on, from_here", [
    (("auto",), True, False), (("forward",), True, True), (("drop",), False, False),
    (("auto", "forward"), True, True), (("forward", "drop"), False, False),
    (("drop", "auto", "forward"), False, False)])
@FAMILIES
def test_original_of_several_rules(star, daemons, family, wishes, goes_on, from_here):
    """drop wins, then forward, then auto: for a packet in transit and for one to the appliance."""
    at_server, at_client = star.server.capture(), star.client1.capture()
    daemon = daemons(star).start({
        f"R{n}": rule("514", f"{star.receiver1.address(family)}/{5000 + n}", ORIGINAL=wish)
        for n, wish in enumerate(wishes)})
    client = star.client1.address(family)
    star.client1.inject(*(packets.udp_packet(client, to, 5000, 514, b"x") for to in (
        star.server.address(family), star.client1.gateway(family))))
    found = daemon.wait_received(2)
    assert len(at_server.take_udp()) == goes_on
    # Nobody listens on the appliance: a packet that goes on to it is answered with an error.
    assert len(at_client.take_icmp_errors()) == from_here
    assert found["originals"]["forwarded_pkts"] == goes_on + from_here


def test_thousands_of_clients_networks(star, daemons):
    """A list as long as real ones, in which every second network is asked for."""
    networks = [f"172.{16 + n // 256}.{n % 256}.0/24" for n in range(0, 2048, 2)]
    sent = [(star.client1, packets.udp_packet(f"172.{16 + n // 256}.{n % 256}.9", star.server.v4,
                                              5000, 514, _numbered(n))) for n in range(2048)]
    _check(star, daemons, {"R": rule("514", star.receiver1.v4, SOURCEADDRESS=networks)},
           sent, list(range(0, 2048, 2)), 4)


def test_refused_combinations(star, tmp_path):
    """What can never match is an error, not a rule that waits for ever."""
    for keys in ({"SOURCEADDRESS": "10.0.0.0/8", "DESTINATION": ["fd02:1::2"]},
                 {"SOURCEADDRESS": ["10.0.0.1/8"]}, {"SOURCEADDRESS": []},
                 {"LISTENADDRESS": "!10.0.0.0/8"}, {"INTERFACE": "a-name-that-is-too-long"},
                 {"ENABLED": "yes"}, {"SOURCEPORT": "20-10"}, {"SOURCEPORT": []}):
        file = tmp_path / "config"
        file.write_text(json.dumps({"R": {**rule("514", star.receiver1.v4), **keys}}))
        done = command("check", "-c", file, namespace=star.appliance)
        assert done.returncode == 3, keys
        assert next(iter(keys)) in done.stderr, (keys, done.stderr)
