# SPDX-License-Identifier: MIT
"""Who receives in the soak: a process with a real UDP socket wherever copies or originals end.

It looks at every datagram: whether its bytes are those of its flow, whether its source is the true
client or one that the configuration may say, whether its number has come before to the same place.
"""

import multiprocessing
import os
import select
import socket

from traffic import HEAD

_SO_RCVBUFFORCE = 33
_AT_ONCE = 500


class _Place:
    """One socket."""

    def __init__(self, namespace, role, address, port, sources):
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        with namespace.entered():
            self.socket = socket.socket(kind, socket.SOCK_DGRAM)
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
            if kind == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self.socket.bind((address, port))
        self.socket.setblocking(False)
        self.key = (role, address, port)
        self.sources = frozenset(sources)
        self.seen = [{}, {}]  # numbers of this round and the one before: {client: bytearray}
        self.counts = {}  # by flow


class Collectors:
    """All sockets, in a process of their own."""

    def __init__(self, flows, owners):
        self._flows, self._owners = flows, owners
        self._places = {}
        self._bases = [[0, 0], [0, 0]]
        self._wrong, self._wrong_count = [], 0
        self._pipe = self._process = None

    def add(self, namespace, role, address, port, sources=()):
        """A socket; sources: the addresses beside the true client's that copies may come from."""
        place = _Place(namespace, role, address, port, sources)
        self._places[place.socket.fileno()] = place

    def start(self):
        """Begins to receive."""
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=self._run, args=(theirs, os.getpid()), daemon=True)
        self._process.start()

    def _say(self, place, what):
        self._wrong_count += 1
        if len(self._wrong) < 20:
            self._wrong.append(f"{place.key}: {what}")

    def _take(self, place, payload, source):
        if len(payload) < HEAD.size:
            return self._say(place, f"{len(payload)} bytes from {source}")
        number, count, complement = HEAD.unpack_from(payload)
        if number >= len(self._flows) or count ^ complement != 0xFFFFFFFF \
                or payload[HEAD.size:] != self._flows[number].payload_tail:
            return self._say(place, f"bytes that nobody sent, from {source}: {payload[:32].hex()}")
        flow, owner = self._flows[number], self._owners[number]
        if source != flow.source and source not in place.sources:
            self._say(place, f"from {source}, sent by {flow.source}")
        this_round = 0 if count >= self._bases[0][owner] else 1
        index = count - self._bases[this_round][owner]
        if index < 0:
            return self._say(place, f"number {count} of client {owner + 1} came two rounds late")
        seen = place.seen[this_round].setdefault(owner, bytearray())
        if index >= len(seen):
            seen.extend(bytes(index + 4096 - len(seen)))
        if seen[index]:
            self._say(place, f"number {count} of client {owner + 1}, port {flow.port}, twice")
        seen[index] = 1
        place.counts[number] = place.counts.get(number, 0) + 1

    def _drain(self, place, most):
        for _ in range(most):
            try:
                payload, peer = place.socket.recvfrom(1 << 16)
            except BlockingIOError:
                return True
            self._take(place, payload, peer[0])
        return False

    def _answer(self, pipe, bases):
        if bases is not None:
            self._bases = [bases, self._bases[0]]
            for place in self._places.values():
                place.seen = [{}, place.seen[0]]
        while not all([self._drain(place, _AT_ONCE) for place in self._places.values()]):
            pass
        pipe.send(({place.key: dict(place.counts) for place in self._places.values()},
                   list(self._wrong), self._wrong_count))

    def _run(self, pipe, parent):
        epoll = select.epoll()
        epoll.register(pipe.fileno(), select.EPOLLIN)
        for number in self._places:
            epoll.register(number, select.EPOLLIN)
        while os.getppid() == parent:
            for number, _ in epoll.poll(1):
                if number == pipe.fileno():
                    self._answer(pipe, pipe.recv())
                else:
                    self._drain(self._places[number], _AT_ONCE)

    def counts(self, bases=None):
        """What has come: {(role, address, port): {flow: datagrams}}, what was wrong, and how often.
        bases: a new round begins, with these numbers of the clients."""
        self._pipe.send(bases)
        return self._pipe.recv()

    def close(self):
        """Ends it."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        for place in self._places.values():
            place.socket.close()
