# SPDX-License-Identifier: MIT
"""The books of the soak. They are closed at the end of each round, when nothing is on its way:

    sent by clients   = received + kernel drops + unseen
    sent by clients   = originals arrived + dropped by verdict + malformed
                        (+ kernel drops, with WHENFULL drop) + originals lost
    sent, by counter  = copies arrived + copies lost        for each destination
    sent, other ports = arrived + others lost

Where the daemon is killed or restarted its counters go with it; then, beside the others, what
passes through whatever it does is compared: sent in transit = arrived + passing lost.

The terms on the right that are not counters are losses. Without a fault each of them is 0, but for
what the kernel itself says that it has lost on that wire; with a fault they are what that fault
says that it may lose. None is ever below 0: that would be a packet out of nothing, or one doubled.
"""

import time

from configurations import DESTINATIONS, NAMED_PORT
from lib.waiting import scaled

_ORIGINAL_ROLES = ("server", "appliance")


class Losses(dict):
    """{what was lost: how many}: "unseen", "originals", "others", "passing", "copies ROLE", and
    "copies ROLE ADDRESS PORT", of which that consists."""

    @property
    def none(self):
        """Whether nothing is missing."""
        return not any(self.values())


def kind_of(what):
    """A key of Losses, less the place."""
    return " ".join(what.split()[:2])


def counted_by_kernel(what, drops):
    """How much of a loss the kernel's counters may stand for. drops: {role: packets}. A datagram in
    fragments is several packets to them, so that they may say more."""
    words = what.split()
    if words[0] != "copies":
        return drops["server"] if words[0] != "unseen" else 0
    return drops[words[1]] if words[1] in drops else sum(drops.values())


def _sent_pkts(found):
    """{(address, port): copies sent}, over all rules. A name is one place, wherever it leads."""
    result = {}
    for rule in found["rules"]:
        for to in rule["destinations"]:
            key = NAMED_PORT if to["port"] == NAMED_PORT else (to["address"], to["port"])
            result[key] = result.get(key, 0) + to["sent_pkts"]
    return result


class Snapshot:
    """All counters at one moment."""

    def __init__(self, soak, bases=None):
        self.drops = soak.star.wire_drops()
        counts = [sender.counts() for sender in soak.senders]
        self.sent = [sum(values) for values in zip(*(count[0] for count in counts))]
        self.refused = sum(count[1] for count in counts)
        self.next = [count[2] for count in counts]
        self.status = soak.daemon.status()
        self.arrived, self.wrong, self.wrong_count = soak.collectors.counts(
            self.next if bases else None)


class Round:
    """From one snapshot, with nothing on its way, to the next."""

    def __init__(self, soak):
        self._soak = soak
        self._first = Snapshot(soak, bases=True)
        self.last = None
        self.whenfull = soak.fixed["WHENFULL"]
        self.counters = True  # the daemon that the counters are of is still there

    def _difference(self, *keys):
        first, last = self._first.status, self.last.status
        for key in keys:
            first, last = first[key], last[key]
        return last - first

    def _arrived(self, wanted):
        """{flow: datagrams} at the places that are wanted, since the beginning."""
        result = {}
        for place, counts in self.last.arrived.items():
            if wanted(*place):
                before = self._first.arrived[place]
                for flow, count in counts.items():
                    result[flow] = result.get(flow, 0) + count - before.get(flow, 0)
        return result

    @property
    def refused(self):
        """Datagrams that did not get out of their client."""
        return self.last.refused - self._first.refused

    @property
    def kernel_drops(self):
        """Packets that found the queue full."""
        return self._difference("queue", "dropped_kernel_pkts")

    @property
    def wire_drops(self):
        """What the kernel itself lost on each wire: {role: packets}. A wire that was laid anew
        counts anew."""
        return {role: max(count - self._first.drops[role], 0)
                for role, count in self.last.drops.items()}

    def sent(self, wanted=lambda flow: True):
        """Datagrams that clients have sent."""
        return sum(last - first for flow, last, first
                   in zip(self._soak.flows, self.last.sent, self._first.sent) if wanted(flow))

    def copies_arrived(self):
        """At all destinations together."""
        return sum(self._arrived(lambda role, *_: role not in _ORIGINAL_ROLES).values())

    def _original_losses(self):
        """Of what clients sent to the ports of rules, and to others."""
        flows = self._soak.flows
        arrived = self._arrived(lambda role, _, port: role in _ORIGINAL_ROLES
                                and port != NAMED_PORT)
        others = self.sent(lambda flow: not flow.covered) - sum(
            count for flow, count in arrived.items() if not flows[flow].covered)
        missing = self.sent(lambda flow: flow.covered) - sum(
            count for flow, count in arrived.items() if flows[flow].covered)
        return missing, others

    def _lost_on_purpose(self):
        """Originals that never arrive: nobody takes malformed ones, whether the daemon or, with
        WHENFULL forward, the kernel has let them go on."""
        if self.whenfull == "drop":
            return self._difference("malformed_pkts") + self.kernel_drops
        return self.sent(lambda flow: flow.kind == "malformed")

    def _passing_lost(self):
        """Of what goes on through the appliance whatever the configuration says."""
        passing = {flow.number for flow in self._soak.flows if flow.passing}
        arrived = self._arrived(lambda role, *_: role == "server")
        return self.sent(lambda flow: flow.passing) - sum(
            count for flow, count in arrived.items() if flow in passing)

    def losses(self):
        """What is missing now. Without counters only what does not need them."""
        missing, others = self._original_losses()
        if not self.counters:
            return Losses({"others": others, "passing": self._passing_lost()})
        covered = self.sent(lambda flow: flow.covered)
        result = Losses(others=others)
        result["unseen"] = covered - self._difference("received_pkts") - self.kernel_drops
        result["originals"] = missing - self._difference("originals", "dropped_pkts") \
            - self._lost_on_purpose()
        first, last = _sent_pkts(self._first.status), _sent_pkts(self.last.status)
        for role, addresses, port in DESTINATIONS:
            key = f"copies {role}"
            for address in addresses:
                sent = last.get((address, port), 0) - first.get((address, port), 0)
                place = (role, address, port)
                here = sum(self._arrived(lambda *found, place=place: found == place).values())
                if sent - here:
                    result[key] = result.get(key, 0) + sent - here
                    result[f"{key} {address} {port}"] = sent - here
        named = last.get(NAMED_PORT, 0) - first.get(NAMED_PORT, 0)
        result["copies named"] = named - sum(
            self._arrived(lambda role, address, port: port == NAMED_PORT).values())
        return result

    def close(self, patience_s=1.5):
        """The losses that remain when nothing has moved any more for so long."""
        former, since = None, time.monotonic()
        while True:
            self.last = Snapshot(self._soak)
            found = self.losses()
            waiting = self.last.status["queue"]["waiting_pkts"]
            moved = (dict(found), self.last.status["received_pkts"], waiting)
            if found.none and not waiting and self.counters:
                return found
            if moved != former:
                former, since = moved, time.monotonic()
            elif time.monotonic() - since > scaled(patience_s):
                return found
            time.sleep(0.02)  # between two looks

    def wrong(self):
        """What the collectors have found wrong since the beginning, as text."""
        return self.last.wrong if self.last.wrong_count > self._first.wrong_count else []
