# SPDX-License-Identifier: MIT
"""Traffic in transit and its copies, all by real sockets, while a test breaks something:

    client1 ── numbered datagrams ──> [ appliance ] ──> server
                                           └── copies ──> receiver1, receiver2

Every datagram is accounted for in the end, whatever happened between.
"""

from . import status
from .stream import Stream
from .waiting import DEFAULT_TIMEOUT_S, wait_for

COPIES = ("receiver1", "receiver2")
ALL = ("server", *COPIES)


class Passage:
    """Star's client1 sends from here on; all have got something when this returns. sources: the
    address that a receiver's copies come from, where that is not the client's."""

    def __init__(self, star, daemon, family=4, rate_pps=2000, payload_bytes=8, sources=None):
        self.star, self.daemon, self.family = star, daemon, family
        self._sources = sources or {}
        self._receivers = {role: getattr(star, role).receiver(514, family) for role in ALL}
        self.seen = {role: [] for role in ALL}
        self.stream = Stream(star.client1, star.server.address(family), rate_pps=rate_pps,
                             payload_bytes=payload_bytes)
        self.goes_on()

    def pull(self, role):
        """The numbers that have reached a host by now, in their order."""
        receiver = self._receivers[role]
        expected = self._sources.get(role, self.star.client1.address(self.family))
        for payload, source, _ in receiver.wait(receiver.pull()):
            assert source == expected
            self.seen[role].append(int.from_bytes(payload[:8], "big"))
        return self.seen[role]

    def goes_on(self, *roles, count=100, timeout_s=DEFAULT_TIMEOUT_S):
        """Waits until each of the hosts has that many that were sent from now on; all hosts if
        none is named."""
        first = self.stream.count + 1

        def missing():
            return [r for r in roles or ALL if sum(n >= first for n in self.pull(r)) < count]
        wait_for(f"datagrams from number {first} on", lambda: not missing(), timeout_s,
                 lambda: f"too few at {missing()}; {self._said()}")

    def passes(self, count):
        """Waits until so many more have been sent."""
        until = self.stream.count + count
        wait_for(f"{count} more datagrams", lambda: self.stream.count >= until)

    def _said(self):
        return self.daemon.stderr()[-3000:] if self.daemon and self.daemon.process else ""

    def finish(self, rule="DuplicateSyslog", lost=()):
        """Stops sending, and compares what the daemon says with what was sent and what arrived:
        originals, and copies for both receivers. lost: those where less may have arrived than was
        sent, since the wire itself was cut. Returns the status."""
        total = self.stream.stop()
        found = self.daemon.wait_received(total)
        refused = found["queue"]["dropped_kernel_pkts"]
        forwards = self.daemon.config.get("SETTINGS", {}).get("WHENFULL") == "forward"
        self._expect("server", total if forwards else total - refused, exact="server" not in lost)
        for role in COPIES:
            address = getattr(self.star, role).address(self.family)
            numbers = status.destination(found, rule, address)
            self._expect(role, numbers["sent_pkts"], exact=role not in lost)
        return found

    def _expect(self, role, count, exact):
        if exact:
            wait_for(f"{count} datagrams at {role}", lambda: len(self.pull(role)) >= count,
                     there=lambda: f"{len(self.seen[role])}; {self._said()}")
        arrived = self.pull(role)
        assert len(set(arrived)) == len(arrived), f"{role} has some twice"
        assert len(arrived) == count if exact else len(arrived) <= count, \
            f"{role} has {len(arrived)} of {count}"
