# SPDX-License-Identifier: MIT
"""What a contender's copies look like, before it is measured: nobody gets a figure for nothing."""

import collections
import ipaddress
import socket
import struct

import bed as beds
import trial as trials

_SOL_SOCKET_RCVBUFFORCE = 33
_IPV4 = b"\x08\x00"
_ETH_P_ALL = 3  # a tap for one protocol only would come after the ingress hook
# As in frames.h and frames.c.
_MARK_OFFSET, _MARK = 28, b"tdbN"
_FIRST_PORT, _TTL = 20000, 57


class WrongCopies(Exception):
    """A contender does not do what its figures would stand for."""


def examine(bed, generator, setting, keeps_source):
    """Sends a packet of each client, and looks at every copy. Returns what is worth knowing:
    {"checksum": "valid"|"none", "source": "client"|"appliance", "source_port", "identification" and
    "ttl": "client"|"own"}. Raises WrongCopies if copies are missing, changed or damaged."""
    with bed.receivers.entered():
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    with tap:
        tap.setsockopt(socket.SOL_SOCKET, _SOL_SOCKET_RCVBUFFORCE, 1 << 26)
        tap.bind(("eth0", _ETH_P_ALL))
        tap.setblocking(False)
        trial = trials.run(bed, generator, setting.destinations, 5000, beds.CLIENTS / 5000)
        copies = [c for c in map(parse, _drain(tap)) if c]
    if any(count != trial.sent_pkts for count in trial.delivered):
        raise WrongCopies(f"of {trial.sent_pkts} packets, destinations got {trial.delivered}")
    return judge(copies, setting, keeps_source)


def _drain(tap):
    while True:
        try:
            yield tap.recv(65535)
        except BlockingIOError:
            return


Copy = collections.namedtuple("Copy", "source port destination identification ttl checksum payload")


def parse(frame):
    """A frame's Copy, or None if it is not UDP to the benchmark's port."""
    if frame[12:14] != _IPV4:  # neighbours that ask for each other
        return None
    header = (frame[14] & 15) * 4
    ip, udp = frame[14:14 + header], frame[14 + header:]
    if ip[9] != socket.IPPROTO_UDP:
        return None
    port, to_port, length, checksum = struct.unpack("!HHHH", udp[:8])
    if to_port != beds.PORT:
        return None
    pseudo = ip[12:20] + struct.pack("!BBH", 0, socket.IPPROTO_UDP, length)
    state = "none" if not checksum else "valid" if not _sum(pseudo + udp[:length]) else "wrong"
    return Copy(str(ipaddress.ip_address(ip[12:16])), port, str(ipaddress.ip_address(ip[16:20])),
                int.from_bytes(ip[4:6], "big"), ip[8], state, udp[8:length])


def _sum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) & ~1]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def clients():
    """{address: (source port, identification)} of each of the generator's clients."""
    first = int(ipaddress.ip_address(beds.FIRST_CLIENT))
    return {str(ipaddress.ip_address(first + n)): (_FIRST_PORT + n, n + 1)
            for n in range(beds.CLIENTS)}


def judge(copies, setting, keeps_source):
    """See examine()."""
    wrong = [c for c in copies if len(c.payload) != setting.payload_bytes
             or c.payload[_MARK_OFFSET:_MARK_OFFSET + 4] != _MARK or c.checksum == "wrong"]
    if wrong:
        raise WrongCopies(f"{len(wrong)} of {len(copies)} copies are damaged, such as {wrong[0]}")
    there = clients()
    known = sum(c.source in there for c in copies)
    per_source = collections.Counter((c.destination, c.source) for c in copies)
    if keeps_source and (len(per_source) != len(there) * setting.destinations
                         or set(per_source.values()) != {1} or known != len(copies)):
        raise WrongCopies(f"{len(copies) - known} of {len(copies)} copies lack their client's "
                          "address, or not one copy of each client's packet reached everybody")

    def whose(kept):
        return "client" if all(map(kept, copies)) else "own"
    return {"checksum": "none" if any(c.checksum == "none" for c in copies) else "valid",
            "source": "client" if known == len(copies) else "appliance",
            "source_port": whose(lambda c: there.get(c.source, (0, 0))[0] == c.port),
            "identification": whose(lambda c: there.get(c.source, (0, 0))[1] == c.identification),
            "ttl": whose(lambda c: c.ttl == _TTL)}
