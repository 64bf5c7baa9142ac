# SPDX-License-Identifier: MIT
"""A client whose every datagram has a number, collectors that tell which ones they got, and what
follows from both: how many were lost, for how long, and whether any came twice.

The client sends by ordinary sockets, so that it finds its way as any client does: by ARP, neighbour
discovery and routes, and by what it is told when an address moves.
"""

import collections
import contextlib
import itertools
import multiprocessing
import os
import socket
import struct
import time

from .capture import Receiver
from .waiting import DEFAULT_TIMEOUT_S, wait_for

_first_numbers = itertools.count(0, 1 << 32)
_SETTLED = 200  # datagrams: what was sent that many ago is where it goes to


def next_numbers():
    """The first of numbers that nobody else in the test uses."""
    return next(_first_numbers)


class Client:
    """Sends numbered datagrams at an even rate until stop(), over many flows in turn: as many ports
    of its own towards each address."""

    RATE_PPS = 1000

    def __init__(self, namespace, *addresses, port=514, ports=32):
        self._to = []
        with namespace.entered():
            for address in addresses:
                kind = socket.AF_INET6 if ":" in address else socket.AF_INET
                self._to += [(socket.socket(kind, socket.SOCK_DGRAM), (address, port))
                             for _ in range(ports)]
        self.flows = len(self._to)
        self.first = next_numbers()
        context = multiprocessing.get_context("fork")
        self._end, self._results = context.Event(), context.SimpleQueue()
        self._count = context.Value("Q", 0)
        self._process = context.Process(target=self._run, args=(os.getpid(),), daemon=True)
        self._process.start()

    @property
    def count(self):
        """How many it has sent by now."""
        return self._count.value

    def _run(self, parent):
        times = []
        start = time.monotonic()
        last = None
        while (last is None or len(times) < last) and os.getppid() == parent:
            sender, to = self._to[len(times) % self.flows]
            times.append(time.monotonic())
            with contextlib.suppress(OSError):  # then it is lost, as for any client
                sender.sendto(struct.pack("!Q", self.first + len(times) - 1), to)
            self._count.value = len(times)
            if last is None and self._end.is_set():
                last = len(times) + self.flows  # a last one on every flow, which must arrive
            ahead_s = start + len(times) / self.RATE_PPS - time.monotonic()
            if ahead_s > 0:
                time.sleep(ahead_s)  # the pace of a client, not a wait for anything
            else:
                start -= ahead_s  # what was missed is not made up for
        self._results.put(times)

    def stop(self):
        """Ends it; returns when each datagram was sent, by number."""
        self._end.set()
        times = self._results.get()
        self._process.join()
        self.close()
        return times

    def close(self):
        """Ends it at once."""
        self._process.kill()
        self._process.join()
        for sender, _ in self._to:
            sender.close()


class Collector:
    """A machine to which copies go, with a real UDP socket for each family."""

    def __init__(self, name, namespace, *addresses, port=514):
        self.name = name
        self._receivers = [Receiver(namespace, address, port) for address in addresses]
        self.times = collections.Counter()  # how often each number came
        self.sources = set()

    def pull(self):
        """Takes what has arrived."""
        for receiver in self._receivers:
            for payload, source, _ in receiver.wait(receiver.pull()):
                self.times[struct.unpack_from("!Q", payload)[0]] += 1
                self.sources.add(source)

    def close(self):
        """Ends it."""
        for receiver in self._receivers:
            receiver.close()


def wait_flowing(client, collectors, timeout_s=DEFAULT_TIMEOUT_S):
    """Waits until all that the client sends, on every flow, reaches every collector."""
    begun = client.first + client.count

    def missing():
        first = client.first + client.count - _SETTLED - client.flows
        window = range(first, first + client.flows)
        if first < begun:
            return ["too early to tell"]
        for collector in collectors:
            collector.pull()
        return [(collector.name, n) for collector in collectors for n in window
                if n not in collector.times]
    wait_for("every flow to arrive at every collector", lambda: not missing(), timeout_s,
             lambda: f"missing of the last {client.flows}: {missing()}")


class Toll:
    """What became of all that a client has sent, up to now: what comes later was lost."""

    def __init__(self, client, collectors):
        times = client.stop()
        self.sent = len(times)
        numbers = range(client.first, client.first + self.sent)

        def complete():
            for collector in collectors:
                collector.pull()
            return all(n in collector.times for collector in collectors
                       for n in numbers[-client.flows:])
        wait_for("the last datagram of every flow at every collector", complete)
        self.twice = {(collector.name, n) for collector in collectors
                      for n, count in collector.times.items() if count > 1}
        self.lost = [n for n in numbers if any(n not in c.times for c in collectors)]
        # From the first that was lost to the last: no gap that anybody saw was longer.
        lost_times = [times[n - client.first] for n in self.lost]
        self.outage_s = lost_times[-1] - lost_times[0] if lost_times else 0.0

    def __str__(self):
        return (f"{self.sent} sent, {len(self.lost)} lost within {self.outage_s:.2f} s, "
                f"{len(self.twice)} came twice")
