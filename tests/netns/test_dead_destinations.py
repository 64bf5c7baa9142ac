# SPDX-License-Identifier: MIT
"""Dead destinations among live ones; the network is Star, drawn in lib/topology.py.

    client1 ── [ appliance ] ──> receiver1, receiver2: alive, and must have everything
                             ──x nobody's route, nobody's neighbour, prohibited, rejected here
"""

import pytest

from lib import packets, status
from lib.configs import rule
from lib.oracle import assert_copies
from lib.waiting import wait_for

# address by kind and family; the ways to them are made by _make_ways()
NO_ROUTE = {4: "192.0.2.1", 6: "2001:db8::1"}
PROHIBITED = {4: "10.70.0.1", 6: "fd70::1"}
BLACKHOLE = {4: "10.71.0.1", 6: "fd71::1"}
UNREACHABLE = {4: "10.72.0.1", 6: "fd72::1"}
NO_NEIGHBOUR = {4: "10.2.1.99", 6: "fd02:1::99"}
FIREWALLED = {4: "10.64.0.5", 6: "fd64::5"}
by_ip = pytest.mark.way("ip", reason="the local firewall sees what the IP socket sends")


def _make_ways(star):
    star.appliance.ip(*(
        f"route add {kind} {ways[family]}/{32 if family == 4 else 128}"
        for family in (4, 6)
        for kind, ways in (("prohibit", PROHIBITED), ("blackhole", BLACKHOLE),
                           ("unreachable", UNREACHABLE))))
    star.appliance.sysctl(ipv4__neigh__receiver1__retrans_time_ms=50,
                          ipv6__neigh__receiver1__retrans_time_ms=50)


def _firewall(star, how):
    """The admin's own firewall on the appliance, which knows nothing of copies."""
    star.appliance.run("nft", "-f", "-", stdin=f"""
        table inet admin_firewall {{
            chain output {{
                type filter hook output priority 0;
                ip daddr {FIREWALLED[4]} {how}
                ip6 daddr {FIREWALLED[6]} {how}
            }}
        }}""")


def _sent(star, family, count=50):
    return [packets.udp_packet(star.client1.address(family), star.client1.gateway(family),
                               5000 + n, 514, b"to the living") for n in range(count)]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind, reason", [
    ("NO_ROUTE", "no_route"), ("PROHIBITED", "no_route"), ("BLACKHOLE", "no_route"),
    ("UNREACHABLE", "unreachable"), pytest.param("FIREWALLED", "rejected", marks=by_ip)])
def test_each_kind_alone(star, daemons, family, kind, reason):
    """Counted under its own reason; both neighbours in the list have everything."""
    _make_ways(star)
    _firewall(star, "drop")
    one, two, dead = star.receiver1, star.receiver2, globals()[kind][family]
    captures, at_client = [one.capture(), two.capture()], star.client1.capture()
    daemon = daemons(star).start({"R": rule("514", one.address(family), dead, two.address(family))})
    sent = _sent(star, family)
    star.client1.inject(*sent)
    found = daemon.wait_received(len(sent))
    for host, capture in zip((one, two), captures):
        assert_copies(sent, capture.take_udp(), host.address(family))
        assert status.destination(found, "R", host.address(family))["sent_pkts"] == len(sent)
    numbers = status.destination(found, "R", dead)
    assert (numbers["sent_pkts"], numbers["sent_bytes"]) == (0, 0)
    assert {k: n for k, n in numbers["dropped"].items() if n} == {reason: len(sent)}
    assert at_client.take_icmp_errors() == []


@pytest.mark.parametrize("family", [pytest.param(4, marks=pytest.mark.vm), 6])
def test_all_kinds_at_once(star, daemons, family):
    """First, last and between the living, which must not notice."""
    _make_ways(star)
    _firewall(star, "drop")
    one, two = star.receiver1.address(family), star.receiver2.address(family)
    captures, at_client = [star.receiver1.capture(), star.receiver2.capture()], \
        star.client1.capture()
    daemon = daemons(star).start({"R": rule(
        "514", NO_ROUTE[family], NO_NEIGHBOUR[family], one, PROHIBITED[family],
        BLACKHOLE[family], FIREWALLED[family], two, UNREACHABLE[family])})
    sent = _sent(star, family, 300)
    star.client1.inject(*sent)
    daemon.wait_received(len(sent))
    for address, capture in zip((one, two), captures):
        target = packets.packed(address)
        assert_copies(sent, [c for c in capture.take_udp()
                             if packets.view(c).destination == target], address)
    assert at_client.take_icmp_errors() == []


