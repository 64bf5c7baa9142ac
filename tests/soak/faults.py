# SPDX-License-Identifier: MIT
"""The faults of the soak: those of the program and of what it asks of its machine, and the table of
all. To add one, write a class as fault.py says, and put it into FAULTS.
"""

import contextlib
import random
import re
import socket
import struct
import threading

from configurations import NAME
from fault import QUEUED_DROPPED, Fault
from lib import packets
from lib.waiting import wait_for
from lib.web import SlowClients
from traffic import ETHERTYPES, open_wire
from wire_faults import (AddressComesAndGoes, ArrivalLinkDown, ClientLinkDown, DestinationRefuses,
                         InterfaceRecreated, LinkDown, MtuLowered, NeighbourFlushed, QdiscFull,
                         RouteDeleted)


class DnsDead(Fault):
    """No server answers."""

    name, touches = "DNS dead", "dns"
    hold_s = (1.0, 4.0)

    def begin(self):
        self.soak.dns.stop()

    def end(self):
        self.soak.dns.start()


class DnsPoisoned(Fault):
    """A name leads to where no copy should go, or to the other receiver."""

    name, touches = "DNS poisoned", "dns"
    hold_s = (3.0, 7.0)

    def __init__(self, soak, rng):
        super().__init__(soak, rng)
        why = "sent to the address that the poisoned name gave"
        self.may_lose = {"copies named": why}

    def begin(self):
        self.soak.dns.set(collector__test=self.rng.choice(
            ("127.0.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.66", "10.2.1.1",
             ["127.0.0.1", self.star.receiver2.v4], "fd02:1::2")))

    def end(self):
        self.soak.dns.set(collector__test=self.star.receiver1.v4)


class Hung(Fault):
    """SIGSTOP, and SIGCONT a moment later: the queues run full, which is counted."""

    name, touches = "hung", "process"
    hold_s = (0.3, 2.5)

    def begin(self):
        self.soak.daemon.freeze()

    def end(self):
        self.soak.daemon.thaw()


class Killed(Fault):
    """kill -9, and a start."""

    name, touches = "killed", "process"
    counters, restarts = False, True
    may_lose = {"passing": "what waits in a queue dies with the process"}

    def begin(self):
        self.soak.end_daemon(lambda daemon: daemon.kill())

    def end(self):
        self.soak.start_daemon()


class Restarted(Killed):
    """A clean end and a start."""

    name = "restarted"
    may_lose = {}

    def begin(self):
        self.soak.end_daemon(lambda daemon: daemon.stop())


class Burst(Fault):
    """Clients send as fast as they can, for a moment; half the time, just as the daemon rests."""

    name, touches = "burst", "process"
    hold_s = (0.1, 0.5)
    weight = 2

    def begin(self):
        if self.rng.random() < 0.5:
            self.soak.daemon.freeze()
        for sender in self.soak.senders:
            sender.burst(self.rng.choice((2000, 5000)))

    def end(self):
        self.soak.daemon.thaw()


class ControlHammered(Fault):
    """Many clients of the control socket, few of which know what to say."""

    name = "control socket hammered"

    def begin(self):
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._hammer, args=(self.rng.random(),),
                                          daemon=True) for _ in range(3)]
        for thread in self._threads:
            thread.start()

    def _hammer(self, seed):
        rng = random.Random(seed)
        kept = []
        while not self._end.wait(0.01):
            try:
                client = socket.socket(socket.AF_UNIX)
                client.settimeout(1)
                client.connect(str(self.soak.daemon.socket))
                client.send(rng.choice((b"status\n", b"sta", b"\n", b"\0\xff\n", b"x" * 5000,
                                        b"config\n", b"reload now\n")))
            except OSError:
                client.close()
                continue
            kept.append(client)
            if len(kept) > 3:  # three times that is less than the daemon's 16 places
                kept.pop(rng.randrange(len(kept))).close()
        for client in kept:
            client.close()

    def end(self):
        self._end.set()
        for thread in self._threads:
            thread.join()


class SlowHttp(Fault):
    """Clients that never finish their requests."""

    name = "slow HTTP clients"

    def begin(self):
        self._clients = SlowClients(self.star.appliance, "127.0.0.1", 60)

    def end(self):
        self._clients.stop()


