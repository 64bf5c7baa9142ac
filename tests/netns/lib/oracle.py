# SPDX-License-Identifier: MIT
"""What a copy must look like, worked out anew from the original.

A copy is the original but for destination address, destination port, IPv4 header checksum and
UDP checksum. One more difference is the kernel's and documented: an IPv4 raw socket gives an ID
to a packet whose ID is 0 and that may be fragmented.
"""

import struct

from . import packets
from .packets import packed, view
from .ways import WAY


def verification_sum(data, at):
    """What a receiver adds up over the UDP datagram and its pseudo header; 0xffff is right.

    at: where the datagram stands, by the view of the original.
    """
    addresses = (data[12:16], data[16:20]) if at.version == 4 else (data[8:24], data[24:40])
    datagram = data[at.udp_at:at.udp_at + at.udp_length]
    return packets.ones_sum(packets.pseudo_header(*addresses, len(datagram)) + datagram)


def expected_copy(original, address, port=None, ttl=None, source=None):
    """The copy of an original (whole, UDP, IP length right). port, ttl and source address: None is
    the packet's own."""
    at = view(original)
    data = bytearray(at.data)
    target = packed(address)
    sender = at.source if source is None else packed(source)
    if at.version == 4:
        data[12:20] = sender + target
        if ttl is not None:
            data[8] = ttl
        data[10:12] = b"\0\0"
        struct.pack_into("!H", data, 10, packets.checksum(bytes(data[:at.body_at])))
    else:
        data[8:40] = sender + target
        if ttl is not None:
            data[7] = ttl
    if port is not None:
        struct.pack_into("!H", data, at.udp_at + 2, port)
    if at.udp_sum != 0:
        datagram = bytes(data[at.udp_at:at.udp_at + at.udp_length])
        right = packets.udp_checksum(sender, target, datagram)
        struct.pack_into("!H", data, at.udp_at + 6, right)
    return bytes(data)


def differences(original, copy, address, port=None, ttl=None, fragmented=False, source=None):
    """What is wrong with a copy, as sentences; an empty list is a perfect copy.

    fragmented: the copy was put together from fragments, whose ID and DF bit are their own.
    """
    wanted, copy = bytearray(expected_copy(original, address, port, ttl, source)), bytearray(copy)
    faults = []
    if len(wanted) != len(copy):
        return [f"{len(copy)} bytes instead of {len(wanted)}"]
    at = view(original)
    if at.version == 4:
        if packets.ones_sum(bytes(copy[:at.body_at])) != 0xFFFF:
            faults.append("IPv4 header checksum is wrong")
        own_id = wanted[4:6] == b"\0\0" and not wanted[6] & 0x40
        if fragmented or own_id:
            wanted[4:6] = copy[4:6]
        if fragmented:
            wanted[6:8] = copy[6:8]
        wanted[10:12] = copy[10:12]
    faults += _checksum_faults(original, bytes(copy), wanted, at)
    wanted[at.udp_at + 6:at.udp_at + 8] = copy[at.udp_at + 6:at.udp_at + 8]
    if wanted != copy:
        where = [i for i in range(len(copy)) if copy[i] != wanted[i]]
        faults.append(f"bytes differ at {where[:20]}: {bytes(copy[i] for i in where[:20]).hex()} "
                      f"instead of {bytes(wanted[i] for i in where[:20]).hex()}")
    return faults


def _checksum_faults(original, copy, wanted, at):
    """The UDP checksum: right stays right, absent stays absent, wrong stays as wrong as it was."""
    found = struct.unpack_from("!H", copy, at.udp_at + 6)[0]
    if at.udp_sum == 0:
        return [] if found == 0 else [f"UDP checksum {found:#06x} where there was none"]
    if found == 0:
        return ["UDP checksum 0: means that there is none"]
    before, after = verification_sum(original, at), verification_sum(copy, at)
    if before % 0xFFFF != after % 0xFFFF:
        return [f"UDP checksum adds up to {after:#06x}, the original's to {before:#06x}"]
    right = struct.unpack_from("!H", wanted, at.udp_at + 6)[0]
    if before == 0xFFFF and found != right:
        return [f"UDP checksum {found:#06x} instead of {right:#06x}"]
    return []


def in_any_order(data, key):
    """As they came; but where the kernel serves what it can and queues the rest, no way waits for
    the other, and they come sorted."""
    return sorted(data, key=key) if WAY == "fastpath" else data


def packets_in_any_order(data):
    """The same for packets, by their source ports and lengths."""
    return in_any_order(data, lambda packet: (view(packet).source_port, len(packet)))


def assert_copies(originals, copies, address, port=None, ttl=None, fragmented=False,
                  source=None):
    """Exactly one perfect copy of each original, in order."""
    originals, copies = packets_in_any_order(originals), packets_in_any_order(copies)
    listing = "\n".join(str(view(c)) for c in copies[:20])
    assert len(copies) == len(originals), \
        f"{len(copies)} copies of {len(originals)} originals:\n{listing}"
    for index, (original, copy) in enumerate(zip(originals, copies)):
        faults = differences(original, copy, address, port, ttl, fragmented, source)
        assert not faults, (f"copy {index} to {address}: {'; '.join(faults)}\n"
                            f"original: {view(original)} {original[:80].hex()}\n"
                            f"copy:     {view(copy)} {copy[:80].hex()}")


def routed(original, hops=1):
    """The original after this many routers: TTL and, with IPv4, header checksum."""
    data = bytearray(original)
    if data[0] >> 4 == 6:
        data[7] -= hops
        return bytes(data)
    data[8] -= hops
    data[10:12] = b"\0\0"
    struct.pack_into("!H", data, 10, packets.checksum(bytes(data[:(data[0] & 15) * 4])))
    return bytes(data)
