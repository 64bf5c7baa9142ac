# SPDX-License-Identifier: MIT
"""When the datagrams of a Stream arrived."""

import socket
import struct
import threading

from .stream import Stream
from .waiting import wait_for

_SO_TIMESTAMPNS = 35


class Arrivals:
    """Receives the numbered datagrams of a Stream on a host's port, with the kernel's time."""

    def __init__(self, host, port):
        with host.namespace.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
        self._socket.bind(("", port))
        self._socket.settimeout(0.1)
        self._end = threading.Event()
        self.seen = []  # (time in seconds, number)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                data, control, _, _ = self._socket.recvmsg(2048, 64)
            except TimeoutError:
                if self._end.is_set():
                    return
                continue
            seconds, nanoseconds = struct.unpack("qq", control[0][2][:16])
            self.seen.append((seconds + nanoseconds / 1e9, struct.unpack("!Q", data[:8])[0]))

    def numbers(self):
        """Ends it; returns the numbers in the order in which they arrived."""
        self._end.set()
        self._thread.join()
        self._socket.close()
        return [number for _, number in self.seen]

    def longest_pause_ms(self):
        """Between two arrivals."""
        times = [when for when, _ in self.seen]
        return max(b - a for a, b in zip(times, times[1:])) * 1000


class Traffic:
    """A client's datagrams on their way to the server, and their copies at receiver1."""

    def __init__(self, star, rate_pps=1000):
        self._originals = Arrivals(star.server, 514)
        self._copies = Arrivals(star.receiver1, 514)
        self._stream = Stream(star.client1, star.server.v4, rate_pps=rate_pps)
        self.wait_more(100)

    def wait_more(self, count):
        """Waits until so many more have been copied."""
        first = len(self._copies.seen)
        wait_for(f"{count} more copies", lambda: len(self._copies.seen) >= first + count,
                 there=lambda: f"{len(self._copies.seen)} copies, "
                               f"{len(self._originals.seen)} originals, {self._stream.count} sent")

    def end(self):
        """Every original and a copy of each must have arrived, once. Returns how many were sent, and
        prints how long they were held up."""
        sent = self._stream.stop()
        for what, arrivals in ("originals", self._originals), ("copies", self._copies):
            wait_for(f"the last of the {what}", lambda at=arrivals: len(at.seen) >= sent,
                     there=lambda at=arrivals: f"{len(at.seen)} of {sent}")
            assert sorted(arrivals.numbers()) == list(range(sent)), what
            print(f"{what}: {sent}, longest pause {arrivals.longest_pause_ms():.0f} ms")
        return sent
