# SPDX-License-Identifier: MIT
"""Headers that contradict themselves, and sources that nobody can have.

Such packets are counted as malformed and never copied; what becomes of the original is the
kernel's decision. The network is Star, drawn in lib/topology.py.

    client1 ──> [ appliance ] ──> server: what the kernel lets through, as it was
                     └──────────> receiver1: the sound packets' copies, and nothing else
"""

import struct

from lib import packets
from lib.configs import rule
from lib.oracle import assert_copies, routed
from lib.packets import DESTINATION_OPTIONS, ROUTING, ipv4, ipv6, packed, udp

S4, D4 = "10.1.1.2", "10.3.1.2"
S6, D6 = "fd01:1::2", "fd03:1::2"
_SEGMENT = b"\0" * 4 + packed("fd03:1::9")


def _udp4(**changes):
    return udp(S4, D4, 1000, 514, b"malformed", **changes)


def _udp6(**changes):
    return udp(S6, D6, 1000, 514, b"malformed", **changes)


def _from(source, to):
    return packets.udp_packet(source, to, 1000, 514, b"whose?")


# The daemon sees these, and says so.
COUNTED = {
    "IPv4, UDP longer than the packet": ipv4(S4, D4, _udp4(length=18)),
    "IPv4, UDP length 65535": ipv4(S4, D4, _udp4(length=65535)),
    "IPv4, UDP length 7": ipv4(S4, D4, _udp4(length=7)),
    "IPv4, UDP length 0": ipv4(S4, D4, _udp4(length=0)),
    "IPv4, UDP header cut short": ipv4(S4, D4, _udp4()[:7]),
    "IPv4, only the ports": ipv4(S4, D4, _udp4()[:4]),
    "IPv4, from 0.0.0.0": _from("0.0.0.0", D4),
    "IPv4, from 0.1.2.3": _from("0.1.2.3", D4),
    "IPv4, from 127.0.0.1": _from("127.0.0.1", D4),
    "IPv4, from a multicast address": _from("224.0.0.5", D4),
    "IPv4, from the broadcast address": _from("255.255.255.255", D4),
    "IPv4, loose source route": ipv4(S4, D4, _udp4(), options=b"\x83\x07\x04" + packed("10.3.1.9")),
    "IPv4, strict source route": ipv4(S4, D4, _udp4(),
                                      options=b"\x89\x07\x04" + packed("10.3.1.9")),
    "IPv4, option longer than the header": ipv4(S4, D4, _udp4(), options=b"\x9e\x09ab"),
    "IPv4, option of length 1": ipv4(S4, D4, _udp4(), options=b"\x9e\x01ab"),
    "IPv6, UDP longer than the packet": ipv6(S6, D6, _udp6(length=18)),
    "IPv6, UDP length 7": ipv6(S6, D6, _udp6(length=7)),
    "IPv6, UDP length 0, which only jumbograms have": ipv6(S6, D6, _udp6(length=0)),
    "IPv6, UDP header cut short": ipv6(S6, D6, _udp6()[:7]),
    "IPv6, from ::": _from("::", D6),
    "IPv6, a segment left": ipv6(S6, D6, _udp6(), extensions=[(ROUTING, b"\0\1" + _SEGMENT)]),
}
# The kernel drops these before anybody sees them, or no rule can read a port in them.
UNSEEN = {
    "IPv4, version 5": b"\x55" + ipv4(S4, D4, _udp4())[1:],
    "IPv4, IHL 4": ipv4(S4, D4, _udp4(), ihl=4),
    "IPv4, IHL 15, longer than the packet": ipv4(S4, D4, _udp4(), ihl=15),
    "IPv4, total length too long": ipv4(S4, D4, _udp4(), total_length=1000),
    "IPv4, total length shorter than the header": ipv4(S4, D4, _udp4(), total_length=19),
    "IPv4, bad header checksum": ipv4(S4, D4, _udp4(), sum_=0xBAD),
    "IPv4, three bytes of UDP": ipv4(S4, D4, _udp4()[:3]),
    "IPv4, no UDP at all": ipv4(S4, D4, b""),
    "IPv4, half a header": ipv4(S4, D4, _udp4())[:10],
    "IPv6, payload length too long": ipv6(S6, D6, _udp6(), payload_length=1000),
    "IPv6, from a multicast address": _from("ff02::1", D6),
    "IPv6, from ::1": _from("::1", D6),
    "IPv6, extension header that leads out of the packet": ipv6(
        S6, D6, b"\x11\xff" + bytes(6), next_header=DESTINATION_OPTIONS),
    "IPv6, half a header": ipv6(S6, D6, _udp6())[:20],
    "an empty frame": b"",
}


