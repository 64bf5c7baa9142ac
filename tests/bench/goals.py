# SPDX-License-Identifier: MIT
"""The ratios that the project wants to reach, worked out from Results."""

import dataclasses

MIB = 1 << 20
PEERS = ("pmacct", "nfcapd", "syslog-ng")
RULES_DESTINATIONS = 2  # where the search for the rule is the largest part of the work
OVERLOAD_DESTINATIONS = 8  # where the generator can send five times the capacity
WAYS = ("nfqueue-ip", "nfqueue-link", "fastpath")
MANY_RULES = 1000
PAYLOAD_BYTES = 200


@dataclasses.dataclass
class Ratio:
    """A line of the table of goals. measured is None if it could not be measured: see why."""
    text: str
    goal: float
    measured: float = None
    low: float = None  # the least and the most of single rounds
    high: float = None
    why: str = ""  # what limits its meaning
    at_most: bool = False  # the goal is a limit, and not a least

    @property
    def verdict(self):
        """In a word."""
        if self.measured is None:
            return "not measured"
        reached = self.measured <= self.goal if self.at_most else self.measured >= self.goal
        return "reached" if reached else "missed"


def all_ratios(results):
    """Every goal, in order."""
    found = [_against_peers(results, "fastpath", 8, 4.0)]
    found += [_quotient(results, f"fast path / hand-written nft rules, {n} destinations", 0.95,
                        ("fastpath", n), ("nft", n)) for n in (2, 8)]
    found += [_against_peers(results, "nfqueue-link", n, goal)
              for n, goal in ((2, 1.4), (8, 2.0), (64, 2.0))]
    found += [_against_peers(results, "nfqueue-ip", n, 1.0) for n in (2, 8, 64)]
    found += [_overload(results, way) for way in WAYS]
    found += [_quotient(results, f"1,000 rules / 1 rule, {way}", 0.9,
                        (way, RULES_DESTINATIONS, MANY_RULES), (way, RULES_DESTINATIONS))
              for way in WAYS]
    return found + [_memory(results, way) for way in WAYS]


def _key(name, destinations, rules=1):
    return name, destinations, PAYLOAD_BYTES, rules


def _against_peers(results, way, destinations, goal):
    best = results.best(PEERS, (destinations, PAYLOAD_BYTES, 1))
    text = f"{way} / best user-space peer ({best or 'none'}), {destinations} destinations"
    if best is None:
        return Ratio(text, goal, why="no peer could be measured")
    return _quotient(results, text, goal, (way, destinations), (best, destinations))


def _quotient(results, text, goal, above, below):
    above, below = _key(*above), _key(*below)
    for key in (above, below):
        if not results.median(key):
            return Ratio(text, goal, why=_absence(results, key))
    over, under = results.by_round(above), results.by_round(below)
    pairs = [over[n] / under[n] for n in over if under.get(n)]
    bound = [key[0] for key in (above, below) if results.bound(key)]
    return Ratio(text, goal, results.median(above) / results.median(below),
                 min(pairs, default=None), max(pairs, default=None),
                 f"generator-bound: {', '.join(bound)}" if bound else "")


def _absence(results, key):
    absent = results.contenders.get(key[0], {}).get("absent")
    return f"{key[0]}: {absent or results.skipped.get(key) or 'not in this run'}"


def _overload(results, way):
    key = _key(way, OVERLOAD_DESTINATIONS)
    text = f"delivered at 5 x capacity / lossless, {way}, {OVERLOAD_DESTINATIONS} destinations"
    shares = results.rounds(key, "overload_5_share")
    if not shares:
        return Ratio(text, 0.8, why=_absence(results, key))
    reached = results.median(key, "overload_5_reached")
    return Ratio(text, 0.8, results.median(key, "overload_5_share"), min(shares), max(shares),
                 "" if reached > 4.5 else f"the generator reached {reached:.1f} x")


def _memory(results, way):
    text = f"memory with 1,000 rules x 8 destinations, {way}, MiB"
    used = results.memory.get(way)
    if not used:
        return Ratio(text, 64, why=_absence(results, _key(way, 8, MANY_RULES)), at_most=True)
    return Ratio(text, 64, sum(used.values()) / MIB, at_most=True)
