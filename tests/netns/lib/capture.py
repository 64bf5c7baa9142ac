# SPDX-License-Identifier: MIT
"""Captures and injection of packets by AF_PACKET sockets, without a helper process.

A capture can be fenced: a frame of an own Ethernet type, sent to the captured interface from
every CPU after everything else, tells that nothing is still on its way. So "exactly these
packets and no more" needs no waiting time.
"""

import os
import select
import socket
import struct
import time

from . import packets
from .machine import on_one_cpu
from .waiting import DEFAULT_TIMEOUT_S, scaled, wait_for

_SO_RCVBUFFORCE = 33
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_ETH_P_ALL = 0x0003
_FENCE = 0x88B5  # IEEE 802: local experimental
_IP_TYPES = (0x0800, 0x86DD)
_ND_AND_MLD = range(130, 138), range(143, 144)
_ICMP, _ICMP6 = 1, 58
_PROBE = b"Traffic Duplicator: is there a loop?"


class Capture:
    """Everything that arrives at an interface from now on."""

    def __init__(self, namespace, interface, fence_sender):
        self.probes = []  # by which the appliance asks for loops where much is sent; not in take()
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 128 << 20)
            self._socket.bind((interface, _ETH_P_ALL))
        self._socket.setblocking(False)
        self._fence_sender = fence_sender
        self._fences_seen = set()
        self._fence_count = 0
        self._taken = 0
        self.where = f"{namespace.name} {interface}"
        self._packets = []

    def _pull(self):
        while True:
            try:
                frame, address = self._socket.recvfrom(1 << 17)
            except BlockingIOError:
                return
            if address[2] == socket.PACKET_OUTGOING:
                continue
            kind = struct.unpack_from("!H", frame, 12)[0]
            if kind == _FENCE:
                self._fences_seen.add(frame[14:22])
            elif kind in _IP_TYPES and _PROBE in frame[42:98 + len(_PROBE)]:
                self.probes.append(frame[14:])
            elif kind in _IP_TYPES and not _is_housekeeping(frame[14:]):
                self._packets.append(frame[14:])

    def _pull_until(self, what, condition, timeout_s):
        deadline = time.monotonic() + scaled(timeout_s)
        while True:
            self._pull()
            if condition():
                break
            left = deadline - time.monotonic()
            if left <= 0:
                listing = "\n".join(str(packets.view(p)) for p in self._packets[-20:])
                raise AssertionError(f"{self.where}: waited in vain for {what}; there are "
                                     f"{len(self._packets)} packets, the last ones:\n{listing}")
            select.select([self._socket], [], [], left)
        _, dropped = struct.unpack(
            "II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        assert dropped == 0, f"{self.where}: the capture itself lost {dropped} packets"

    def wait(self, count, timeout_s=DEFAULT_TIMEOUT_S, match=None):
        """Waits for that many packets (that match) since the last take()."""
        self._pull_until(
            f"{count} packets",
            lambda: len(self._packets if match is None else list(filter(match, self._packets)))
            >= count, timeout_s)

    def settled(self):
        """Whatever was sent towards the interface before this call is captured after it."""
        self._fence_count += 1
        wanted = {struct.pack("!II", self._fence_count, cpu) for cpu in os.sched_getaffinity(0)}
        self._fence_sender(_FENCE, self._fence_count)
        self._pull_until("the fence", lambda: wanted <= self._fences_seen, DEFAULT_TIMEOUT_S)

    def take(self, match=None):
        """All packets since the last take(), fenced: nothing more is on its way."""
        self.settled()
        taken, self._packets = self._packets, []
        return taken if match is None else list(filter(match, taken))

    def take_udp(self):
        """take(), less everything that is not UDP."""
        return self.take(is_udp)

    def take_icmp_errors(self):
        """take(), only ICMP errors of both families."""
        return self.take(is_icmp_error)

    def close(self):
        """Ends the capture."""
        self._socket.close()


def _is_housekeeping(data):
    """Neighbour discovery and multicast listener reports: the stack talking to itself."""
    at = packets.view(data)
    return at.protocol == _ICMP6 and any(at.data[at.body_at] in kinds for kinds in _ND_AND_MLD)


def is_udp(data):
    """Whether a packet is UDP, or a fragment of it: later fragments of an IPv6 packet may only
    say that an extension header stands in the first."""
    at = packets.view(data)
    return at.protocol == packets.UDP or (at.offset and at.protocol == packets.DESTINATION_OPTIONS)


def is_icmp_error(data):
    """Whether a packet is an ICMP or ICMPv6 error message."""
    at = packets.view(data)
    if at.protocol == _ICMP:
        return at.data[at.body_at] in (3, 4, 5, 11, 12)
    return at.protocol == _ICMP6 and at.data[at.body_at] < 128


class Injector:
    """Sends frames out of one interface, exactly as given."""

    def __init__(self, namespace, interface, source_mac, target_mac):
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, 32, 64 << 20)  # SO_SNDBUFFORCE
            self._socket.bind((interface, 0))
        self._macs = target_mac + source_mac

    def send(self, *data):
        """Sends IP packets, all from one CPU: it is that one which carries them through the
        appliance as well, and two of them would not keep the order that a wire keeps."""
        with on_one_cpu():
            for packet in data:
                kind = _IP_TYPES[packet[0] >> 4 == 6] if packet else _IP_TYPES[0]
                self._socket.send(self._macs + struct.pack("!H", kind) + packet)

    def fence(self, kind, number):
        """Sends the fence of this number, from each CPU in turn."""
        cpus = os.sched_getaffinity(0)
        try:
            for cpu in cpus:
                os.sched_setaffinity(0, {cpu})
                frame = self._macs + struct.pack("!HII", kind, number, cpu)
                self._socket.send(frame.ljust(60, b"\0"))
        finally:
            os.sched_setaffinity(0, cpus)

    def close(self):
        """Ends it."""
        self._socket.close()


class Receiver:
    """A real UDP socket: what an ordinary collector receives, and from whom."""

    def __init__(self, namespace, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with namespace.entered():
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
            self._socket.bind((address, port))
        self._socket.setblocking(False)
        self.where = f"{namespace.name} {address} {port}"
        self._received = []

    def wait(self, count, timeout_s=DEFAULT_TIMEOUT_S):
        """Waits for count datagrams; returns [(payload, client address, client port)]."""
        def enough():
            self.pull()
            return len(self._received) >= count
        wait_for(f"{count} datagrams at {self.where}", enough, timeout_s,
                 lambda: f"{len(self._received)} datagrams")
        taken, self._received = self._received, []
        return taken

    def pull(self):
        """Empties the socket's buffer; returns how many datagrams are waiting to be taken."""
        while True:
            try:
                payload, peer = self._socket.recvfrom(1 << 17)
            except BlockingIOError:
                return len(self._received)
            self._received.append((payload, peer[0], peer[1]))

    def close(self):
        """Ends it."""
        self._socket.close()
