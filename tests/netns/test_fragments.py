# SPDX-License-Identifier: MIT
"""Datagrams that come in fragments, and copies that must leave in fragments.

The network is Star, drawn in lib/topology.py, with wires as wide as each test wants them:

    client1 ──1500── [ appliance ] ──65535──> receiver1: one packet, compared byte by byte
                          │ └──────1500─────> receiver2: fragments, for a real UDP socket
                          └────────1500─────> server: the original, fragmented as it came
"""

import socket

import pytest

from lib import packets, status
from lib.configs import rule, syslog
from lib.oracle import assert_copies, in_any_order, packets_in_any_order, routed

# NFQUEUE carries 65,531 bytes of IP packet: so much UDP payload fits.
CARRIED = {4: 65531 - 28, 6: 65531 - 48}
SIZES = [1473, 1481, 2953, 9000, 32767]


def _datagram(rng, host, to, family, size, source_port=5000, **ip):
    return packets.udp_packet(host.address(family), to, source_port, 514, rng.randbytes(size), **ip)


def _seen_by_socket(sent):
    return [(packets.view(p).payload,
             socket.inet_ntop(socket.AF_INET if len(packets.view(p).source) == 4
                              else socket.AF_INET6, packets.view(p).source),
             packets.view(p).source_port) for p in sent]


def _by_port(copies):
    return sorted(copies, key=lambda copy: packets.view(copy).source_port)


def _port_seen(datagram):
    return datagram[2]


def _assert_seen(found, sent):
    """What a socket has received is the payloads of what was sent."""
    def key(datagram):
        return _port_seen(datagram), len(datagram[0])
    assert in_any_order(found, key) == in_any_order(_seen_by_socket(sent), key)


@pytest.mark.parametrize("family", [4, pytest.param(6, marks=pytest.mark.vm)])
def test_fragments_in(make_star, daemons, rng, family):
    """Every size, fragments in and out of order, directly and in transit."""
    star = make_star(receiver1=65535)
    one, two = star.receiver1, star.receiver2
    captures = one.capture(), two.capture()
    sockets = two.receiver(514, family), star.server.receiver(514, family)
    daemon = daemons(star).start(syslog(one.address(family), two.address(family)))
    direct, transit = [], []
    sizes = SIZES + [CARRIED[family]]
    for n, size in enumerate(sizes * 2):
        for batch, port, to in ((direct, 5000, star.client1.gateway(family)),
                                (transit, 6000, star.server.address(family))):
            ident = port + n
            packet = _datagram(rng, star.client1, to, family, size, port + n,
                               **({"ident": ident} if family == 4 else {}))
            batch.append(packet)
            parts = packets.fragments(packet, 1500, ident=ident)
            if n >= len(sizes):
                rng.shuffle(parts)
            star.client1.inject(*parts)
    sent = direct + transit
    daemon.wait_received(len(sent))
    captures[0].wait(len(sent))
    # The two flows may have a worker each: nothing keeps one behind the other.
    assert_copies(sent, _by_port(captures[0].take_udp()), one.address(family))
    assert sorted(sockets[0].wait(len(sent)), key=_port_seen) == _seen_by_socket(sent)
    _assert_seen(sockets[1].wait(len(transit)), transit)
    copies = packets.reassemble(captures[1].take_udp(), 1500)
    assert_copies(sent, _by_port(copies), two.address(family), fragmented=True)