class TableFlushed(Fault):
    """Somebody flushes the whole ruleset; the daemon puts its own back."""

    name, touches = "ruleset flushed", "process"
    hold_s = (0.0, 0.1)
    may_lose = {
        "unseen": "without rules packets pass by the daemon",
        "originals": QUEUED_DROPPED}

    def begin(self):
        self.star.appliance.run("nft", "flush", "ruleset")

    def end(self):
        wait_for("the rules to be put back", lambda: self._there(self.star))

    @staticmethod
    def _there(star):
        """Whether the appliance has the program's table, and what queues."""
        text = star.appliance.run("nft", "list", "ruleset").stdout
        return "table inet trafficduplicator" in text and re.search(r"queue|NFQUEUE", text)

    @classmethod
    def reason_not_here(cls, soak):
        """Tries it. A name's first address would have the program bring its rules up to date in any
        case: so that comes before."""
        wait_for("the name's address", lambda: any(
            to["name"].startswith(NAME) and to["address"]
            for rule in soak.daemon.status()["rules"] for to in rule["destinations"]), 30)
        soak.star.appliance.run("nft", "flush", "ruleset")
        try:
            wait_for("the rules", lambda: cls._there(soak.star), 4)
        except AssertionError:
            assert soak.daemon.ask("reload")[0] == "ok"
            return "this program does not put its rules back"
        return None


class ConntrackFull(Fault):
    """The table of connections is full: packets that are tracked are dropped, ours are not."""

    name, touches = "conntrack table full", "process"
    _HALF = "conntrack's hooks put fragments together, and take the half of a datagram with them"
    may_lose = {"others": "dropped by conntrack, which has no room for them",
                "originals": QUEUED_DROPPED,
                "copies receiver1": _HALF, "copies receiver2": _HALF, "copies named": _HALF}
    weight = 0.5
    _MOST = 300_000
    _LIMIT = "/proc/sys/net/netfilter/nf_conntrack_max"

    @classmethod
    def _limit(cls):
        try:
            with open(cls._LIMIT, encoding="ascii") as file:
                return int(file.read())
        except OSError:
            return None

    @classmethod
    def reason_not_here(cls, _soak):
        limit = cls._limit()
        if limit is None:
            return "this kernel has no connection tracking"
        return None if limit <= cls._MOST else f"its table has {limit} entries, too many to fill"

    def begin(self):
        self.star.appliance.run("nft", "-f", "-", stdin="""
            table inet tracking {
                chain forward {
                    type filter hook forward priority 0;
                    ct state invalid counter
                }
            }""")
        self.star.appliance.sysctl(netfilter__nf_conntrack_udp_timeout=5)
        wire, macs = open_wire(self.star.client1)
        frame = bytearray(macs + ETHERTYPES[4] + packets.udp_packet(
            self.star.client1.v4, self.star.server.v4, 0, 9, b""))
        frame[40:42] = b"\0\0"  # no UDP checksum
        for count in range(self._limit() + 2000):  # one connection each
            frame[34:38] = struct.pack("!HBB", count & 0xFFFF, 40 + (count >> 16), 9)
            with contextlib.suppress(OSError):  # the backlog is full
                wire.send(frame)
        wire.close()

    def end(self):
        self.star.appliance.run("nft", "delete", "table", "inet", "tracking")


class LostOnPurpose(Fault):
    """Takes a copy now and then, and says so nowhere: which the soak has to find."""

    name = "lost on purpose"

    def begin(self):
        self.star.receiver1.namespace.run("nft", "-f", "-", stdin="""
            table inet taking {
                chain input {
                    type filter hook input priority 0;
                    meta l4proto udp limit rate 5/second drop
                }
            }""")

    def end(self):
        self.star.receiver1.namespace.run("nft", "delete", "table", "inet", "taking")


# Chosen only where they are asked for by name.
HIDDEN = (LostOnPurpose,)
FAULTS = (Fault, LinkDown, ClientLinkDown, ArrivalLinkDown, InterfaceRecreated, RouteDeleted,
          MtuLowered, NeighbourFlushed, QdiscFull, DestinationRefuses, AddressComesAndGoes, DnsDead,
          DnsPoisoned, Hung, Killed, Restarted, Burst, ControlHammered, SlowHttp, TableFlushed,
          ConntrackFull)
