# SPDX-License-Identifier: MIT
"""A run: every contender in turn at every setting, round after round."""

import dataclasses
import time

import goals
import measure
from contender import Setting, Unavailable
from ours import OURS
from verify import WrongCopies

_OWN = {way.name for way in OURS}


class Plan:
    """What a run measures."""

    def __init__(self, scale, destinations, payloads, rules, rounds, details, budget_s=None):
        self.scale, self.rounds, self.budget_s = scale, rounds, budget_s
        self.details = details  # latency, CPU and all overloads, not only what the ratios need
        self.settings = [Setting(n, size) for n in destinations for size in payloads]
        self.settings += [Setting(goals.RULES_DESTINATIONS, goals.PAYLOAD_BYTES, n)
                          for n in rules if n > 1]

    def factors(self, name, setting):
        """The multiples of the capacity that a contender is exposed to."""
        if setting.payload_bytes != goals.PAYLOAD_BYTES or setting.rules > 1:
            return ()
        if self.details:
            return 2, 5
        return (5,) if name in _OWN and setting.destinations == goals.OVERLOAD_DESTINATIONS else ()


class Campaign:
    """Runs a Plan on a Bed into Results. say(text) is told how it goes."""

    def __init__(self, bed, tools_directory, plan, results, say):
        self._bed, self._tools, self._plan = bed, tools_directory, plan
        self._results, self._say = results, say
        self._began = time.monotonic()

    def ask(self, contenders):
        """Finds out who can take part; returns those, and notes why others cannot."""
        there = []
        for contender in contenders:
            facts = {"title": contender.title, "remark": contender.remark}
            try:
                facts["version"] = contender.version()
                there.append(contender)
            except Unavailable as error:
                facts["absent"] = str(error)
                self._say(f"without {contender.name}: {error}")
            self._results.contenders[contender.name] = facts
        return there

    def run(self, contenders):
        """All rounds."""
        for number in range(self._plan.rounds):
            turn = number % len(contenders)
            for setting in self._plan.settings:
                for contender in contenders[turn:] + contenders[:turn]:
                    if number and (self._late() or self._behind(contender, setting)):
                        continue
                    self._measure(contender, setting, number)

    def _late(self):
        budget_s = self._plan.budget_s
        return budget_s is not None and time.monotonic() - self._began > budget_s

    def _behind(self, contender, setting):
        """Whether a short run may leave a peer aside that is far from being the best one."""
        if self._plan.details or contender.name not in goals.PEERS:
            return False
        key = self._key(contender, setting)
        best = self._results.best(goals.PEERS, key[1:])
        return best and (self._results.median(key) or 0) < 0.75 * self._results.median(
            (best, *key[1:]))

    @staticmethod
    def _key(contender, setting):
        return contender.name, setting.destinations, setting.payload_bytes, setting.rules

    def _measure(self, contender, setting, number):
        if contender.max_destinations == 1:
            setting = dataclasses.replace(setting, destinations=1)
        key = self._key(contender, setting)
        if number in self._results.by_round(key):
            return
        why = contender.refuses(setting)
        if why or key in self._results.skipped:
            self._results.skipped.setdefault(key, why)
            return
        try:
            with measure.running(self._bed, self._tools, contender, setting,
                                 self._plan.scale) as run:
                if not number:
                    self._results.contenders[contender.name]["copies"] = run.verify()
                self._figures(run, key, number)
                self._results.add_faults(key, run.conclude())
        except (Unavailable, WrongCopies) as error:
            self._say(f"without {_shown(key)}: {error}")
            self._results.skipped[key] = str(error)
        except AssertionError as error:  # of the daemon's end, or of a tool: the rest goes on
            self._say(f"{_shown(key)}: {error}")
            self._results.add_faults(key, {str(error).partition("\n")[0]})

    def _figures(self, run, key, number):
        results = self._results
        capacity = run.capacity(*self._guess(key))
        results.add(number, key, "capacity_pps", capacity.pps)
        if capacity.generator_bound:
            results.mark_bound(key)
        self._say(f"{_shown(key)}: {capacity.pps:,.0f} packets/s"
                  f"{' or more (generator-bound)' if capacity.generator_bound else ''}"
                  f" ({capacity.trials} trials)")
        if not capacity.pps:
            return
        for factor in self._plan.factors(key[0], run.setting):
            for name, value in run.overload(capacity.pps, factor).items():
                results.add(number, key, f"overload_{factor}_{name}", value)
        if self._plan.details and key[2:] == (goals.PAYLOAD_BYTES, 1):
            for name, value in run.latency(capacity.pps).items():
                results.add(number, key, f"latency_{name}", value)
            for name, value in run.cpu(capacity.pps).items():
                results.add(number, key, f"cpu_{name}", value)

    def _guess(self, key):
        """A rate to begin with, and how far the next one is."""
        known = self._results.median(key)
        if known:
            return known, 1.1
        return first_guess(key, {k: self._results.median(k) for k in self._results.keys()})

    def memory(self, contenders):
        """The memory of our ways with many rules."""
        setting = Setting(8, goals.PAYLOAD_BYTES, goals.MANY_RULES)
        for contender in contenders:
            if contender.name not in _OWN:
                continue
            try:
                with measure.running(self._bed, self._tools, contender, setting,
                                     self._plan.scale):
                    self._results.memory[contender.name] = contender.memory()
            except Unavailable as error:
                self._results.skipped[self._key(contender, setting)] = str(error)


def first_guess(key, known):
    """A rate to begin the search for a key with, and the stride, from {key: capacity}: the work
    goes with the number of copies, plus the packet itself."""
    same = [k for k in known if k[0] == key[0] and known[k]]
    if not same:
        return 40000, 2.0
    nearest = min(same, key=lambda k: (k[1] != key[1], abs(k[1] - key[1]), k[2] != key[2]))
    return known[nearest] * (nearest[1] + 1) / (key[1] + 1), 1.3


def _shown(key):
    name, destinations, payload_bytes, rules = key
    return f"{name}, {destinations} x {payload_bytes} bytes" \
           + (f", {rules} rules" if rules > 1 else "")
