# SPDX-License-Identifier: MIT
"""Name servers that lie, or send rubbish. Dead ones: tests/netns/test_names.py. Packets flow all
the while, from client1 to the server, with copies to two receivers; see lib/passage.py.
"""

import contextlib
import multiprocessing
import os
import socket
import struct

import pytest

from lib import status
from lib.configs import rule, syslog
from lib.dns import files_in_etc
from lib.passage import Passage
from lib.waiting import wait_for

pytestmark = [pytest.mark.long, pytest.mark.once]

GOOD = "10.64.0.1"
TTL_S = 1


def _name_end(query):
    at = 12
    while query[at]:
        at += query[at] + 1
    return at + 1


def _answer(query, addresses, flags=0x8180, count=None):
    """RFC 1035, 4: the question, and an A record for each address."""
    end = _name_end(query) + 4
    records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, TTL_S, 4) + socket.inet_aton(a)
                       for a in addresses)
    asks_ipv6 = query[end - 4:end - 2] == b"\0\x1c"
    if asks_ipv6:
        records, addresses = b"", []
    head = query[:2] + struct.pack("!HHHHH", flags, 1, len(addresses) if count is None else count,
                                   0, 0)
    return head + query[12:end] + records


LIES = {
    "loopback": lambda q: _answer(q, ["127.0.0.1"]),
    "multicast": lambda q: _answer(q, ["224.0.0.1"]),
    "broadcast": lambda q: _answer(q, ["255.255.255.255"]),
    "nobody": lambda q: _answer(q, ["0.0.0.0"]),
    "a network's broadcast": lambda q: _answer(q, ["10.2.1.255"]),
    "the appliance itself": lambda q: _answer(q, ["10.2.1.1"]),
    "thousands": lambda q: _answer(q, [f"127.0.{n // 250}.{n % 250}" for n in range(4000)]),
    "more than there are": lambda q: _answer(q, ["127.0.0.9"], count=65535),
    "rubbish": lambda q: q[:2] + b"\x81\x80" + os.urandom(400),
    "a name that never ends": lambda q: q[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0)
                              + b"\xc0\x0c" * 20,
    "half": lambda q: _answer(q, [GOOD])[:-7],
    "nothing": lambda q: b"",
    "SERVFAIL": lambda q: _answer(q, [], 0x8182),
    "another question's": lambda q: bytes([q[0] ^ 1]) + _answer(q, ["10.64.0.66"])[1:],
}


class Liar:
    """A name server that has the right address for every name until lies() is called."""

    def __init__(self, host):
        context = multiprocessing.get_context("fork")
        self._lies, self.told = context.Event(), context.Array("L", len(LIES))
        with host.namespace.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind((host.v4, 53))
        self._process = context.Process(target=self._run, daemon=True)
        self._process.start()

    def _run(self):
        while True:
            query, peer = self._socket.recvfrom(4096)
            which = query[13:12 + 1 + query[12]].decode()  # the first label: lieN
            number = int(which[3:])
            lie = list(LIES.values())[number]
            if not self._lies.is_set():
                lie = lambda q: _answer(q, [GOOD])
            else:
                self.told[number] += 1
            with contextlib.suppress(OSError):  # too long for a datagram
                self._socket.sendto(lie(query)[:60000], peer)

    def lies(self):
        """From now on."""
        self._lies.set()

    def close(self):
        """Ends it."""
        self._process.kill()
        self._process.join()
        self._socket.close()


def test_name_servers_that_lie(star, daemons):
    """Whatever they answer, the last address that could be used stays, and copies go there."""
    names = {name: f"lie{n}.test/515" for n, name in enumerate(LIES)}
    liar = star.keep(Liar(star.server))
    with files_in_etc(star.appliance, resolv_conf=f"nameserver {star.server.v4}\n", hosts=""):
        config = {**syslog(star.receiver1.v4, star.receiver2.v4),
                  **{name: rule("515", to) for name, to in names.items()}}
        daemon = daemons(star).start(config)
        passage = Passage(star, daemon)

        def addresses(found):
            return {name: status.rule(found, name)["destinations"][0]["address"] for name in LIES}
        daemon.wait_status("every name's address", lambda s: set(addresses(s).values()) == {GOOD})
        liar.lies()
        wait_for("each to be lied to", lambda: all(liar.told[:]), 30,
                 there=lambda: list(zip(LIES, liar.told[:])))
        # An answer that is refused is known when the question is asked again, or the log says it.
        wait_for("a word about each", lambda: all(
            f"{to.split('/')[0]} cannot be resolved" in daemon.stderr() or
            f"of {to.split('/')[0]}, which is" in daemon.stderr()
            for to in names.values()), 30, there=daemon.stderr)
        assert set(addresses(daemon.status()).values()) == {GOOD}
        passage.goes_on()
        found = passage.finish()
    for host in (star.receiver1, star.receiver2):
        assert status.dropped(status.destination(found, "DuplicateSyslog", host.v4)) == 0


def test_a_rule_that_is_disabled_asks_nobody(star, daemons):
    """Neither for its destinations' names nor for their health, until it is enabled."""
    star.keep(Liar(star.server))
    at_receiver, at_server = star.receiver1.capture(), star.server.capture()
    off = {"Off": rule("515", {"ADDRESS": star.receiver1.v4, "CHECK": "icmp"}, "lie0.test/516")}
    with files_in_etc(star.appliance, resolv_conf=f"nameserver {star.server.v4}\n", hosts=""):
        daemon = daemons(star).start({
            "On": rule("514", {"ADDRESS": star.receiver2.v4, "CHECK": "icmp"}, "lie1.test/516"),
            "Off": {**off["Off"], "ENABLED": False}})
        daemon.wait_status("the name's address", lambda s: status.rule(s, "On")["destinations"][1]
                           ["address"] == GOOD)
        at_two = star.receiver2.capture()
        at_two.wait(2)  # two checks
        asked = [packet for packet in at_server.take_udp() if b"lie0" in packet]
        assert asked == [] and at_receiver.take() == []
        assert status.rule(daemon.status(), "Off")["destinations"][1]["state"] == "unresolved"
        daemon.configure({"On": rule("514", star.receiver2.v4), **off})
        assert daemon.reload().returncode == 0
        at_receiver.wait(1)
        daemon.wait_status("the name's address", lambda s: status.rule(s, "Off")["destinations"][1]
                           ["address"] == GOOD)
