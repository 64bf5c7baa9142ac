# SPDX-License-Identifier: MIT
"""A client that keeps sending numbered datagrams while a test does things to the appliance."""

import struct
import threading
import time

from . import packets


class Stream:
    """Sends datagrams numbered from 0, about rate_pps of them, until stop()."""

    def __init__(self, host, to, port=514, rate_pps=2000):
        self._host, self._to, self._port = host, to, port
        self._pause_s = 1 / rate_pps
        self._end = threading.Event()
        self.count = 0
        self._failure = None
        host.inject()  # opens the socket here, in the main thread
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        source = self._host.address(6 if ":" in self._to else 4)
        try:
            while not self._end.is_set():
                self._host.inject(packets.udp_packet(
                    source, self._to, 5000, self._port, struct.pack("!Q", self.count)))
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
