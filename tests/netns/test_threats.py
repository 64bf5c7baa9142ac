# SPDX-License-Identifier: MIT
"""What strangers on the network can send besides packets to copy, as docs/security.md says it:
forged ICMP errors, a flood of fragments, messages in the name of others. Malformed packets are in
test_malformed.py, floods in test_overload.py, DNS in test_names.py, local users in
test_local_user.py.
"""

import struct

import pytest

from lib import packets, status
from lib.configs import syslog
from lib.oracle import assert_copies
from lib.waiting import wait_for

pytestmark = pytest.mark.once
ICMP = 1
PORT_UNREACHABLE, HOST_UNREACHABLE, TOO_BIG = (3, 3), (3, 1), (3, 4)


def _icmp_error(source, target, kind, about, mtu=0):
    """An ICMP error from source to target about a packet, with the next hop's MTU (RFC 1191)."""
    rest = struct.pack("!HH", 0, mtu) + about[:28]
    body = struct.pack("!BBH", *kind, 0) + rest
    body = struct.pack("!BBH", *kind, packets.checksum(body)) + rest
    return packets.ipv4(source, target, body, protocol=ICMP)


def _packet(star, number, payload=b"x", source=None):
    return packets.udp_packet(source or star.client1.v4, star.server.v4, 5000 + number, 514,
                              payload)


def test_forged_icmp_errors(star, daemons):
    """Errors about copies, or about what the appliance itself might have sent, change nothing: the
    destination stays up, no copy is lost, large ones stay whole."""
    to = star.receiver1.v4
    capture = star.receiver1.capture()
    daemon = daemons(star).start(syslog(f"{to}/514"))
    quoted = [packets.udp_packet(source, to, 5000, 514, b"x")
              for source in (star.client1.v4, star.client1.gateway_v4, "10.2.1.1")]
    star.client1.inject(*(
        _icmp_error(sender, target, kind, about, 600)
        for sender in (to, star.client1.v4) for target in (star.client1.gateway_v4, "10.2.1.1")
        for kind in (PORT_UNREACHABLE, HOST_UNREACHABLE, TOO_BIG) for about in quoted))
    sent = [_packet(star, n, bytes(1400)) for n in range(20)]
    star.client1.inject(*sent)
    found = status.destination(daemon.wait_received(20), "DuplicateSyslog", to)
    assert (found["state"], found["due_pkts"], found["sent_pkts"]) == ("unchecked", 20, 20)
    assert_copies(sent, capture.take_udp(), to)


def test_a_flood_of_fragments(star, daemons):
    """Datagrams that never become whole fill the kernel's memory for reassembly
    (net.ipv4.ipfrag_high_thresh): then no datagram in fragments gets through, and none that is
    whole is harmed. After net.ipv4.ipfrag_time all is as before."""
    star.appliance.sysctl(ipv4__ipfrag_low_thresh=65536, ipv4__ipfrag_high_thresh=131072,
                          ipv4__ipfrag_time=2)
    daemon = daemons(star).start(syslog(f"{star.receiver1.v4}/514"))
    receiver = star.receiver1.receiver(514)
    whole = _packet(star, 0, b"whole")
    in_parts = packets.fragments(_packet(star, 1, bytes(3000)), 1500)
    star.client1.inject(*in_parts)
    assert [len(got[0]) for got in receiver.wait(1)] == [3000]
    star.client1.inject(*(
        packets.ipv4(f"20.0.{n // 250}.{n % 250 + 1}", star.server.v4, bytes(1400), protocol=17,
                     ident=n + 1, fragment=packets.MF)
        for n in range(300)))
    star.client1.inject(*packets.fragments(_packet(star, 2, bytes(3001)), 1500, ident=7), whole)
    assert receiver.wait(1)[0][0] == b"whole"
    assert daemon.wait_received(2)["received_pkts"] == 2

    def again():
        star.client1.inject(*packets.fragments(_packet(star, 3, bytes(3002)), 1500, ident=8))
        return receiver.pull()
    daemon.expect_anything()
    wait_for("a datagram in fragments", again)
    assert len(receiver.wait(1)[0][0]) == 3002


def test_errors_of_a_collector_go_to_whoever_the_message_is_from(star, daemons):
    """A server whose port is closed says so to the true client, or to the one whose address was
    forged: one small error for each copy, at the server's own limit of errors."""
    star.receiver1.namespace.ip(f"route add default via {star.receiver1.gateway_v4}")
    star.receiver1.namespace.sysctl(ipv4__icmp_ratelimit=0)
    victim = star.client2.capture()
    daemon = daemons(star).start(syslog(f"{star.receiver1.v4}/514"))
    star.client1.inject(_packet(star, 0, bytes(1000), source=star.client2.v4))
    daemon.wait_received(1)
    error = wait_for("the error", victim.take_icmp_errors)
    assert len(error) == 1 and len(error[0]) < 600 < 1000
