# SPDX-License-Identifier: MIT
"""FASTPATH auto: which packets the kernel's program serves itself and which it leaves to the
queue, that both have the same copies, and what status and check say of it.

The network is Star, drawn in lib/topology.py.
"""

import json
import socket
import struct

import pytest

from lib import packets, status
from lib.configs import rule, settings, syslog
from lib.daemon import command
from lib.fastpath import FastPath, queued_pkts
from lib.machine import on_one_cpu
from lib.oracle import assert_copies, routed

pytestmark = pytest.mark.once
FAMILIES = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture
def fast_path(star, daemons):
    """Starts a daemon with FASTPATH auto."""
    return lambda rules, **values: FastPath(star, daemons(star), rules, **values)


def to_both(star, family, **keys):
    """A rule on port 514 with both receivers; the second one's copies have a port of their own."""
    return {"R": rule("514", star.receiver1.address(family),
                      f"{star.receiver2.address(family)}/9514", **keys)}


@pytest.mark.vm
@FAMILIES
@pytest.mark.parametrize("way", ["in transit", "addressed"])
def test_a_plain_packet(star, fast_path, family, way):
    """Is not queued; its copies are exact, and the original arrives as if nobody had seen it."""
    one, two, at_server = (h.capture() for h in (star.receiver1, star.receiver2, star.server))
    fast = fast_path(to_both(star, family))
    client = star.client1
    to = star.server.address(family) if way == "in transit" else client.gateway(family)
    sent = [packets.udp_packet(client.address(family), to, 5000 + n, 514, bytes(n))
            for n in (0, 1, 7, 500, 1400)]
    assert fast.send(*sent) == 0
    assert_copies(sent, one.take_udp(), star.receiver1.address(family))
    assert_copies(sent, two.take_udp(), star.receiver2.address(family), 9514)
    forwarded = [routed(p) for p in sent] if way == "in transit" else []
    assert at_server.take_udp() == forwarded
    found = fast.daemon.status()
    assert found["originals"] == {"forwarded_pkts": len(forwarded),
                                  "dropped_pkts": len(sent) - len(forwarded)}


@pytest.mark.parametrize("original", ["forward", "drop"])
@FAMILIES
def test_what_original_says(star, fast_path, family, original):
    """In transit and addressed alike."""
    fast = fast_path(to_both(star, family, ORIGINAL=original))
    star.appliance.run("nft", "-f", "-", stdin="""
        table inet watch {
            chain input { type filter hook input priority 0; udp dport 514 counter drop; }
            chain forward { type filter hook forward priority 0; udp dport 514 counter; }
        }""")
    client = star.client1
    assert fast.send(*(packets.udp_packet(client.address(family), to, 5000, 514, b"x")
                       for to in (star.server.address(family), client.gateway(family)))) == 0
    text = star.appliance.run("nft", "list", "table", "inet", "watch").stdout
    assert text.count("counter packets 1 ") == (2 if original == "forward" else 0), text


@FAMILIES
@pytest.mark.parametrize("mode, sent_ttl, ttl, way", [
    ("keep", 1, 1, "kernel"), ("decrement", 2, 1, "kernel"), ("decrement", 1, None, "queue"),
    (77, 1, 77, "kernel")])
def test_ttl(star, fast_path, family, mode, sent_ttl, ttl, way):
    capture = star.receiver1.capture()
    fast = fast_path({"R": rule("514", star.receiver1.address(family), TTL=mode)})
    key = "ttl" if family == 4 else "hop_limit"
    sent = packets.udp_packet(star.client1.address(family), star.client1.gateway(family), 5000,
                              514, b"x", **{key: sent_ttl})
    assert fast.send(sent) == (way == "queue")
    assert_copies([sent] if ttl else [], capture.take_udp(), star.receiver1.address(family),
                  ttl=ttl)