@pytest.mark.parametrize("family", [4, 6])
def test_fragments_in_with_odd_headers(make_star, daemons, rng, family):
    """IP options and extension headers survive reassembly by the kernel and fragmenting by us."""
    star = make_star(receiver1=9000)
    captures = star.receiver1.capture(), star.receiver2.capture()
    daemon = daemons(star).start(syslog(star.receiver1.address(family),
                                        star.receiver2.address(family)))
    to = star.client1.gateway(family)
    if family == 4:
        # Stream identifier is copied into every fragment, record route is not: RFC 791 3.1.
        packet = _datagram(rng, star.client1, to, 4, 4000, tos=0xB8, ttl=9, ident=77,
                           options=b"\x88\x04\x12\x34\x07\x07\x04" + bytes(4))
        front = 0
    else:
        packet = _datagram(rng, star.client1, to, 6, 4000, traffic_class=0xB8, hop_limit=9,
                           flow_label=0xABCDE,
                           extensions=[(packets.HOP_BY_HOP, b"\1\4"),
                                       (packets.DESTINATION_OPTIONS, b"\1\4")])
        front = 48
    star.client1.inject(*packets.fragments(packet, 1280, unfragmentable=front))
    daemon.wait_received(1)
    captures[0].wait(1)
    assert_copies([packet], captures[0].take_udp(), star.receiver1.address(family))
    parts = captures[1].take_udp()
    assert_copies([packet], packets.reassemble(parts, 1500), star.receiver2.address(family),
                  fragmented=True)
    for part in parts:
        assert packets.view(part).ttl == 9, "each fragment has the original's TTL"
        assert part[1] == 0xB8 or family == 6, "each fragment has the original's TOS"


@pytest.mark.parametrize("family", [4, 6])
def test_a_lost_fragment(star, daemons, rng, family):
    """A datagram that never became whole is nobody's: not received, not copied."""
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start(syslog(star.receiver1.address(family)))
    to = star.server.address(family)
    broken = packets.fragments(_datagram(rng, star.client1, to, family, 4000), 1500)
    del broken[1]
    whole = _datagram(rng, star.client1, to, family, 100)
    star.client1.inject(*broken, whole)
    daemon.wait_received(1)
    assert_copies([whole], at_receiver.take_udp(), star.receiver1.address(family))


@pytest.mark.parametrize("family", [4, 6])
def test_larger_than_the_queue_can_carry(star, daemons, rng, family):
    """Counted as truncated and never sent damaged; the original in transit arrives all the same."""
    at_receiver = star.receiver1.capture()
    at_server = star.server.receiver(514, family)
    daemon = daemons(star).start(syslog(star.receiver1.address(family)))
    largest = CARRIED[family]
    sizes = [largest + 1, largest + 2, 65507] if family == 6 else [65504, 65505, 65506, 65507]
    sent = []
    for n, size in enumerate([*sizes, largest]):
        packet = _datagram(rng, star.client1, star.server.address(family), family, size)
        sent.append(packet)
        star.client1.inject(*packets.fragments(packet, 1500, ident=0x2000 + n))
    found = daemon.wait_received(len(sent))
    assert (found["truncated_pkts"], found["matched_by_any_pkts"]) == (len(sizes), 1)
    _assert_seen(at_server.wait(len(sent)), sent)
    copies = packets.reassemble(at_receiver.take_udp(), 1500)
    assert_copies(sent[-1:], copies, star.receiver1.address(family), fragmented=True)


def _narrow_ways(star, family, how):
    """Narrows the way to receiver1; returns its MTU."""
    to, via = ((star.receiver1.v4 + "/32", "10.2.1.1") if family == 4
               else (star.receiver1.v6 + "/128", "fd02:1::1"))
    if how == "device":
        for namespace, device in ((star.appliance, "receiver1"),
                                  (star.receiver1.namespace, "eth0")):
            namespace.ip(f"link set {device} mtu 1400")
    else:
        lock = "lock " if how == "locked route" else ""
        star.appliance.ip(f"route add {to} dev receiver1 src {via} mtu {lock}1400")
    return 1400


@pytest.mark.parametrize("how, family", [
    pytest.param("device", 4, marks=pytest.mark.vm), ("device", 6), ("route", 4), ("route", 6),
    ("locked route", 4), ("locked route", 6)])
