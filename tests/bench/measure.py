# SPDX-License-Identifier: MIT
"""Everything that is measured of one contender at one setting, while it runs."""

import contextlib

import trial as trials
import verify
from contender import Unavailable
from lib.waiting import wait_for
from search import highest_rate
from tools import Generator, Latency

PROBES_PPS = 2000
_WARM_UP_PKTS = 64


class Scale:
    """How long trials take: seconds each, and how close the search goes."""

    def __init__(self, search_s, overload_s, half_s, precision):
        self.search_s, self.overload_s, self.half_s = search_s, overload_s, half_s
        self.precision = precision


FULL = Scale(search_s=0.5, overload_s=1.0, half_s=2.0, precision=0.03)
QUICK = Scale(search_s=0.3, overload_s=0.4, half_s=0.6, precision=0.04)


class Running:
    """A contender at work at one setting. Use through running()."""

    def __init__(self, bed, tools_directory, contender, setting, scale):
        self.bed, self.contender, self.setting, self.scale = bed, contender, setting, scale
        self._tools = tools_directory
        self.generator = Generator(bed, tools_directory, setting.payload_bytes, contender.kind,
                                   contender.to)
        self.faults = set()
        self._sent_pkts = 0

    def _trial(self, rate_pps, seconds, **more):
        return self._noted(trials.run(self.bed, self.generator, self.setting.destinations,
                                      rate_pps, seconds, **more))

    def _noted(self, trial):
        self.faults.update(trial.faults())
        self._sent_pkts += trial.sent_pkts
        return trial

    def warm_up(self):
        """Waits until every destination gets every packet: whoever listens may not yet send."""
        def complete():
            trial = self._trial(_WARM_UP_PKTS / 0.05, 0.05)
            return trial.delivered == [trial.sent_pkts] * self.setting.destinations
        try:
            wait_for("a copy of every packet at every destination", complete, 10)
        except AssertionError as error:
            raise Unavailable(str(error)) from error
        stray = self.contender.stray_tasks()
        if stray:
            self.faults.add(f"threads {stray} may run on another core than the appliance's")

    def conclude(self):
        """Everything that speaks against the figures, when all of them have been taken."""
        return self.faults | self.contender.misgivings(self._sent_pkts)

    def verify(self):
        """What copies look like: see verify.py."""
        return verify.examine(self.bed, self.generator, self.setting, self.contender.keeps_source)

    def capacity(self, guess_pps, stride):
        """The highest rate without loss."""
        return highest_rate(lambda pps: self._trial(pps, self.scale.search_s), guess_pps,
                            self.scale.precision, stride)

    def overload(self, capacity_pps, factor):
        """What is delivered at a multiple of the capacity: the median of three trials, since a
        machine that stops for a moment makes one of them mean nothing."""
        found = []
        for _ in range(3):
            pps, trial = trials.delivered_rate(
                self.bed, self.generator, self.setting.destinations, factor * capacity_pps,
                self.scale.overload_s)
            self._noted(trial)
            found.append({"reached": trial.pps / capacity_pps, "delivered_pps": pps,
                          "share": pps / capacity_pps})
        return sorted(found, key=lambda trial: trial["share"])[1]

    def cpu(self, capacity_pps):
        """Seconds of CPU for a million copies at half the capacity: of the whole core, and of the
        contender's processes."""
        before = self.contender.cpu_s()
        trial = self._trial(capacity_pps / 2, self.scale.half_s)
        millions = sum(trial.delivered) / 1e6
        return {"core_s": trial.busy_s / millions,
                "processes_s": (self.contender.cpu_s() - before) / millions}

    def latency(self, capacity_pps):
        """Microseconds from the generator to the receivers' device at half the capacity."""
        rate_pps = capacity_pps / 2
        clock = Latency(self.bed, self._tools)
        # Odd, so that probes are not always the same few clients'.
        probe_every = max(1, round(rate_pps / PROBES_PPS)) | 1
        self._trial(rate_pps, self.scale.half_s, probe_every=probe_every)
        return clock.result()


@contextlib.contextmanager
def running(bed, tools_directory, contender, setting, scale):
    """Starts a contender; what it has left is gone in the end. Raises Unavailable."""
    contender.start(setting)
    try:
        run = Running(bed, tools_directory, contender, setting, scale)
        try:
            run.warm_up()
            yield run
        finally:
            run.generator.close()
    finally:
        contender.stop()