@FAMILIES
def test_marks_of_others(star, fast_path, family):
    """What goes on has no mark and no priority of ours, and whatever marks others give it."""
    fast = fast_path(to_both(star, family))
    star.appliance.run("nft", "-f", "-", stdin="""
        table inet watch {
            chain early { type filter hook prerouting priority -310; meta mark set 0x55; }
            chain forward {
                type filter hook forward priority 0;
                udp dport 514 meta mark 0x55 meta priority none counter
            }
        }""")
    assert fast.send(*fast.plain(family, 7)) == 0
    text = star.appliance.run("nft", "list", "table", "inet", "watch").stdout
    assert "counter packets 7 " in text, text
    star.appliance.run("nft", "flush", "chain", "inet", "watch", "early")
    star.appliance.run("nft", "add", "rule", "inet", "watch", "forward",
                       "udp dport 514 meta mark 0 meta priority none counter")
    assert fast.send(*fast.plain(family, 5)) == 0
    text = star.appliance.run("nft", "list", "table", "inet", "watch").stdout
    assert "counter packets 5 " in text, text


def _odd(star):
    """Packets with something special: {what: (frames, the packet that they make, way)}."""
    client, to4, to6 = star.client1, star.server.v4, star.server.v6

    def plain(family, size=300):
        return packets.udp_packet(client.address(family), star.server.address(family), 5000, 514,
                                  bytes(size))

    # The second piece looks like a datagram of its own: the first has 176 bytes, 8 of them UDP's.
    whole = packets.udp_packet(client.v4, to4, 5000, 514, bytes(168) + packets.udp(
        client.v4, to4, 5000, 514, bytes(100)))

    def udp(**keys):
        return packets.ipv4(client.v4, to4, packets.udp(client.v4, to4, 5000, 514, b"x", **keys))
    option = packets.udp_packet(client.v4, to4, 5000, 514, b"x", options=b"\x94\x04\0\0")
    # These look like a UDP header, and leave the IP header's checksum as it were without them.
    ended = packets.udp_packet(client.v4, to4, 5000, 514, b"x", options=struct.pack(
        "!HHHHHH", 1, 514, 8, 0, 0xFFFF - (1 + 514 + 8), 0))
    header = packets.udp_packet(client.v6, to6, 5000, 514, b"x",
                                extensions=[(packets.DESTINATION_OPTIONS, b"")])
    padded = {family: [plain(family, 1) + bytes(9)] for family in (4, 6)}
    no_sum, wrong_sum, short = udp(sum_=0), udp(sum_=0x1234), udp(length=8)
    return {
        "fragments": (packets.fragments(whole, 200), whole, "queue"),
        "IPv6 fragments": (packets.fragments(plain(6), 200), plain(6), "queue"),
        "IPv4 options": ([option], option, "queue"),
        "IPv4 options like UDP": ([ended], ended, "queue"),
        "an extension header": ([header], header, "queue"),
        "padding": (padded[4], plain(4, 1), "queue"),
        "IPv6 padding": (padded[6], plain(6, 1), "queue"),
        "no UDP checksum": ([no_sum], no_sum, "kernel"),
        "a wrong UDP checksum": ([wrong_sum], wrong_sum, "kernel"),
        "more than UDP says": ([short], short, "kernel"),
    }


@pytest.mark.parametrize("what", [
    "fragments", "IPv6 fragments", "IPv4 options", "IPv4 options like UDP", "an extension header",
    "padding", "IPv6 padding", "no UDP checksum", "a wrong UDP checksum", "more than UDP says"])
def test_a_packet_with(star, fast_path, what):
    """Is served in the kernel or queued, as the table says, with the same exact copy."""
    frames, packet, way = _odd(star)[what]
    family = 6 if packet[0] >> 4 == 6 else 4
    one, at_server = star.receiver1.capture(), star.server.capture()
    fast = fast_path(to_both(star, family))
    assert fast.send(*frames, count=1) == (way == "queue")
    assert_copies([packet], one.take_udp(), star.receiver1.address(family),
                  fragmented=len(frames) > 1)
    assert len(at_server.take_udp()) >= 1


