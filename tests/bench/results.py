# SPDX-License-Identifier: MIT
"""What was measured: kept by contender and setting, summed up, written as JSON."""

import json
import statistics


def summary(values):
    """The median of some rounds, and their spread."""
    return {"rounds": values, "median": statistics.median(values), "min": min(values),
            "max": max(values)}


class Results:
    """Figures of all rounds. A key is (contender's name, destinations, payload_bytes, rules)."""

    def __init__(self, machine=None, goals=None):
        self.machine, self.goals = machine or {}, goals or []
        self.contenders = {}  # name: {"title", "remark", "version"} or {..., "absent": reason}
        self.skipped = {}  # key: reason
        self.memory = {}  # name: bytes by kind
        self._figures = {}  # key: {figure: {round: value}}
        self._bound = set()  # keys where the generator was the limit
        self._faults = {}

    def add(self, number, key, figure, value):
        """A figure, such as "capacity_pps", as found in the round of that number."""
        self._figures.setdefault(key, {}).setdefault(figure, {})[number] = value

    def mark_bound(self, key):
        """The generator was the limit: the capacity is at least this."""
        self._bound.add(key)

    def add_faults(self, key, faults):
        """What speaks against the figures of a key."""
        self._faults.setdefault(key, set()).update(faults)

    def bound(self, key):
        """Whether the capacity is a lower bound."""
        return key in self._bound

    def faults(self):
        """{fault: keys}."""
        found = {}
        for key, texts in self._faults.items():
            for text in texts:
                found.setdefault(text, []).append(key)
        return found

    def keys(self):
        """All keys with a capacity."""
        return [k for k, figures in self._figures.items() if "capacity_pps" in figures]

    def by_round(self, key, figure="capacity_pps"):
        """{round: value} of a figure."""
        return self._figures.get(key, {}).get(figure, {})

    def rounds(self, key, figure="capacity_pps"):
        """A figure of every round in which it was measured; empty if there is none."""
        return list(self.by_round(key, figure).values())

    def median(self, key, figure="capacity_pps"):
        """A figure's median, or None."""
        rounds = self.rounds(key, figure)
        return statistics.median(rounds) if rounds else None

    def best(self, names, setting):
        """Of some contenders' names, the one with the highest capacity at
        (destinations, payload_bytes, rules); None if none has one."""
        there = [n for n in names if self.median((n, *setting))]
        return max(there, key=lambda n: self.median((n, *setting)), default=None)

    def as_dict(self):
        """All of it, for JSON."""
        def named(key):
            return dict(zip(("contender", "destinations", "payload_bytes", "rules"), key))
        return {
            "machine": self.machine,
            "contenders": self.contenders,
            "measurements": [
                {**named(key), "generator_bound": key in self._bound,
                 "faults": sorted(self._faults.get(key, ())),
                 **{figure: summary(list(values.values())) for figure, values in figures.items()}}
                for key, figures in self._figures.items()],
            "skipped": [{**named(key), "reason": why} for key, why in self.skipped.items()],
            "memory": self.memory,
            "ratios": self.goals,
        }

    def write(self, path):
        """Writes the JSON."""
        path.write_text(json.dumps(self.as_dict(), indent=1) + "\n", encoding="utf-8")
