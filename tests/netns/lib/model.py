# SPDX-License-Identifier: MIT
"""What the program promises to do with a packet, worked out slowly from the configuration's text.

Nothing here is shared with the program: every packet looks at every rule, key by key. What the
promise leaves open is asked for: which destination BALANCE "hash" has for a client. Rates and
health do not come in.
"""

import ipaddress
from dataclasses import dataclass, field

from . import status

LOOP = "loop"


@dataclass
class Arrival:
    """A UDP packet as it comes in; addresses as text."""

    source: str
    destination: str
    port: int
    interface: str
    ttl: int = 64
    size: int = 0  # bytes of the whole packet


@dataclass
class Copy:
    """A copy that leaves. source None: the client's."""

    address: str
    port: int
    ttl: int
    source: str = None


@dataclass
class Outcome:
    """What becomes of one packet. matched: rules' names."""

    matched: list = field(default_factory=list)
    copies: list = field(default_factory=list)
    goes_on: bool = True


def _list(value):
    return value if isinstance(value, list) else [value]


def _family(text):
    return ipaddress.ip_address(text).version


def _same(one, other):
    return ipaddress.ip_address(one) == ipaddress.ip_address(other)


def _is_in(text, network):
    address, network = ipaddress.ip_address(text), ipaddress.ip_network(network)
    return address.version == network.version and address in network


def _of(entry, key, otherwise=None):
    """A key of a destination, which may be a plain text."""
    return entry.get(key, otherwise) if isinstance(entry, dict) else otherwise


def why_not(rule, packet):
    """The keys that keep a rule from matching a packet; an empty set: it matches.

    "DESTINATION": there is none of the packet's family.
    """
    reasons = set()
    if not rule.get("ENABLED", True):
        reasons.add("ENABLED")
    if packet.port not in status.ports(rule["SOURCEPORT"]):
        reasons.add("SOURCEPORT")
    if not any(_family(status.place_of(entry)[0]) == _family(packet.source)
               for entry in rule["DESTINATION"]):
        reasons.add("DESTINATION")
    if "SOURCEADDRESS" in rule:
        clients = _list(rule["SOURCEADDRESS"])
        wanted = [text for text in clients if not text.startswith("!")]
        excluded = [text[1:] for text in clients if text.startswith("!")]
        if wanted and not any(_is_in(packet.source, network) for network in wanted):
            reasons.add("SOURCEADDRESS")
        if any(_is_in(packet.source, network) for network in excluded):
            reasons.add("SOURCEADDRESS")
    if "LISTENADDRESS" in rule and not any(_is_in(packet.destination, network)
                                           for network in _list(rule["LISTENADDRESS"])):
        reasons.add("LISTENADDRESS")
    if "INTERFACE" in rule and packet.interface not in _list(rule["INTERFACE"]):
        reasons.add("INTERFACE")
    return reasons


def _every(counts, key, one_in):
    """Counts one more; whether it is the first of so many."""
    count = counts.get(key, 0)
    counts[key] = count + 1
    return count % one_in == 0


