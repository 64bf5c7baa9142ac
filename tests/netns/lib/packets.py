# SPDX-License-Identifier: MIT
"""IP packets as bytes: built, taken apart, fragmented and put together again.

Plain struct arithmetic and the naive checksum, on purpose: this is what the program's cleverer
code is judged by. Sources: RFC 791, RFC 768, RFC 8200, RFC 1071. Everything starts at the IP
header; ports and lengths are in host order.
"""

import ipaddress
import struct
from dataclasses import dataclass

UDP = 17
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS = 0, 43, 44, 60
DF, MF = 0x4000, 0x2000


def packed(address):
    """An address's text as 4 or 16 bytes."""
    return ipaddress.ip_address(address).packed


def ones_sum(data):
    """The one's complement sum of data as 16-bit words, an odd last byte padded with zero."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum(data):
    """The Internet checksum over data whose checksum field is zero."""
    return ones_sum(data) ^ 0xFFFF


def pseudo_header(source, destination, length):
    """The UDP pseudo header for addresses as bytes: RFC 768 or RFC 8200, section 8.1."""
    if len(source) == 4:
        return source + destination + struct.pack("!BBH", 0, UDP, length)
    return source + destination + struct.pack("!IHBB", length, 0, 0, UDP)


def udp_checksum(source, destination, datagram):
    """The checksum to send for a UDP header and payload, its checksum field ignored; never 0."""
    plain = datagram[:6] + b"\0\0" + datagram[8:]
    return checksum(pseudo_header(source, destination, len(datagram)) + plain) or 0xFFFF


def udp(source, destination, source_port, port, payload=b"", sum_=None, length=None):
    """A UDP datagram. sum_ None: the right checksum. length: the header's length field."""
    length_field = 8 + len(payload) if length is None else length
    head = struct.pack("!HHHH", source_port, port, length_field, 0)
    if sum_ is None:
        covered = (head + payload)[: max(length_field, 8)]
        sum_ = udp_checksum(packed(source), packed(destination), covered)
    return head[:6] + struct.pack("!H", sum_) + payload