@pytest.mark.parametrize("family", [4, 6])
def test_a_neighbour_that_never_answers(star, daemons, family):
    """The kernel gives up on it after a while, and the client must not hear of that."""
    _make_ways(star)
    one, dead = star.receiver1.address(family), NO_NEIGHBOUR[family]
    at_receiver, at_client = star.receiver1.capture(), star.client1.capture()
    daemon = daemons(star).start({"R": rule("514", dead, one)})
    sent = _sent(star, family)
    target = packets.packed(one)
    def state():
        return star.appliance.run("ip", "neigh", "show", "to", dead, "dev", "receiver1").stdout
    for round_ in range(1, 4):
        star.client1.inject(*sent)
        daemon.wait_received(round_ * len(sent))
        wait_for(f"the kernel to give up on {dead}",
                 lambda: "FAILED" in state() or not state(), there=state)
    copies = [c for c in at_receiver.take_udp() if packets.view(c).destination == target]
    assert_copies(sent * 3, copies, one)
    assert at_client.take_icmp_errors() == []


@by_ip
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("reflect", [0, 1])
def test_rejected_by_the_local_firewall(star, daemons, family, reflect):
    """`reject` would tell the client, whose address the copy carries; it must not hear of it.

    With fwmark_reflect the kernel gives the error the copy's mark; without, it gives no hint.
    """
    star.appliance.sysctl(ipv4__fwmark_reflect=reflect, ipv6__fwmark_reflect=reflect)
    _firewall(star, "counter reject")
    one, dead = star.receiver2.address(family), FIREWALLED[family]
    at_receiver, at_client = star.receiver2.capture(), star.client1.capture()
    daemon = daemons(star).start({"R": rule("514", dead, one)})
    sent = _sent(star, family)
    star.client1.inject(*sent)
    found = daemon.wait_received(len(sent))
    assert_copies(sent, at_receiver.take_udp(), one)
    assert status.destination(found, "R", dead)["dropped"].get("rejected") == len(sent)
    assert at_client.take_icmp_errors() == []


@pytest.mark.way("ip", reason="others follow a route that goes within moments: see test_link.py")
@pytest.mark.parametrize("family", [4, 6])
def test_a_route_that_comes_and_goes(star, daemons, family):
    """A destination comes to life when its route appears, without a restart."""
    dead = NO_ROUTE[family]
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start({"R": rule("514", dead)})
    star.client1.inject(*_sent(star, family, 5))
    daemon.wait_received(5)
    way = f"{dead}/{32 if family == 4 else 128} via {star.receiver1.address(family)}"
    star.appliance.ip(f"route add {way}")
    sent = _sent(star, family, 7)
    star.client1.inject(*sent)
    daemon.wait_received(12)
    assert_copies(sent, at_receiver.take_udp(), dead)
    star.appliance.ip(f"route del {way}")
    star.client1.inject(*_sent(star, family, 3))
    found = daemon.wait_received(15)
    numbers = status.destination(found, "R", dead)
    assert (numbers["sent_pkts"], numbers["dropped"].get("no_route")) == (7, 8)


def test_a_link_that_goes_down(star, daemons):
    """One receiver's wire is cut and comes back; the other never misses a packet."""
    at_receiver = star.receiver2.capture()
    daemon = daemons(star).start({"R": rule("514", star.receiver1.v4, star.receiver2.v4)})
    batches = [_sent(star, 4, 10) for _ in range(3)]
    star.client1.inject(*batches[0])
    daemon.wait_received(10)
    star.appliance.ip("link set receiver1 down")
    star.client1.inject(*batches[1])
    found = daemon.wait_received(20)
    assert status.destination(found, "R", star.receiver1.v4)["sent_pkts"] == 10
    star.appliance.ip(
        "link set receiver1 up",
        f"neigh replace {star.receiver1.v4} lladdr {star.receiver1.mac} nud permanent "
        "dev receiver1")
    at_first = star.receiver1.capture()
    star.client1.inject(*batches[2])
    daemon.wait_received(30)
    at_first.wait(10)
    assert_copies(batches[2], at_first.take_udp(), star.receiver1.v4)
    assert_copies(sum(batches, []), at_receiver.take_udp(), star.receiver2.v4)