@FAMILIES
def test_copies_above_the_mtu(make_star, daemons, family, rng):
    """At the MTU of the narrowest way out a packet is served in the kernel; above it is queued,
    and its copies leave in fragments."""
    star = make_star(client1=9000, receiver1=1300, server=9000)
    head = 28 if family == 4 else 48
    one, two = star.receiver1.capture(), star.receiver2.capture()
    fast = FastPath(star, daemons(star), to_both(star, family))
    for size, queued in ((1300, 0), (1301, 1), (1400, 1)):
        sent = packets.udp_packet(star.client1.address(family), star.server.address(family), 5000,
                                  514, rng.randbytes(size - head))
        assert fast.send(sent) == queued
        one.wait(1 + queued)
        assert_copies([sent], packets.reassemble(one.take_udp(), 1300),
                      star.receiver1.address(family), fragmented=queued == 1)
        assert_copies([sent], two.take_udp(), star.receiver2.address(family), 9514)


def test_a_header_that_the_kernel_refuses(star, fast_path):
    """Nobody sees it: no copy, no count."""
    one = star.receiver1.capture()
    fast = fast_path(to_both(star, 4))
    good = fast.plain()[0]
    bad = packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, b"x", sum_=0x1234)
    assert fast.send(bad, bad[:25], good, count=1) == 0
    assert len(one.take_udp()) == 1


def _offloads_on(star):
    star.client1.namespace.run("ethtool", "-K", "eth0", "tx", "on", "gso", "on",
                               "tx-udp-segmentation", "on")