def test_copies_larger_than_the_way_out(make_star, daemons, rng, family, how):
    """With and without DF, whole at real sockets; two destinations on one host at once."""
    star = make_star(client1=9000, receiver1=9000)
    mtu = _narrow_ways(star, family, how)
    to = star.receiver1.address(family)
    at_receiver, at_client = star.receiver1.capture(), star.client1.capture()
    sockets = [star.receiver1.receiver(port, family) for port in (514, 1514)]
    daemon = daemons(star).start(syslog(f"{to}/514", f"{to}/1514"))
    sent = []
    for n, size in enumerate([mtu - 48, mtu - 28, mtu - 27, 1401, 1473, 3000, 8000] * 4):
        flags = {"fragment": packets.DF * (n % 2), "ident": 0 if n % 3 == 0 else n} \
            if family == 4 else {}
        sent.append(_datagram(rng, star.client1, star.client1.gateway(family), family, size,
                              5000 + n, **flags))
    star.client1.inject(*sent)
    daemon.wait_received(len(sent))
    for receiver in sockets:
        _assert_seen(receiver.wait(len(sent)), sent)
    copies = packets.reassemble(at_receiver.take_udp(), mtu)
    for port in (514, 1514):
        assert_copies(sent, [c for c in copies if packets.view(c).port == port], to, port,
                      fragmented=True)
    assert at_client.take_icmp_errors() == []
    for numbers in status.rule(daemon.status(), "DuplicateSyslog")["destinations"]:
        assert numbers["sent_pkts"] == len(sent)


@pytest.mark.parametrize("family, mtu", [(4, 68), (4, 576), (6, 1280)])
def test_the_smallest_mtu(make_star, daemons, rng, family, mtu):
    star = make_star(client1=9000, receiver1=max(mtu, 1280))
    if mtu < 1280:
        for namespace, device in ((star.appliance, "receiver1"),
                                  (star.receiver1.namespace, "eth0")):
            namespace.ip(f"link set {device} mtu {mtu}")
    to = star.receiver1.address(family)
    at_receiver = star.receiver1.capture()
    receiver = star.receiver1.receiver(514, family)
    daemon = daemons(star).start(syslog(to))
    sent = [_datagram(rng, star.client1, star.client1.gateway(family), family, size)
            for size in (0, 1, 40, 41, 48, 49, 1000, 2047)]
    star.client1.inject(*sent)
    daemon.wait_received(len(sent))
    _assert_seen(receiver.wait(len(sent)), sent)
    assert_copies(sent, packets.reassemble(at_receiver.take_udp(), mtu), to, fragmented=True)


@pytest.mark.parametrize("family", [4, 6])
def test_the_largest_datagram_in_one_packet(big_star, daemons, rng, family):
    """Wires without a limit of their own: no fragments at all."""
    star = big_star
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start(syslog(star.receiver1.address(family)))
    sent = [_datagram(rng, star.client1, star.client1.gateway(family), family, size)
            for size in (CARRIED[family], 60000, 65000)]
    star.client1.inject(*sent)
    daemon.wait_received(len(sent))
    at_receiver.wait(len(sent))
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.address(family))


@pytest.mark.parametrize("family", [4, 6])
def test_oversize_drop(make_star, daemons, rng, family):
    """OVERSIZE drop: what fits is sent, what does not is counted, the original goes on."""
    star = make_star(client1=9000, server=9000)
    at_receiver, at_server = star.receiver1.capture(), star.server.capture()
    at_client = star.client1.capture()
    to = star.receiver1.address(family)
    daemon = daemons(star).start({"R": rule("514", to, OVERSIZE="drop")})
    header = 28 if family == 4 else 48
    sent = [_datagram(rng, star.client1, star.server.address(family), family, size)
            for size in (1500 - header, 1501 - header, 10, 8000)]
    star.client1.inject(*sent)
    daemon.wait_received(len(sent))
    at_server.wait(len(sent))
    assert packets_in_any_order(at_server.take()) == \
        packets_in_any_order([routed(packet) for packet in sent])
    assert_copies([sent[0], sent[2]], at_receiver.take_udp(), to)
    numbers = status.destination(daemon.status(), "R", to)
    assert (numbers["sent_pkts"], numbers["dropped"].get("oversize")) == (2, 2)
    assert at_client.take_icmp_errors() == []
