# SPDX-License-Identifier: MIT
"""Every byte of a copy against its original, by an oracle of our own (lib/oracle.py).

The network is Star, drawn in lib/topology.py; clients address the appliance itself, so that the
kernel's own ideas about odd headers do not get in between.

    client1 ── [ appliance ] ──> receiver1 (port changed), receiver2 (port kept)
"""

import pytest

from lib import packets, randomly, status
from lib.configs import rule, syslog
from lib.oracle import assert_copies

RANDOM_PACKETS = 400


@pytest.mark.parametrize("family", [4, 6])
def test_random_packets(star, daemons, rng, family):
    one, two = star.receiver1, star.receiver2
    captures = one.capture(), two.capture()
    daemon = daemons(star).start(syslog(f"{one.address(family)}/5514", two.address(family)))
    source, via = star.client1.address(family), star.client1.gateway(family)
    make = randomly.packet4 if family == 4 else randomly.packet6
    sent = [make(rng, source, via, 10000 + n, 514) for n in range(RANDOM_PACKETS)]
    star.client1.inject(*sent)
    found = daemon.wait_received(len(sent))
    assert (found["matched_by_any_pkts"], found["malformed_pkts"]) == (len(sent), 0)
    for capture in captures:
        capture.wait(len(sent))
    assert_copies(sent, captures[0].take_udp(), one.address(family), 5514)
    assert_copies(sent, captures[1].take_udp(), two.address(family))


@pytest.mark.parametrize("family", [4, 6])
def test_every_dscp_and_ecn(star, daemons, family):
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start(syslog(star.receiver1.address(family)))
    name = "tos" if family == 4 else "traffic_class"
    sent = [packets.udp_packet(star.client1.address(family), star.client1.gateway(family),
                               10000 + value, 514, b"dscp", **{name: value})
            for value in range(256)]
    star.client1.inject(*sent)
    daemon.wait_received(256)
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.address(family))


@pytest.mark.parametrize("family", [4, 6])
def test_ttl_keep_decrement_fixed(star, daemons, family):
    """Every TTL from 1 to 255. Used up by `decrement`, a copy is counted as `loop`."""
    to = star.receiver1.address(family)
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start({
        "Keep": rule(1001, to, TTL="keep"),
        "Decrement": rule(1002, to, TTL="decrement"),
        "Fixed": rule(1003, to, TTL=7),
    })
    name = "ttl" if family == 4 else "hop_limit"
    sent = {port: [packets.udp_packet(star.client1.address(family),
                                      star.client1.gateway(family), 10000 + ttl, port, b"ttl",
                                      **{name: ttl}) for ttl in range(1, 256)]
            for port in (1001, 1002, 1003)}
    for batch in sent.values():
        star.client1.inject(*batch)
    found = daemon.wait_received(3 * 255)
    copies = at_receiver.take_udp()
    by_port = {port: [c for c in copies if packets.view(c).port == port] for port in sent}
    assert_copies(sent[1001], by_port[1001], to)
    assert len(by_port[1002]) == 254
    for original, copy in zip(sent[1002][1:], by_port[1002]):
        assert_copies([original], [copy], to, ttl=packets.view(original).ttl - 1)
    assert_copies(sent[1003], by_port[1003], to, ttl=7)
    used_up = status.destination(found, "Decrement", to)
    assert (used_up["dropped"].get("loop"), used_up["sent_pkts"]) == (1, 254)


@pytest.mark.parametrize("family", [4, 6])
def test_checksum_that_comes_out_as_zero(star, daemons, family):
    """A computed 0 is sent as 0xffff: in the original, and in the copy (RFC 768)."""
    to, source = star.receiver1.address(family), star.client1.address(family)
    via = star.client1.gateway(family)
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start(syslog(f"{to}/5514"))
    sent = []
    for n in range(40):
        base = bytes(range(n))
        for end, port in ((to, 5514), (via, 514)):
            data = randomly.payload_whose_copy_sums_to_zero(source, end, 10000 + n, port, base)
            sent.append(packets.udp_packet(source, via, 10000 + n, 514, data))
    star.client1.inject(*sent)
    daemon.wait_received(len(sent))
    copies = at_receiver.take_udp()
    assert [packets.view(c).udp_sum for c in copies[::2]] == [0xFFFF] * 40
    assert [packets.view(p).udp_sum for p in sent[1::2]] == [0xFFFF] * 40
    assert_copies(sent, copies, to, 5514)


@pytest.mark.parametrize("family", [4, 6])
def test_a_corrupt_packet_stays_corrupt(star, daemons, rng, family):
    """Its checksum is wrong by as much as it was, so that the receiver will notice."""
    to, source = star.receiver1.address(family), star.client1.address(family)
    via = star.client1.gateway(family)
    build = packets.ipv4 if family == 4 else packets.ipv6
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start(syslog(f"{to}/5514"))
    sent = []
    for n in range(100):
        body = packets.udp(source, via, 10000 + n, 514, rng.randbytes(n),
                           sum_=rng.randrange(1, 1 << 16))
        sent.append(build(source, via, body))
    star.client1.inject(*sent)
    daemon.wait_received(len(sent))
    assert_copies(sent, at_receiver.take_udp(), to, 5514)


def test_no_checksum_in_ipv6(star, daemons):
    """Against RFC 8200, but tunnels do it (RFC 6935): a missing checksum is not made up."""
    to, source, via = star.receiver1.v6, star.client1.v6, star.client1.gateway_v6
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start(syslog(to))
    sent = [packets.ipv6(source, via, packets.udp(source, via, 10000, 514, b"none", sum_=0))]
    star.client1.inject(*sent)
    daemon.wait_received(1)
    assert_copies(sent, at_receiver.take_udp(), to)


def test_ethernet_padding_is_not_copied(star, daemons):
    """Short frames are padded on the wire; the copy ends where its IP header says."""
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start({"V4": rule("514", star.receiver1.v4),
                                  "V6": rule("514", star.receiver1.v6)})
    sent = {f: packets.udp_packet(star.client1.address(f), star.client1.gateway(f), 10000, 514,
                                  b"ab") for f in (4, 6)}
    star.client1.inject(sent[4] + b"padding!" * 2, sent[6] + b"padding!" * 2)
    daemon.wait_received(2)
    copies = at_receiver.take_udp()
    assert [len(c) for c in copies] == [len(sent[4]), len(sent[6])]
    assert_copies([sent[4]], copies[:1], star.receiver1.v4)
    assert_copies([sent[6]], copies[1:], star.receiver1.v6)
