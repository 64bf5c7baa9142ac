# SPDX-License-Identifier: MIT
"""The network around the appliance breaks and is mended while packets flow from client1 to the
server, with copies to two receivers; see lib/passage.py. Whatever happens to the way to receiver1:
receiver2 has every copy, the server every original, and copies for receiver1 are all counted.
"""

import re
import socket
import struct

import pytest

from lib import packets, status, visits
from lib.configs import rule, syslog
from lib.fastpath import linked_programs
from lib.passage import Passage
from lib.topology import wait_running
from lib.waiting import wait_for

OTHER_MAC = "02:00:00:00:77:77"


def _both(star, family=4, **keys):
    return syslog(star.receiver1.address(family), star.receiver2.address(family), **keys)


def _to(found, star, role="receiver1", family=4):
    return status.destination(found, "DuplicateSyslog", getattr(star, role).address(family))


def _whole(found, star):
    """Nothing was lost on receiver2's way."""
    assert status.dropped(_to(found, star, "receiver2")) == 0, status.shown(found)
    return found


def _dropped(daemon, star, *reasons):
    found = _to(daemon.status(), star)["dropped"]
    return sum(found[reason] for reason in reasons)


def test_a_route_that_is_deleted_and_added(star, daemons):
    """Its copies are counted as no_route for as long, and not one more."""
    star.appliance.ip("route add 10.65.0.1/32 via 10.2.1.2")
    star.receiver1.namespace.ip("addr add 10.65.0.1/32 dev lo")
    daemon = daemons(star).start(syslog("10.65.0.1", star.receiver2.v4))
    star.receiver1.v4 = "10.65.0.1"
    passage = Passage(star, daemon)
    star.appliance.ip("route del 10.65.0.1/32")
    wait_for("copies without a way", lambda: _dropped(daemon, star, "no_route") > 50)
    star.appliance.ip("route add 10.65.0.1/32 via 10.2.1.2")
    passage.goes_on()
    found = _whole(passage.finish(), star)
    assert {r for r, n in _to(found, star)["dropped"].items() if n} == {"no_route"}


@pytest.mark.parametrize("end", ["ours", "theirs"])
def test_a_link_that_goes_down_and_up(star, daemons, end):
    """An admin switches the interface off, or somebody pulls the cable out: what cannot leave is
    counted, and copies arrive again when they can."""
    daemon = daemons(star).start(_both(star))
    passage = Passage(star, daemon)
    where, interface = (star.appliance, "receiver1") if end == "ours" else \
        (star.receiver1.namespace, "eth0")
    where.ip(f"link set {interface} down")
    wait_for("copies that cannot leave", lambda: _dropped(
        daemon, star, "unreachable", "no_route") > 500,
             there=lambda: status.shown(daemon.status()))
    where.ip(f"link set {interface} up")
    passage.goes_on()
    found = _whole(passage.finish(lost=["receiver1"]), star)
    vanished = _to(found, star)["sent_pkts"] - len(passage.seen["receiver1"])
    # Until the daemon has heard of it, the kernel says "sent" of what it drops; and as long as it
    # asks for the link-layer address of a neighbour, which it forgets with its interface.
    assert vanished <= (400 if end == "theirs" else 4000)


@pytest.mark.parametrize("state", ["dormant", "testing"])
def test_a_link_that_is_not_running_but_carries(star, daemons, state):
    """As where 802.1X has not finished: the kernel sends by it all the same, and so do copies."""
    star.appliance.ip(f"link set receiver1 state {state}")
    wait_for("the state", lambda: f"state {state.upper()}" in star.appliance.run(
        "ip", "link", "show", "receiver1").stdout)
    capture = star.receiver1.capture()
    daemon = daemons(star).start(_both(star))
    star.client1.inject(*(packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, b"x")
                          for _ in range(50)))
    to = _to(daemon.wait_received(50), star)
    assert (to["sent_pkts"], status.dropped(to)) == (50, 0), to
    assert len(capture.take_udp()) == 50


@pytest.mark.way("ip", reason="the others go by one way at a time, and copies by it are not told "
                 "from those that the kernel sends by another")