def ipv4(source, destination, body, ttl=64, tos=0, ident=0x1234, fragment=0, options=b"",
         protocol=UDP, ihl=None, total_length=None, sum_=None):
    """An IPv4 packet; options are padded to whole words with end-of-options."""
    options += b"\0" * (-len(options) % 4)
    head_length = 20 + len(options)
    head = struct.pack(
        "!BBHHHBBH4s4s",
        0x40 | (head_length // 4 if ihl is None else ihl), tos,
        head_length + len(body) if total_length is None else total_length,
        ident, fragment, ttl, protocol, 0, packed(source), packed(destination),
    ) + options
    if sum_ is None:
        sum_ = checksum(head)
    return head[:10] + struct.pack("!H", sum_) + head[12:] + body


def ipv6(source, destination, body, hop_limit=64, traffic_class=0, flow_label=0,
         extensions=(), next_header=UDP, payload_length=None):
    """An IPv6 packet. extensions: (type, the bytes after its first two, padded to 8n - 2)."""
    chain = b""
    following = next_header
    for kind, content in reversed(extensions):
        content += b"\0" * ((6 - len(content)) % 8)
        chain = struct.pack("!BB", following, (len(content) + 2) // 8 - 1) + content + chain
        following = kind
    if payload_length is None:
        payload_length = len(chain) + len(body)
    first = 6 << 28 | traffic_class << 20 | flow_label
    return struct.pack("!IHBB", first, payload_length, following, hop_limit) + \
        packed(source) + packed(destination) + chain + body


def udp_packet(source, destination, source_port, port, payload=b"", **ip):
    """A whole UDP packet of the addresses' family; ip goes to ipv4() or ipv6()."""
    body = udp(source, destination, source_port, port, payload)
    build = ipv6 if ":" in source else ipv4
    return build(source, destination, body, **ip)


@dataclass
class View:
    """Where things stand in an IP packet. udp_at is None when there is no UDP header to read."""

    data: bytes
    version: int
    source: bytes
    destination: bytes
    protocol: int
    body_at: int            # after the IPv4 header, or after all IPv6 extension headers
    next_header_at: int     # the byte that says what stands at body_at
    fragment_at: int | None  # an IPv6 Fragment header
    fragment_previous_at: int | None  # the next-header byte that announces it
    offset: int             # fragment offset in bytes
    more: bool
    ident: int

    @property
    def is_fragment(self):
        return self.offset != 0 or self.more

    @property
    def udp_at(self):
        fits = self.protocol == UDP and self.offset == 0 and len(self.data) >= self.body_at + 8
        return self.body_at if fits else None

    def _u16(self, offset):
        return struct.unpack_from("!H", self.data, self.udp_at + offset)[0]

    @property
    def source_port(self):
        return self._u16(0)

    @property
    def port(self):
        return self._u16(2)

    @property
    def udp_length(self):
        return self._u16(4)

    @property
    def udp_sum(self):
        return self._u16(6)

    @property
    def payload(self):
        return self.data[self.udp_at + 8:self.udp_at + self.udp_length]

    @property
    def ttl(self):
        return self.data[8] if self.version == 4 else self.data[7]

    def __str__(self):
        text = f"{ipaddress.ip_address(self.source)} > {ipaddress.ip_address(self.destination)}"
        text += f" protocol {self.protocol} {len(self.data)} bytes"
        if self.udp_at is not None:
            text += f" ports {self.source_port} > {self.port}"
        if self.is_fragment:
            text += f" fragment {self.ident:#x} at {self.offset}{'+' if self.more else ''}"
        return text


def view(data):
    """Takes a packet apart; data ends where the IP header says that the packet ends."""
    if data[0] >> 4 == 4:
        total, ident, fragment = struct.unpack_from("!HHH", data, 2)
        return View(data[:total], 4, data[12:16], data[16:20], data[9], (data[0] & 15) * 4, 9,
                    None, None, (fragment & 0x1FFF) * 8, bool(fragment & MF), ident)
    data = data[:40 + struct.unpack_from("!H", data, 4)[0]]
    kind, at, previous = data[6], 40, 6
    result = View(data, 6, data[8:24], data[24:40], kind, at, 6, None, None, 0, False, 0)
    while kind in (HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS) and at + 8 <= len(data):
        if kind == FRAGMENT:
            fragment, result.ident = struct.unpack_from("!HI", data, at + 2)
            result.offset, result.more = fragment & 0xFFF8, bool(fragment & 1)
            result.fragment_at, result.fragment_previous_at = at, previous
            size = 8
        else:
            size = (data[at + 1] + 1) * 8
        kind, previous, at = data[at], at, at + size
        if result.offset:
            break
    result.protocol, result.body_at, result.next_header_at = kind, at, previous
    return result


def fragments(packet, mtu, ident=0x00C0FFEE, unfragmentable=40):
    """A packet in fragments of at most mtu bytes. IPv6: unfragmentable bytes stay in front."""
    if packet[0] >> 4 == 4:
        return _fragments_v4(packet, mtu)
    at = 6
    position = 40
    while position < unfragmentable:
        at = position
        position += (packet[position + 1] + 1) * 8
    head = bytearray(packet[:unfragmentable])
    following, head[at] = head[at], FRAGMENT
    body = packet[unfragmentable:]
    step = (mtu - unfragmentable - 8) & ~7
    result = []
    for offset in range(0, len(body), step):
        piece = body[offset:offset + step]
        more = offset + step < len(body)
        struct.pack_into("!H", head, 4, unfragmentable - 40 + 8 + len(piece))
        result.append(bytes(head) + struct.pack("!BBHI", following, 0, offset | more, ident)
                      + piece)
    return result


def _fragments_v4(packet, mtu):
    length = (packet[0] & 15) * 4
    body = packet[length:]
    step = (mtu - length) & ~7
    result = []
    for offset in range(0, len(body), step):
        piece = body[offset:offset + step]
        more = MF if offset + step < len(body) else 0
        head = bytearray(packet[:length])
        struct.pack_into("!H", head, 2, length + len(piece))
        struct.pack_into("!H", head, 6, more | offset // 8)
        struct.pack_into("!H", head, 10, 0)
        struct.pack_into("!H", head, 10, checksum(bytes(head)))
        result.append(bytes(head) + piece)
    return result


def reassemble(packets, mtu=None):
    """Datagrams out of packets, fragments put together, in the order of completion.

    Strict: a fragment larger than mtu, an overlap, a duplicate, a hole, a bad length or IPv4
    header checksum is an AssertionError.
    """
    whole, waiting = [], {}
    for data in packets:
        part = view(data)
        assert mtu is None or len(part.data) <= mtu, f"larger than the MTU of {mtu}: {part}"
        if not part.is_fragment:
            whole.append(part.data)
            continue
        assert part.version == 6 or ones_sum(data[:part.body_at]) == 0xFFFF, \
            f"bad IPv4 header checksum: {part}"
        start = part.body_at if part.version == 4 else part.fragment_at + 8
        assert not part.more or (len(part.data) - start) % 8 == 0, f"not a multiple of 8: {part}"
        key = (part.source, part.destination, part.ident, part.version)
        pieces = waiting.setdefault(key, {})
        assert part.offset not in pieces, f"twice the same fragment: {part}"
        pieces[part.offset] = (part, part.data[start:])
        joined = _join(pieces)
        if joined is not None:
            whole.append(joined)
            del waiting[key]
    left = [str(part) for pieces in waiting.values() for part, _ in pieces.values()]
    assert not left, "fragments that make no whole datagram:\n" + "\n".join(left)
    return whole


def _join(pieces):
    body = b""
    for offset in sorted(pieces):
        part, content = pieces[offset]
        assert offset >= len(body), f"fragments overlap: {part}"
        if offset > len(body):
            return None
        body += content
    if part.more:
        return None
    first = pieces[0][0]
    if first.version == 4:
        head = bytearray(first.data[:first.body_at])
        struct.pack_into("!HHH", head, 2, len(head) + len(body), first.ident,
                         struct.unpack_from("!H", head, 6)[0] & DF)
        struct.pack_into("!H", head, 10, 0)
        struct.pack_into("!H", head, 10, checksum(bytes(head)))
        return bytes(head) + body
    head = bytearray(first.data[:first.fragment_at])
    head[first.fragment_previous_at] = first.data[first.fragment_at]
    struct.pack_into("!H", head, 4, len(head) - 40 + len(body))
    return bytes(head) + body
