# SPDX-License-Identifier: MIT
"""A client that keeps sending numbered datagrams while a test does things to the appliance."""

import errno
import multiprocessing
import struct
import threading
import time

from . import packets


class Stream:
    """Sends datagrams numbered from 0, about rate_pps of them, until stop()."""

    def __init__(self, host, to, port=514, rate_pps=2000, payload_bytes=8):
        self._host, self._to, self._port = host, to, port
        self._filling = bytes(payload_bytes - 8)
        self._pause_s = 1 / rate_pps
        self._end = threading.Event()
        self.count = 0
        self._failure = None
        host.inject()  # opens the socket here, in the main thread
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _sent(self, packet):
        """False: the other end of the wire has dropped it, having too much to do."""
        try:
            self._host.inject(packet)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return False
        return True

    def _run(self):
        source = self._host.address(6 if ":" in self._to else 4)
        try:
            while not self._end.is_set():
                if self._sent(packets.udp_packet(
                        source, self._to, 5000, self._port,
                        struct.pack("!Q", self.count) + self._filling)):
                    self.count += 1
                time.sleep(self._pause_s)  # the pace of a client, not a wait for anything
        except OSError as error:
            self._failure = error

    def stop(self):
        """Ends it; returns how many were sent."""
        self._end.set()
        self._thread.join()
        assert self._failure is None, self._failure
        return self.count


def numbers(data):
    """The numbers of captured datagrams of a Stream, in the order of arrival."""
    return [struct.unpack("!Q", packets.view(packet).payload)[0] for packet in data]


class Flow:
    """A process that sends datagrams, numbered from 0 for each port, at an even rate until stop().

    When the machine has no time for it for a while, what was missed is not made up for.
    """

    _CATCH_UP = 200  # datagrams

    def __init__(self, host, to, ports, rate_pps):
        host.inject()  # opens the socket here, in the main thread
        context = multiprocessing.get_context("fork")
        self._end, self._results = context.Event(), context.SimpleQueue()
        self._process = context.Process(
            target=self._run, args=(host, to, ports, rate_pps), daemon=True)
        self._process.start()

    def _run(self, host, to, ports, rate_pps):
        source = host.address(6 if ":" in to else 4)
        heads = []
        for port in ports:  # without UDP checksums, since working them out takes longer than all
            datagram = packets.udp(source, to, 5000, port, bytes(8), sum_=0)
            heads.append(packets.ipv4(source, to, datagram)[:-8])
        count, begun = 0, time.monotonic()
        start = begun
        while not self._end.is_set():
            due = int((time.monotonic() - start) * rate_pps)
            if due - count > self._CATCH_UP:
                start += (due - count - self._CATCH_UP) / rate_pps
                due = count + self._CATCH_UP
            while count < due:
                number, turn = divmod(count, len(heads))
                host.inject(heads[turn] + struct.pack("!Q", number))
                count += 1
            time.sleep(0.001)  # the pace of a client, not a wait for anything
        counts = {port: (count + len(ports) - 1 - n) // len(ports)
                  for n, port in enumerate(ports)}
        self._results.put((counts, count / (time.monotonic() - begun)))

    def stop(self):
        """Ends it; returns how many were sent to each port, and the rate that was reached."""
        self._end.set()
        result = self._results.get()
        self._process.join()
        return result