def _start(star, daemons):
    return daemons(star).start({"V4": rule("514", star.receiver1.v4),
                                "V6": rule("514", star.receiver1.v6)})


def _sound(star, count, first=2000):
    return [packets.udp_packet(star.client1.address(f), star.server.address(f), first + n, 514,
                               b"ok") for n in range(count) for f in (4, 6)]


def _assert_only_sound_copies(star, copies, sound):
    for family in (4, 6):
        assert_copies([p for p in sound if packets.view(p).version == family],
                      [c for c in copies if packets.view(c).version == family],
                      star.receiver1.address(family))
    assert len(copies) == len(sound)


def test_counted_and_never_copied(star, daemons):
    """All of them, sound packets between them; each is counted, and nothing of it is sent."""
    at_receiver = star.receiver1.capture()
    daemon = _start(star, daemons)
    sound = _sound(star, len(COUNTED) // 2)
    for n, (name, packet) in enumerate(COUNTED.items(), 1):
        star.client1.inject(packet)
        found = daemon.wait_status(f"a packet to be counted: {name}",
                                   lambda s, n=n: s["received_pkts"] == n)
        assert found["malformed_pkts"] == n, name
    star.client1.inject(*sound)
    daemon.wait_received(len(COUNTED) + len(sound))
    _assert_only_sound_copies(star, at_receiver.take(), sound)


def test_what_the_kernel_drops_itself(star, daemons):
    """These do not get as far as the daemon; if one day they do, they are malformed too."""
    at_receiver = star.receiver1.capture()
    daemon = _start(star, daemons)
    sound = _sound(star, 10)
    star.client1.inject(*UNSEEN.values(), *sound)
    found = daemon.wait_status("the sound packets",
                               lambda s: s["matched_by_any_pkts"] >= len(sound))
    assert found["matched_by_any_pkts"] == len(sound)
    assert found["unmatched_pkts"] == 0
    _assert_only_sound_copies(star, at_receiver.take(), sound)


def test_the_original_is_the_kernels_business(star, daemons):
    """Malformed for us, but a router does not look into UDP: on it goes, untouched."""
    at_server = star.server.capture()
    daemon = _start(star, daemons)
    sent = [packet for name, packet in COUNTED.items()
            if "UDP" in name or "only the ports" in name]
    star.client1.inject(*sent)
    daemon.wait_received(len(sent))
    at_server.wait(len(sent))
    assert at_server.take() == [routed(packet) for packet in sent]


def test_random_damage(star, daemons, rng):
    """Bits flipped anywhere in the headers: whatever is sent adds up, and the daemon lives."""
    at_receiver = star.receiver1.capture()
    daemon = _start(star, daemons)
    for _ in range(1500):
        packet = bytearray(rng.choice(_sound(star, 1)))
        # All but the destination: an original that goes to the receiver would pass for a copy.
        head = [*range(16), *range(20, 28)] if packet[0] >> 4 == 4 else [*range(24), *range(40, 48)]
        for _ in range(rng.randrange(1, 4)):
            at = rng.choice(head)
            packet[at] ^= 1 << rng.randrange(8)
        if packet[0] >> 4 == 4 and rng.random() < 0.8:
            packet[10:12] = b"\0\0"
            length = min((packet[0] & 15) * 4, len(packet))
            struct.pack_into("!H", packet, 10, packets.checksum(bytes(packet[:length])))
        star.client1.inject(bytes(packet))
    star.client1.inject(*_sound(star, 5, first=60000))
    at_receiver.wait(10, match=lambda p: packets.view(p).udp_at is not None
                     and packets.view(p).source_port >= 60000)
    assert daemon.running, daemon.stderr()
    for copy in at_receiver.take_udp():
        at = packets.view(copy)
        assert at.udp_at is not None, f"a damaged copy: {at}"
        assert 8 <= at.udp_length <= len(at.data) - at.udp_at, f"a damaged copy: {at}"
        assert at.version == 6 or packets.ones_sum(copy[:at.body_at]) == 0xFFFF, str(at)
        assert at.destination in (packets.packed(star.receiver1.v4),
                                  packets.packed(star.receiver1.v6))
