# SPDX-License-Identifier: MIT
"""Inline as a router; the network is Star, drawn in lib/topology.py.

    client1 ──> [ appliance ] ──> server: the original, untouched
                     ├──────────> receiver1: a copy
                     └──────────> receiver2: a copy
"""

import socket

import pytest

from lib import packets, status
from lib.configs import rule, syslog
from lib.oracle import assert_copies, routed


def _in_transit(star, family=4, port=514, count=1, client=None, first=5000):
    client = client or star.client1
    return [packets.udp_packet(client.address(family), star.server.address(family), first + n, port,
                               b"in transit %d" % n) for n in range(count)]


@pytest.mark.parametrize("family", [4, pytest.param(6, marks=pytest.mark.vm)])
def test_the_original_reaches_its_own_server_untouched(star, daemons, family):
    at_server, at_client = star.server.capture(), star.client1.capture()
    receivers = star.receiver1, star.receiver2
    captures = [host.capture() for host in receivers]
    daemon = daemons(star).start(syslog(*(f"{h.address(family)}/514" for h in receivers)))
    sent = _in_transit(star, family, count=50)
    star.client1.inject(*sent)
    found = daemon.wait_received(50)
    at_server.wait(50)
    assert at_server.take() == [routed(packet) for packet in sent]
    for host, capture in zip(receivers, captures):
        assert_copies(sent, capture.take_udp(), host.address(family), 514)
    assert found["originals"] == {"forwarded_pkts": 50, "dropped_pkts": 0}
    assert at_client.take() == []


def test_what_becomes_of_the_original(star, daemons):
    at_server, at_receiver = star.server.capture(), star.receiver1.capture()
    to = star.receiver1.v4
    daemon = daemons(star).start({
        "Auto": rule(1001, f"{to}/1"),
        "Forward": rule(1002, f"{to}/2", ORIGINAL="forward"),
        "Drop": rule(1003, f"{to}/3", ORIGINAL="drop"),
    })
    sent = {port: _in_transit(star, port=port, count=4) for port in (1001, 1002, 1003)}
    for batch in sent.values():
        star.client1.inject(*batch)
    found = daemon.wait_received(12)
    at_server.wait(8)
    assert at_server.take() == [routed(p) for port in (1001, 1002) for p in sent[port]]
    copies = at_receiver.take_udp()
    for port, batch in sent.items():
        assert_copies(batch, [c for c in copies if packets.view(c).port == port - 1000], to,
                      port - 1000)
    assert found["originals"] == {"forwarded_pkts": 8, "dropped_pkts": 4}


def test_a_copy_is_never_matched_again(star, daemons):
    """Destinations on the listening port, the original's own server among them."""
    at_server, at_receiver = star.server.capture(), star.receiver1.capture()
    daemon = daemons(star).start(syslog(f"{star.server.v4}/514", f"{star.receiver1.v4}/514"))
    sent = _in_transit(star, count=10)
    star.client1.inject(*sent)
    daemon.wait_received(10)
    at_server.wait(20)
    arrived = at_server.take()
    originals = [p for p in arrived if packets.view(p).ttl == 63]
    assert originals == [routed(packet) for packet in sent]
    assert_copies(sent, [p for p in arrived if packets.view(p).ttl == 64], star.server.v4, 514)
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.v4, 514)
    assert len(arrived) == 20


def test_other_traffic_is_left_alone(star, daemons):
    """Another port, another protocol: never seen by the daemon."""
    at_server = star.server.capture()
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    other = _in_transit(star, port=515, count=5) + [
        packets.ipv4(star.client1.v4, star.server.v4, b"\x02\x02" + bytes(18), protocol=6),
        packets.ipv4(star.client1.v4, star.server.v4, b"\x08\0\xf7\xff\0\0\0\0", protocol=1)]
    star.client1.inject(*other)
    at_server.wait(len(other))
    assert at_server.take() == [routed(packet) for packet in other]
    found = daemon.wait_received(0)
    assert found["received_pkts"] == 0


def test_nat_on_the_appliance_leaves_copies_alone(star, daemons):
    """An appliance that masquerades: copies keep the client's address."""
    star.appliance.run("nft", "-f", "-", stdin="""
        table ip admin_nat {
            chain post { type nat hook postrouting priority 100; oifname != "client1" masquerade; }
        }""")
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    sent = _in_transit(star, count=5)
    star.client1.inject(*sent)
    daemon.wait_received(5)
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.v4)
    # The rule works: what is not ours does get the appliance's address.
    at_server = star.server.capture()
    star.client1.inject(*_in_transit(star, port=515))
    at_server.wait(1)
    assert packets.view(at_server.take()[0]).source == packets.packed("10.3.1.1")


def test_the_admins_packet_marks_survive(star, daemons):
    """Policy routing by marks works on originals as it did before: none lost, none added."""
    star.appliance.run("nft", "-f", "-", stdin="""
        table inet admin_marks {
            counter kept { }
            counter bare { }
            chain early {
                type filter hook prerouting priority -310;
                udp sport 5000 meta mark set 0x42
            }
            chain late {
                type filter hook forward priority 0;
                udp dport 514 meta mark 0x42 counter name kept
                udp dport 514 meta mark 0 counter name bare
            }
        }""")
    at_server = star.server.capture()
    daemon = daemons(star).start(syslog(star.receiver1.v4, star.receiver1.v6))
    sent = {f: _in_transit(star, f, count=3) for f in (4, 6)}
    for batch in sent.values():
        star.client1.inject(*batch)
    daemon.wait_received(6)
    at_server.wait(6)
    counted = {name: star.appliance.run(
        "nft", "list", "counter", "inet", "admin_marks", name).stdout for name in ("kept", "bare")}
    assert "packets 2 " in counted["kept"] and "packets 4 " in counted["bare"], counted


def test_real_sockets_all_the_way(star, daemons):
    """An application talks through the appliance and gets its answer; collectors get copies."""
    server = star.server.receiver(514)
    collector = star.receiver1.receiver(514)
    star.server.namespace.ip(f"route add {star.client1.v4}/32 via 10.3.1.1")
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    client = star.client1.socket()
    client.sendto(b"question", (star.server.v4, 514))
    me = client.getsockname()
    assert server.wait(1) == [(b"question", *me)]
    assert collector.wait(1) == [(b"question", *me)]
    with star.server.namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
        back.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        back.bind((star.server.v4, 0))
        back.sendto(b"answer", me)
    client.settimeout(10)
    assert client.recv(100) == b"answer"
    found = daemon.wait_received(1)
    assert status.rule(found, "DuplicateSyslog")["duplicated_pkts"] == 1
