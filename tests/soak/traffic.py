# SPDX-License-Identifier: MIT
"""What the clients of the soak send: flows of syslog, NetFlow and traps, and worse; all numbered.

A payload begins with the flow's number and the datagram's, and the latter's complement: so that
every datagram of a flow has the same UDP checksum, and a client needs no time to work it out.
"""

import errno
import multiprocessing
import os
import random
import socket
import struct
import time

from lib import packets

# Ports that rules of the configuration have, and one that none has.
SYSLOG, SYSLOG2, NETFLOW, IPFIX, TRAPS, DROPPED, NAMED, OTHER = (
    514, 5514, 2055, 4739, 162, 9000, 6343, 9999)
PORTS = (SYSLOG, SYSLOG2, NETFLOW, IPFIX, TRAPS, DROPPED, NAMED, OTHER)
_SIZES = {SYSLOG: (40, 900), SYSLOG2: (40, 480), NETFLOW: (72, 1453), IPFIX: (100, 1400),
          TRAPS: (60, 300), DROPPED: (20, 200), NAMED: (80, 1200), OTHER: (20, 500)}
_WEIGHTS = {SYSLOG: 8, SYSLOG2: 3, NETFLOW: 8, IPFIX: 3, TRAPS: 3, DROPPED: 1, NAMED: 2, OTHER: 2}
HEAD = struct.Struct("!III")
_SO_SNDBUFFORCE = 32
ETHERTYPES = {4: b"\x08\x00", 6: b"\x86\xdd"}
_SOURCE_ROUTE = b"\x83\x07\x04\x0a\x03\x01\x09"


class Flow:
    """Datagrams from one client's address and port to one place."""

    def __init__(self, number, source, source_port, to, port, size, kind="plain"):
        self.number, self.source, self.port, self.kind = number, source, port, kind
        self.family = 6 if ":" in source else 4
        self.covered = port != OTHER
        self.passing = self.covered and port != DROPPED and kind != "malformed" \
            and to in ("10.3.1.2", "fd03:1::2")
        filler = random.Random(number).randbytes(max(size - HEAD.size, 0))
        self.payload_tail = filler
        payload = HEAD.pack(number, 0, 0xFFFFFFFF) + filler
        wrong = kind == "malformed"
        datagram = packets.udp(source, to, source_port, port, payload,
                               length=len(payload) + 100 if wrong else None)
        if self.family == 4:
            self.head = packets.ipv4(source, to, datagram, options=_SOURCE_ROUTE if wrong else b"")
        else:
            self.head = packets.ipv6(source, to, datagram)
        self.number_at = len(self.head) - len(payload) + 4

    def packets(self, number):
        """The IP packets of its datagram with this number."""
        whole = bytearray(self.head)
        struct.pack_into("!II", whole, self.number_at, number, number ^ 0xFFFFFFFF)
        if self.kind != "fragmented":
            return [bytes(whole)]
        if self.family == 4:
            struct.pack_into("!H", whole, 4, number % 0xFFFF + 1)
            return packets.fragments(bytes(whole), 1500)
        return packets.fragments(bytes(whole), 1500, ident=number)


def make_flows(star, rng):
    """[flow], and [the client's number] beside it."""
    flows, owners = [], []

    def add(client, source, to, port, size, kind="plain"):
        flows.append(Flow(len(flows), source, rng.randrange(1024, 65536), to, port, size, kind))
        owners.append(client)
    for client, host in enumerate((star.client1, star.client2)):
        for family, others in ((4, (f"10.1.{client + 1}.77", f"10.1.{client + 1}.200")),
                               (6, (f"fd01:{client + 1}::77",))):
            sources = (host.address(family), *others)
            for port in PORTS:
                if port == NAMED and family == 6:
                    continue
                for to in (star.server.address(family), host.gateway(family)):
                    for _ in range(2):
                        add(client, rng.choice(sources), to, port, rng.randrange(*_SIZES[port]))
            for port in (SYSLOG, NETFLOW):
                add(client, sources[0], star.server.address(family), port,
                    rng.randrange(2000, 6000), "fragmented")
                add(client, sources[0], star.server.address(family), port, 40, "malformed")
    return flows, owners


def _schedule(flows, owners, client, seed):
    """The flows of a client in an order that it repeats."""
    rng = random.Random(f"{seed}-{client}")
    own = [flow for flow, owner in zip(flows, owners) if owner == client]
    rare = [flow for flow in own if flow.kind != "plain"]
    plain = [flow for flow in own if flow.kind == "plain"]
    weights = [_WEIGHTS[flow.port] for flow in plain]
    return [rng.choice(rare) if rng.random() < 0.02 else flow
            for flow in rng.choices(plain, weights, k=4096)]


def open_wire(host):
    """A socket that takes whole frames out of a host's interface, and the addresses to begin
    them with."""
    with host.namespace.entered():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        wire.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 64 << 20)
        wire.bind(("eth0", 0))
    return wire, bytes.fromhex((host.far_mac + host.mac).replace(":", ""))


class Sender:
    """A process that is one client: sends while it is told to, and counts what left it."""

    def __init__(self, host, flows, owners, client, seed):
        self._socket, self._macs = open_wire(host)
        self._schedule = _schedule(flows, owners, client, seed)
        self._sent = [0] * len(flows)
        self._refused = 0
        self._next = 0
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=self._run, args=(theirs, os.getpid()), daemon=True)
        self._process.start()

    def _send(self, flow):
        """A packet that the machine's own backlog or a wire that is down refuses was never sent;
        a datagram of which one fragment was not can not be put together."""
        number = self._next
        self._next += 1
        whole = True
        for packet in flow.packets(number):
            try:
                self._socket.send(self._macs + ETHERTYPES[flow.family] + packet)
            except OSError as error:
                if error.errno not in (errno.ENOBUFS, errno.ENETDOWN, errno.ENXIO):
                    raise
                whole = False
        if whole:
            self._sent[flow.number] += 1
        else:
            self._refused += 1

    def _run(self, pipe, parent):
        rate, due, last = 0, 0.0, time.monotonic()
        while os.getppid() == parent:
            while pipe.poll():
                word, value = pipe.recv()
                if word == "rate":
                    rate, last, due = value, time.monotonic(), 0.0
                elif word == "burst":
                    due += value
                pipe.send((list(self._sent), self._refused, self._next))
            now = time.monotonic()
            due = min(due + (now - last) * rate, due + rate * 0.2)  # no catching up
            last = now
            while due >= 1:
                self._send(self._schedule[self._next % len(self._schedule)])
                due -= 1
            time.sleep(0.002)  # the pace of a client, not a wait for anything

    def _ask(self, *words):
        self._pipe.send(words)
        return self._pipe.recv()

    def rate(self, pps):
        """Sends so many a second from now on; returns what it has sent of each flow, how many
        were refused, and the next number."""
        return self._ask("rate", pps)

    def burst(self, count):
        """Sends so many at once, as fast as it can."""
        self._ask("burst", count)

    def counts(self):
        """As rate(), without a change."""
        return self._ask("counts", None)

    def close(self):
        """Ends it."""
        self._process.kill()
        self._process.join()
        self._socket.close()
