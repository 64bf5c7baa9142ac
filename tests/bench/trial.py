# SPDX-License-Identifier: MIT
"""One trial: so many packets at such a rate, and what became of them."""

import dataclasses
import time

import bed as beds

LOSS_LIMIT = 0.001
# A queue that is still being emptied so long after the last packet was filling up: what exceeded
# the capacity is in there. As a share of the trial, and as what a busy machine may be late by.
DRAIN_SHARE, DRAIN_MIN_S = 0.03, 0.015
GENERATOR_SHARE = 0.97  # a generator that reaches less of the rate asked for is the limit


@dataclasses.dataclass
class Trial:
    """What was asked for, and what happened."""
    asked_pps: float
    sent_pkts: int
    seconds: float
    delivered: list  # copies per destination
    drain_s: float
    busy_s: float  # of the appliance's core, while sending and draining
    receivers_dropped_pkts: int  # by a full backlog on the receivers' core
    taken_pkts: int  # by the appliance's core
    taken_by_receivers_pkts: int

    @property
    def pps(self):
        """The rate that the generator really reached."""
        return self.sent_pkts / self.seconds

    @property
    def loss(self):
        """The share of copies due that did not arrive."""
        return 1 - sum(self.delivered) / (self.sent_pkts * len(self.delivered))

    @property
    def generator_bound(self):
        """Whether the generator could not send faster."""
        return self.pps < GENERATOR_SHARE * self.asked_pps

    @property
    def sustained(self):
        """Lossless, and not only because queues took the excess."""
        limit_s = max(DRAIN_MIN_S, DRAIN_SHARE * self.seconds)
        return self.loss < LOSS_LIMIT and self.drain_s <= limit_s

    def faults(self):
        """What speaks against the trial's being what it claims to be, as text."""
        found = []
        copies = sum(self.delivered)
        if self.receivers_dropped_pkts > LOSS_LIMIT * copies:
            found.append("the receivers' core dropped copies")
        # Everybody's packets count in /proc/net/softnet_stat: some more is nothing to worry about.
        if self.taken_by_receivers_pkts < 0.99 * copies:
            found.append("receivers' softirq ran on the appliance's core")
        if self.taken_pkts > 1.1 * self.sent_pkts + 1000:
            found.append("others' packets kept the appliance's core busy")
        return found


def run(bed, generator, destinations, rate_pps, seconds, probe_every=0, meanwhile=None):
    """Sends for about so many seconds, waits until the counters are at rest, and returns the Trial.

    meanwhile(), if given, is called while the generator sends.
    """
    count = max(1, round(rate_pps * seconds))
    before = _Readings(bed)
    generator.start(rate_pps, count, probe_every)
    if meanwhile:
        meanwhile()
    sent = generator.finish()
    ended = time.monotonic()
    last = bed.wait_rest()
    after = _Readings(bed)
    return Trial(
        asked_pps=rate_pps, sent_pkts=sent["sent"], seconds=sent["seconds"],
        delivered=[b - a for a, b in zip(before.delivered, after.delivered)][:destinations],
        drain_s=max(0.0, last - ended), busy_s=after.busy_s - before.busy_s,
        receivers_dropped_pkts=after.other["dropped"] - before.other["dropped"],
        taken_pkts=after.own["taken"] - before.own["taken"],
        taken_by_receivers_pkts=after.other["taken"] - before.other["taken"])


class _Readings:
    def __init__(self, bed):
        self.delivered = bed.delivered()
        self.own, self.other = beds.softnet(bed.core), beds.softnet(bed.other_core)
        self.busy_s = beds.busy_s(bed.core)


def delivered_rate(bed, generator, destinations, rate_pps, seconds):
    """Packets per second that reach every destination while more come than can be served.

    Taken from the middle of the trial: queues fill at its beginning and are emptied after its end.
    Returns that rate and the Trial.
    """
    samples = []

    def sample():
        began = time.monotonic()
        while time.monotonic() < began + 0.95 * seconds:
            samples.append((time.monotonic(), bed.arrived()))
            time.sleep(0.02)
    trial = run(bed, generator, destinations, rate_pps, seconds, meanwhile=sample)
    return slope(samples, 0.4 * seconds) / destinations, trial


def slope(samples, skip_s):
    """Counts per second over (time, count) samples, without those of the first skip_s."""
    used = [s for s in samples if s[0] >= samples[0][0] + skip_s]
    (first_s, first), (last_s, last) = used[0], used[-1]
    return (last - first) / (last_s - first_s)