class Model:
    """The program with one worker, packet after packet, and its counters."""

    def __init__(self, config, own_addresses, appliance_address, choose_by_hash):
        """own_addresses: the appliance's. appliance_address(to): the one it sends from to there.
        choose_by_hash(rule, packet): the index of the client's destination."""
        self.rules = {n: r for n, r in config.items() if n != "SETTINGS"}
        self._own_addresses = own_addresses
        self._appliance_address = appliance_address
        self._choose_by_hash = choose_by_hash
        self._samples = {}
        self._turns = {}
        self.matched_by_any = self.forwarded = self.dropped = 0
        self.counts = {name: {
            "matched_pkts": 0, "matched_bytes": 0, "sampled_out_pkts": 0, "rate_limited_pkts": 0,
            "duplicated_pkts": 0,
            "destinations": [{"due_pkts": 0, "sampled_out_pkts": 0, "sent_pkts": 0,
                              "sent_bytes": 0, "loop_pkts": 0} for _ in rule["DESTINATION"]],
        } for name, rule in self.rules.items()}

    def take(self, packet):
        """What becomes of a packet; counted."""
        outcome = Outcome()
        places = []
        for name, rule in self.rules.items():
            if why_not(rule, packet):
                continue
            outcome.matched.append(name)
            counts = self.counts[name]
            counts["matched_pkts"] += 1
            counts["matched_bytes"] += packet.size
            if not _every(self._samples, name, rule.get("SAMPLE", 1)):
                counts["sampled_out_pkts"] += 1
                continue
            counts["duplicated_pkts"] += 1
            for index in self._chosen(name, rule, packet):
                self._copy(rule, counts["destinations"][index], (name, index), packet, places,
                           outcome)
        self._original(packet, outcome)
        return outcome

    def _chosen(self, name, rule, packet):
        candidates = [index for index, entry in enumerate(rule["DESTINATION"])
                      if _family(status.place_of(entry)[0]) == _family(packet.source)]
        balance = rule.get("BALANCE", "all")
        if balance == "all":
            return candidates
        if balance == "failover":
            return candidates[:1]
        if balance == "round-robin":
            turn = self._turns.get((name, _family(packet.source)), 0)
            self._turns[name, _family(packet.source)] = turn + 1
            return [candidates[turn % len(candidates)]]
        return [self._choose_by_hash(name, packet)]

    def _copy(self, rule, counts, key, packet, places, outcome):
        """One destination of one rule; places: where the packet has been sent already."""
        entry = rule["DESTINATION"][key[1]]
        address, port = status.place_of(entry)
        port = port or packet.port
        if any(port == other_port and _same(address, other) for other, other_port in places):
            return
        if not _every(self._samples, key, _of(entry, "SAMPLE", 1)):
            counts["sampled_out_pkts"] += 1
            return
        counts["due_pkts"] += 1
        ttl = _of(entry, "TTL", rule.get("TTL", "keep"))
        ttl = {"keep": packet.ttl, "decrement": packet.ttl - 1}.get(ttl, ttl)
        if ttl == 0:
            counts["loop_pkts"] += 1
            return
        places.append((address, port))
        source = _of(entry, "SOURCE", "client")
        if source == "client":
            source = None
        elif source == "appliance":
            source = self._appliance_address(address)
        counts["sent_pkts"] += 1
        counts["sent_bytes"] += packet.size
        outcome.copies.append(Copy(address, port, ttl, source))

    def _original(self, packet, outcome):
        if not outcome.matched:
            return
        self.matched_by_any += 1
        wishes = {self.rules[name].get("ORIGINAL", "auto") for name in outcome.matched}
        if "drop" in wishes:
            outcome.goes_on = False
        elif "forward" not in wishes:
            outcome.goes_on = not any(_same(packet.destination, own)
                                      for own in self._own_addresses)
        if outcome.goes_on:
            self.forwarded += 1
        else:
            self.dropped += 1

    def differences(self, found):
        """Where `status --json` says something else, as text."""
        faults = []

        def equal(what, theirs, ours):
            if theirs != ours:
                faults.append(f"{what}: {theirs}, by the model {ours}")
        equal("matched_by_any_pkts", found["matched_by_any_pkts"], self.matched_by_any)
        equal("originals", found["originals"],
              {"forwarded_pkts": self.forwarded, "dropped_pkts": self.dropped})
        equal("rules", [r["name"] for r in found["rules"]], list(self.rules))
        for theirs in found["rules"]:
            ours = self.counts[theirs["name"]]
            for key, value in ours.items():
                if key != "destinations":
                    equal(f"{theirs['name']}: {key}", theirs[key], value)
            for to, counts in zip(theirs["destinations"], ours["destinations"]):
                for key, value in counts.items():
                    if key != "loop_pkts":
                        equal(f"{theirs['name']}, {to['name']}: {key}", to[key], value)
                lost = {reason: n for reason, n in to["dropped"].items() if n}
                equal(f"{theirs['name']}, {to['name']}: dropped", lost,
                      {LOOP: counts["loop_pkts"]} if counts["loop_pkts"] else {})
        return faults
