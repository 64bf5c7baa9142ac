# SPDX-License-Identifier: MIT
"""Random but valid UDP packets, with everything that a sender may put into their headers."""

from . import packets
from .packets import DESTINATION_OPTIONS, DF, HOP_BY_HOP, ROUTING, packed

# RFC 791 3.1, RFC 2113, and an option that nobody knows. Source routes are malformed to us.
_OPTIONS = (
    b"\x01",                                     # no operation
    b"\x01\x01\x01",
    b"\x07\x0b\x04" + bytes(8),                  # record route, empty
    b"\x07\x0b\x08\x0a\x01\x01\x02" + bytes(4),  # record route, one address in
    b"\x44\x0c\x05\x00" + bytes(8),              # timestamps
    b"\x94\x04\x00\x00",                         # router alert
    b"\x88\x04\x12\x34",                         # stream identifier
    b"\x9e\x06abcd",                             # experiment, copied
    b"\x5e\x05abc",                              # experiment, not copied
)
_PAD = b"\1\4\0\0\0\0"
_EXTENSIONS = (
    (HOP_BY_HOP, _PAD),
    (HOP_BY_HOP, b"\5\2\0\0" + b"\1\0"),         # router alert
    (HOP_BY_HOP, b"\x1e\x0c" + bytes(12)),     # experiment, to be skipped by who knows it not
    (DESTINATION_OPTIONS, _PAD),
    (DESTINATION_OPTIONS, b"\x1e\x0d" + b"experimental." + b"\0"),
    (ROUTING, b"\2\0" + bytes(4) + packed("fd99::1")),  # type 2, no segments left
    (ROUTING, b"\4\0\0\0\0\0" + packed("fd99::1")),     # segment routing, none left
)
_LENGTHS = (0, 1, 2, 3, 7, 8, 9, 100, 511, 512, 1023)


def payload(rng, most=1023):
    """Random bytes of a random length, the awkward lengths often."""
    length = rng.choice(_LENGTHS) if rng.random() < 0.5 else rng.randrange(most + 1)
    return rng.choice((rng.randbytes, bytes, lambda n: b"\xff" * n))(min(length, most))


def _options(rng):
    options = b""
    if rng.random() < 0.5:
        for _ in range(rng.randrange(1, 4)):
            option = rng.choice(_OPTIONS)
            options += option if len(options) + len(option) <= 40 else b""
    return options


def _udp(rng, source, target, source_port, port, family, most):
    body = packets.udp(source, target, source_port, port, payload(rng, most))
    kind = rng.random()
    if kind < 0.15 and family == 4:
        return body[:6] + b"\0\0" + body[8:]
    if kind < 0.25:  # UDP ends before the IP packet does: the rest belongs to nobody, and is kept
        return body + rng.randbytes(rng.randrange(1, 40))
    return body


def packet4(rng, source, target, source_port, port, most=1023):
    """A random IPv4 packet with at most so much payload."""
    return packets.ipv4(
        source, target, _udp(rng, source, target, source_port, port, 4, most),
        ttl=rng.randrange(1, 256), tos=rng.randrange(256),
        ident=rng.choice((0, 1, 0xFFFF, rng.randrange(1 << 16))),
        fragment=rng.choice((0, DF)), options=_options(rng))


def packet6(rng, source, target, source_port, port, most=1023):
    """A random IPv6 packet likewise; extension headers in the order of RFC 8200, section 4.1."""
    chain = []
    if rng.random() < 0.6:
        chosen = rng.sample(_EXTENSIONS, rng.randrange(1, 4))
        order = (HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS)
        for kind in order:
            chain += [e for e in chosen if e[0] == kind][:1]
    return packets.ipv6(
        source, target, _udp(rng, source, target, source_port, port, 6, most),
        hop_limit=rng.randrange(1, 256), traffic_class=rng.randrange(256),
        flow_label=rng.choice((0, 1, 0xFFFFF, rng.randrange(1 << 20))), extensions=chain)


def payload_whose_copy_sums_to_zero(source, target, source_port, port, base=b"zero"):
    """A payload with which the checksum computed for source > target comes out as 0."""
    body = base + b"\0" * (len(base) % 2)
    rest = packets.ones_sum(
        packets.pseudo_header(packed(source), packed(target), 8 + len(body) + 2)
        + packets.udp(source, target, source_port, port, body, sum_=0, length=8 + len(body) + 2))
    return body + (0xFFFF - rest).to_bytes(2, "big")