def test_a_route_with_two_ways_of_which_one_is_down(star, daemons):
    """The kernel spreads copies over both: what it sends by the other must not be dropped. (What it
    sends by the one is lost, unless net.ipv4.conf.all.ignore_routes_with_linkdown is 1.)"""
    places = [f"10.65.0.{n}" for n in range(1, 9)]
    star.appliance.ip("route add 10.65.0.0/24 nexthop via 10.2.1.2 nexthop via 10.2.2.2")
    star.receiver1.namespace.ip("link set eth0 down")
    wait_for("the link to be down", lambda: "NO-CARRIER" in star.appliance.run(
        "ip", "link", "show", "receiver1").stdout)
    at_two = star.receiver2.capture()
    daemon = daemons(star).start(syslog(*places))
    star.client1.inject(*(packets.udp_packet(f"10.1.1.{100 + n}", star.server.v4, 5000, 514, b"x")
                          for n in range(50)))
    found = daemon.wait_received(50)
    for place in places:
        to = status.destination(found, "DuplicateSyslog", place)
        assert to["sent_pkts"] == 50, to
    assert at_two.take_udp()


def _recreate(star, role):
    """The wire to a host is pulled out with both its interfaces, and a new one put in."""
    host = getattr(star, role)
    net = re.match(r"(.*)\.2$", host.v4)[1]
    star.appliance.ip(f"link del {role}")
    star.appliance.ip(
        f"link add {role} address {host.far_mac} type veth peer name eth0 address {host.mac} "
        f"netns {host.namespace.name}", f"link set {role} up", f"addr add {net}.1/24 dev {role}")
    host.namespace.ip("link set eth0 up", f"addr add {net}.2/24 dev eth0")
    wait_running(star.appliance, role)
    host.rewired()


def test_an_interface_that_is_replaced_on_the_way_out(star, daemons):
    """Another one of the same name and addresses, as after a driver was loaded anew."""
    daemon = daemons(star).start(_both(star))
    passage = Passage(star, daemon)
    _recreate(star, "receiver1")
    passage.goes_on()
    _whole(passage.finish(lost=["receiver1"]), star)


def test_an_interface_that_is_replaced_on_the_way_in(star, daemons):
    """A rule that names it goes on, and the fast path is attached to the new one."""
    daemon = daemons(star).start(_both(star, INTERFACE="client2"))
    receiver = star.receiver2.receiver(514)
    sent = 0

    def copied(host=star.client2):
        nonlocal sent
        host.inject(packets.udp_packet(host.v4, star.server.v4, 5000, 514, struct.pack("!Q", sent)))
        sent += 1
        return receiver.pull()
    wait_for("a copy", copied)
    had = linked_programs(star.appliance, "client2")
    receiver.wait(receiver.pull())
    _recreate(star, "client2")
    wait_for("a copy of what comes by the new one", copied)
    assert bool(had) == bool(linked_programs(star.appliance, "client2"))
    found = daemon.status()
    assert found["unmatched_pkts"] + status.rule(found, "DuplicateSyslog")["matched_pkts"] == \
        found["received_pkts"]


def test_an_mtu_that_is_lowered(star, daemons):
    """In mid-stream, and raised again: each copy arrives, whole or in pieces, and nobody hears of
    it."""
    at_client = star.client1.capture()
    daemon = daemons(star).start(_both(star))
    passage = Passage(star, daemon, payload_bytes=1300)
    for mtu in (1280, 1500, 700):
        star.appliance.ip(f"link set receiver1 mtu {mtu}")
        passage.goes_on()
    found = _whole(passage.finish(), star)
    # The kernel refuses what is too large until the daemon has heard of the change.
    assert {r for r, n in _to(found, star)["dropped"].items() if n} <= {"oversize"}
    assert _to(found, star)["dropped"]["oversize"] < 2000
    assert at_client.take_icmp_errors() == []


@pytest.mark.parametrize("what", ["flushed", "another machine"])
def test_a_neighbour_that_is_lost(star, daemons, what):
    """Forgotten, or with another link-layer address: copies follow."""
    daemon = daemons(star).start(_both(star))
    passage = Passage(star, daemon)
    if what == "another machine":
        star.receiver1.namespace.ip(f"link set eth0 address {OTHER_MAC}")
    star.appliance.ip("neigh flush all dev receiver1 nud permanent") if what == "flushed" else \
        star.appliance.ip(f"neigh replace 10.2.1.2 lladdr {OTHER_MAC} nud reachable dev receiver1")
    passage.goes_on()
    found = passage.finish(lost=["receiver1"] if what == "another machine" else [])
    assert status.dropped(_to(_whole(found, star), star)) == 0