@FAMILIES
def test_a_checksum_that_is_left_to_the_hardware(star, fast_path, family):
    """As packets from a container on this machine have it: the sum is finished on the way out."""
    _offloads_on(star)
    one, two = star.receiver1.capture(), star.receiver2.capture()
    fast = fast_path(to_both(star, family))
    client = star.client1.socket(family, 5000)
    sent = [packets.udp_packet(star.client1.address(family), star.server.address(family), 5000,
                               514, bytes([n] * n)) for n in range(1, 21)]
    with star.appliance.entered():
        arriving = star.keep(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
        arriving.bind(("client1", 0x0003))  # ETH_P_ALL

    def send():
        with on_one_cpu():  # in this order
            for packet in sent:
                client.sendto(packets.view(packet).payload, (star.server.address(family), 514))
    assert fast.queued_of(send, 20) == 0
    while (first := packets.view(arriving.recv(2000))).udp_at is None:
        pass  # the client's own kernel joins IPv6 groups when it likes to
    assert first.udp_sum != packets.view(sent[0]).udp_sum, "it is not left to anybody"
    for capture, to, port in ((one, star.receiver1, 514), (two, star.receiver2, 9514)):
        copies = capture.take_udp()
        assert len(copies) == 20
        for packet, copy in zip(sent, copies):
            view = packets.view(copy)
            assert (view.payload, view.port, view.source_port) == (
                packets.view(packet).payload, port, 5000)
            assert packets.packed(to.address(family)) == view.destination
            assert view.udp_sum == packets.udp_checksum(view.source, view.destination,
                                                        copy[view.udp_at:])


@FAMILIES
def test_segmentation_that_is_left_to_the_hardware(star, fast_path, family):
    """Many datagrams in one packet are queued, where the kernel takes them apart."""
    _offloads_on(star)
    receiver = star.receiver1.receiver(514, family)
    fast = fast_path(to_both(star, family))
    client = star.client1.socket(family, 5000)
    client.setsockopt(socket.IPPROTO_UDP, 103, 100)  # UDP_SEGMENT, include/uapi/linux/udp.h
    payload = b"".join(bytes([n]) * 100 for n in range(10))
    queued = fast.queued_of(
        lambda: client.sendto(payload, (star.server.address(family), 514)), 10)
    assert queued == 1, "they have to arrive as one"
    got = [datagram for datagram, _, _ in receiver.wait(10)]
    assert got == [bytes([n]) * 100 for n in range(10)]


def test_hash_has_the_same_choice_on_both_ways(star, fast_path):
    """A client's packets go to one destination, whichever way they take."""
    one, two = star.receiver1.receiver(514), star.receiver2.receiver(514)
    fast = fast_path({"R": rule("514", star.receiver1.v4, star.receiver2.v4, BALANCE="hash")})
    counts = []
    for last in range(50, 82):
        client = f"10.1.1.{last}"
        plain, option = (packets.udp_packet(client, star.server.v4, 5000, 514, b"x", options=o)
                         for o in (b"", b"\x94\x04\0\0"))
        assert fast.send(plain, option) == 1
        counts.append((one.pull(), two.pull()))
    steps = {(a - c, b - d) for (a, b), (c, d) in zip(counts[1:], counts)}
    assert steps == {(2, 0), (0, 2)}, counts


REASONS = {  # what rule "R" has: (more of its keys, its destination, what is said)
    "nothing": ({}, "10.2.1.2", "in the kernel"),
    "ENABLED": ({"ENABLED": False}, "10.2.1.2", "disabled"),
    "SAMPLE": ({"SAMPLE": 1}, "10.2.1.2", "in the kernel"),
    "hash": ({"BALANCE": "hash"}, "10.2.1.2", "in the kernel"),
    "failover": ({"BALANCE": "failover"}, "10.2.1.2", "in the kernel"),
    "SOURCEADDRESS": ({"SOURCEADDRESS": "10.1.1.0/24"}, "10.2.1.2", "in the kernel"),
    "LISTENADDRESS": ({"LISTENADDRESS": "10.3.1.2"}, "10.2.1.2",
                      "queued: LISTENADDRESS is not done in the kernel"),
    "INTERFACE": ({"INTERFACE": "client1"}, "10.2.1.2",
                  "queued: INTERFACE is not done in the kernel"),
    "RATELIMIT": ({"RATELIMIT": 100000}, "10.2.1.2",
                  "queued: RATELIMIT is not done in the kernel"),
    "round-robin": ({"BALANCE": "round-robin"}, "10.2.1.2",
                    "queued: BALANCE round-robin is not done in the kernel"),
    "SOURCE": ({}, {"ADDRESS": "10.2.1.2", "SOURCE": "appliance"},
               'queued: SOURCE of destination "10.2.1.2" is not done in the kernel'),
}


@pytest.mark.parametrize("what", REASONS)
def test_what_is_said_of_a_rule(star, fast_path, what):
    """By status, text and JSON, and by check, which is the same; and so it is."""
    keys, to, said = REASONS[what]
    fast = fast_path({"R": rule("514", to, **keys)})
    assert fast.daemon.status()["fastpath"] == "on"
    assert fast.sentence() == said
    text = command("status", "--socket", fast.daemon.socket).stdout
    line = "disabled: nothing is duplicated" if said == "disabled" else f"fast path: {said}"
    assert f"  {line}\n" in text
    checked = command("check", "-c", fast.daemon.config_path, namespace=star.appliance)
    assert f"Fast path\n  R: {said}\n" in checked.stdout, checked
    if said != "disabled":
        assert fast.send(*fast.plain(count=3)) == (0 if said == "in the kernel" else 3)
        assert status.rule(fast.daemon.status(), "R")["duplicated_pkts"] == 3


def test_what_is_said_of_the_network(star, fast_path):
    """Only status knows what concerns the way to a destination."""
    star.appliance.ip("neigh add 10.2.1.9 lladdr 02:00:00:00:99:99 nud permanent dev receiver1",
                      "link set receiver2 arp off")
    rules = {"Fine": rule("514", "10.2.1.9"), "Unknown": rule("515", "10.2.1.8"),
             "Nowhere": rule("516", "10.99.0.1"), "No neighbours": rule("517", "10.2.2.2"),
             "Behind": rule("518", "10.64.0.3")}
    fast = fast_path(rules)
    assert {name: fast.sentence(name) for name in rules} == {
        "Fine": "in the kernel",
        "Unknown": 'queued: the neighbour of destination "10.2.1.8" is not known',
        "Nowhere": 'queued: no route to destination "10.99.0.1"',
        "No neighbours": 'queued: the neighbour of destination "10.2.2.2" is not known',
        "Behind": "in the kernel"}
    checked = command("check", "-c", fast.daemon.config_path, namespace=star.appliance).stdout
    assert checked.count(": in the kernel\n") == len(rules), checked


def test_what_is_said_of_rules_together(star, fast_path):
    """Rules that share packets go the same way, and others are not concerned."""
    rules = {"Limited": rule("514-520", "10.2.1.2", RATELIMIT=1000),
             "Beside": rule("520-530", "10.2.2.2"),
             "Apart": rule("540", "10.2.2.2"),
             "Sampled": rule("600", "10.2.1.2/7", SAMPLE=2),
             "Same place": rule("600", "10.2.1.2/7")}
    fast = fast_path(rules)
    said = {name: fast.sentence(name) for name in rules}
    assert said["Limited"] == "queued: RATELIMIT is not done in the kernel"
    assert said["Beside"] == ('queued: shares clients and ports with rule "Limited" '
                              "(RATELIMIT is not done in the kernel)")
    assert said["Apart"] == "in the kernel"
    assert said["Same place"] == ('queued: destination "10.2.1.2/7" is also one of rule "Sampled", '
                                  "and SAMPLE or BALANCE decides packet by packet which of the two "
                                  "rules sends there")
    assert 'rule "Same place"' in said["Sampled"]
    for port, queued in ((519, 1), (520, 1), (540, 0), (600, 1)):
        assert fast.send(*fast.plain(port=port)) == queued, port


def test_more_rules_than_there_is_room_for(star, fast_path):
    """Tables are made for what there is at the start: many more are queued, and a few served."""
    few, many = ({f"Rule {n}": rule(str(1000 + n), "10.2.1.2") for n in range(count)}
                 for count in (3, 200))
    fast = fast_path(few)
    assert fast.send(*fast.plain(port=1000)) == 0
    fast.reload(many)
    assert fast.sentence("Rule 0") == "queued: too many rules for its tables"
    assert [fast.send(*fast.plain(port=port)) for port in (1000, 1199)] == [1, 1]
    fast.reload(few)
    assert fast.sentence("Rule 0") == "in the kernel"
    assert fast.send(*fast.plain(port=1000)) == 0


def test_off_is_the_default(star, daemons):
    """Nothing is served in the kernel, and nothing said of it but that."""
    config = syslog("10.2.1.2/514")
    daemon = daemons(star).start(settings(config, FASTPATH="off"))
    fast = FastPath.__new__(FastPath)
    fast.network, fast.daemon, fast.sent = star, daemon, 0
    assert fast.send(*fast.plain(count=5)) == 5 == queued_pkts(star.appliance)
    found = daemon.status()
    assert found["fastpath"] == "off" == found["rules"][0]["fastpath"]
    assert "fast path" not in command("status", "--socket", daemon.socket).stdout
    daemon.configure(config)
    checked = command("check", "-c", daemon.config_path, namespace=star.appliance).stdout
    assert "Fast path\n" not in checked
    assert json.loads(daemon.config_path.read_text()).get("SETTINGS", {}).get("FASTPATH") is None


def test_a_bridge(bridge, daemons):
    """Packets that arrive by a bridge are queued: they take turns that the program does not know.
    Those by an interface beside it are served."""
    fast = FastPath(bridge, daemons(bridge), {"R": rule("514", "10.9.0.31")})
    capture = bridge.receiver1.capture()
    via_bridge = [packets.udp_packet("10.9.0.11", "10.9.0.20", 5000, 514, struct.pack("!Q", n))
                  for n in range(3)]
    assert fast.send(*via_bridge) == 3
    assert_copies(via_bridge, [p for p in capture.take_udp()
                               if packets.view(p).destination == packets.packed("10.9.0.31")],
                  "10.9.0.31")
    beside = packets.udp_packet("10.2.2.2", "10.9.0.20", 5000, 514, b"x")
    assert fast.send(beside, host=bridge.receiver2) == 0
    bridge.appliance.ip("link set receiver2 master br0")
    found = fast.daemon.wait_status("no fast path", lambda s: s["fastpath"] != "on")
    assert found["fastpath"] == "unavailable: no interface can have it"
    assert fast.sentence() == found["fastpath"]
    assert fast.send(*via_bridge) == 3