def test_the_appliances_own_address_changes(star, daemons):
    """Copies from the appliance have the new one."""
    daemon = daemons(star).start({"DuplicateSyslog": rule(
        "514", {"ADDRESS": star.receiver1.v4, "SOURCE": "appliance"}, star.receiver2.v4)})
    receiver = star.receiver1.receiver(514)
    count = 0

    def sources():
        nonlocal count
        star.client1.inject(packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, b"x"))
        count += 1
        daemon.wait_received(count)
        return {source for _, source, _ in receiver.wait(receiver.pull())}
    wait_for("copies from the first address", lambda: sources() == {"10.2.1.1"})
    star.appliance.ip("addr del 10.2.1.1/24 dev receiver1", "addr add 10.2.1.7/24 dev receiver1")
    wait_for("copies from the new address", lambda: sources() == {"10.2.1.7"})
    for _ in range(5):
        assert sources() == {"10.2.1.7"}


def _errors(star, about):
    """What a receiver may answer a copy with, its own lies among it, to whom the copy came from:
    RFC 792, and RFC 1191 of the next hop's MTU."""
    quoted = about[:28]
    kinds = [(3, 0, 0), (3, 1, 0), (3, 3, 0), (3, 13, 0), (3, 4, 68), (3, 4, 0), (3, 4, 1300),
             (5, 1, int.from_bytes(packets.packed("10.2.2.2"), "big")), (11, 0, 0), (12, 0, 0),
             (4, 0, 0)]
    source = socket.inet_ntoa(packets.view(about).source)
    found = []
    for kind, code, rest in kinds:
        body = struct.pack("!BBHI", kind, code, 0, rest) + quoted
        body = body[:2] + struct.pack("!H", packets.checksum(body)) + body[4:]
        found.append(packets.ipv4("10.2.1.2", source, body, protocol=1))
    return found


@pytest.mark.parametrize("source", ["client", "appliance"])
def test_icmp_errors_about_copies(star, daemons, source):
    """A destination that answers each copy with every error there is, lies about its MTU among
    them: nothing changes."""
    daemon = daemons(star).start(syslog(
        {"ADDRESS": star.receiver1.v4, "SOURCE": source}, star.receiver2.v4))
    star.appliance.sysctl(ipv4__conf__all__accept_redirects=1,
                          ipv4__conf__receiver1__accept_redirects=1)
    capture = star.receiver1.capture()
    passage = Passage(star, daemon, payload_bytes=1300, sources={
        "receiver1": "10.2.1.1"} if source == "appliance" else {})
    about = capture.take_udp()[0]
    for _ in range(20):
        star.receiver1.inject(*_errors(star, about))
        passage.passes(20)
    passage.goes_on()
    found = _whole(passage.finish(), star)
    assert status.dropped(_to(found, star)) == 0
    assert all(len(copy) == len(about) for copy in capture.take_udp()), "some are in pieces"


def test_a_receiver_with_rp_filter(star, daemons):
    """It drops what comes from clients that it has no route back to. No sender can see that: the
    copies are sent and there; `doctor` says what to look for."""
    star.receiver1.namespace.sysctl(ipv4__conf__all__rp_filter=1)
    daemon = daemons(star).start(_both(star))
    at_wire = star.receiver1.capture()
    receiver = star.receiver1.receiver(514)
    sent = [packets.udp_packet(star.client1.v4, star.server.v4, 5000 + n, 514, b"x")
            for n in range(20)]
    star.client1.inject(*sent)
    daemon.wait_received(20)
    assert len(at_wire.take_udp()) == 20 and receiver.pull() == 0
    found = visits.examine(star, daemon)
    assert any("rp_filter" in str(finding) for finding in found.findings)
    star.receiver1.namespace.sysctl(ipv4__conf__all__rp_filter=0, ipv4__conf__eth0__rp_filter=0)
    star.client1.inject(*sent)
    daemon.wait_received(40)
    assert len(receiver.wait(20)) == 20
