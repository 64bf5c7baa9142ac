# SPDX-License-Identifier: MIT
"""The numbers of `status --json` and the equations that they must satisfy, always."""

import ipaddress
import json

REASONS = {"oversize", "no_route", "unreachable", "down", "no_buffer", "malformed", "truncated",
           "rejected", "loop", "queue_full", "other"}


def rule(status, name):
    """A rule's numbers."""
    return next(r for r in status["rules"] if r["name"] == name)


def destination(status, rule_name, address):
    """The numbers of a rule's first destination with this address."""
    return next(d for d in rule(status, rule_name)["destinations"] if d["address"] == address)


def dropped(numbers):
    """All drops of a destination, whatever the reason."""
    return sum(numbers["dropped"].values())


def shown(status):
    """The numbers as text, less the reasons for which nothing was dropped."""
    def lean(value):
        if isinstance(value, dict):
            return {k: {r: n for r, n in v.items() if n} if k == "dropped" else lean(v)
                    for k, v in value.items()}
        return [lean(v) for v in value] if isinstance(value, list) else value
    head = {k: v for k, v in lean(status).items() if k != "rules"}
    lines = [json.dumps(head)] + [json.dumps(r) for r in lean(status).get("rules", [])]
    return "\n".join(lines)


def broken_equations(status, *configs):
    """The equations that do not hold, as text. With configs, also those between a rule and its
    destinations: configs are all that were in force since the counters began."""
    broken = []

    def equal(what, left, right):
        if left != right:
            broken.append(f"{what}: {left} is not {right}")

    equal("received = matched_by_any + unmatched + malformed + truncated",
          status["received_pkts"],
          status["matched_by_any_pkts"] + status["unmatched_pkts"]
          + status["malformed_pkts"] + status["truncated_pkts"])
    equal("matched_by_any = originals forwarded + dropped", status["matched_by_any_pkts"],
          status["originals"]["forwarded_pkts"] + status["originals"]["dropped_pkts"])
    for numbers in status["rules"]:
        name = numbers["name"]
        equal(f"{name}: matched = sampled_out + rate_limited + duplicated", numbers["matched_pkts"],
              numbers["sampled_out_pkts"] + numbers["rate_limited_pkts"]
              + numbers["duplicated_pkts"])
        for to in numbers["destinations"]:
            equal(f"{name}, {to['name']}: due = sent + dropped {to['dropped']}", to["due_pkts"],
                  to["sent_pkts"] + dropped(to))
            if not set(to["dropped"]) <= REASONS:
                broken.append(f"{name}, {to['name']}: unknown reason in {sorted(to['dropped'])}")
    competitors = _Competitors(configs)
    for numbers in status["rules"]:
        broken += _broken_between_rule_and_destinations(numbers, configs, competitors)
    return broken


def _rules(config):
    return {name: value for name, value in config.items() if name != "SETTINGS"}


def _same_in_all(name, configs):
    """What configs say of a rule, where all that have it say the same; else None."""
    found = [config[name] for config in configs if name in config]
    return found[0] if found and all(value == found[0] for value in found) else None


class _Competitors:
    """Which rules send to an address: so that those can be found that do it before another."""

    def __init__(self, configs):
        self._only_earlier = len(configs) == 1  # after a reload the order may have changed
        self._by_address = {}
        self._by_host = []
        for config in configs:
            for order, (name, value) in enumerate(_rules(config).items()):
                for entry in value["DESTINATION"]:
                    address, port = place_of(entry)
                    found = (order, name, port, ports(value["SOURCEPORT"]))
                    if _host(entry):
                        self._by_host.append(found)
                    else:
                        key = ipaddress.ip_address(address)
                        self._by_address.setdefault(key, {}).setdefault(port, []).append(found)
        self._orders = {name: order for config in configs
                        for order, name in enumerate(_rules(config))}

    def any_for(self, name, own_ports, to):
        """Whether another rule may send packets of this rule to the destination first."""
        if not to["address"]:
            return True
        there = self._by_address.get(ipaddress.ip_address(to["address"]), {})
        port = int(to["port"]) or None
        same = [f for p in (there if port is None else {port, None}) for f in there.get(p, [])]
        return any(other != name and not own_ports.isdisjoint(other_ports)
                   and (order < self._orders[name] or not self._only_earlier)
                   for order, other, _, other_ports in same + self._by_host)


def _broken_between_rule_and_destinations(numbers, configs, competitors):
    """due + the destination's own sampled_out = duplicated, where every copy is the rule's own.

    With BALANCE all each destination of a packet's family has that, so that where a rule sends to
    both families, the families' numbers add up to it. Otherwise all destinations together have it.
    Where another rule may send to the same place first, it is at most that; where a host name
    comes in, whose address has changed or was not known, too.
    """
    own = _same_in_all(numbers["name"], configs)
    if own is None:
        return []
    full = [to["due_pkts"] + to["sampled_out_pkts"] for to in numbers["destinations"]]
    duplicated = numbers["duplicated_pkts"]
    own_ports = ports(own["SOURCEPORT"])
    shared = [competitors.any_for(numbers["name"], own_ports, to)
              for to in numbers["destinations"]]
    if own.get("BALANCE", "all") != "all":
        if sum(full) > duplicated or (sum(full) < duplicated and not any(shared)):
            return [f"{numbers['name']}: due to its destinations {full} is not duplicated "
                    f"{duplicated} together"]
        return []
    broken = [f"{numbers['name']}, {to['name']}: due and sampled out {n} is more than duplicated "
              f"{duplicated}" for to, n in zip(numbers["destinations"], full) if n > duplicated]
    if any(_host(entry) for entry in own["DESTINATION"]):
        return broken
    due = {4: set(), 6: set()}
    for to, n, is_shared in zip(numbers["destinations"], full, shared):
        if not is_shared:
            due[ipaddress.ip_address(to["address"]).version].add(n)
    families = {ipaddress.ip_address(to["address"]).version for to in numbers["destinations"]}
    if any(len(values) > 1 for values in due.values()):
        broken.append(f"{numbers['name']}: due differs among destinations of a family: {due}")
    elif all(due[family] for family in families):
        total = sum(min(due[family]) for family in families)
        if total != duplicated:
            broken.append(f"{numbers['name']}: duplicated {duplicated} is not what is due to its "
                          f"destinations: {total}")
    return broken


def place_of(entry):
    """The address or name, and the port or None, of a DESTINATION as the file has it."""
    if isinstance(entry, dict):
        address, port = entry["ADDRESS"], entry.get("PORT")
        return address, int(port) if port else None
    address, _, port = entry.partition("/")
    return address, int(port) if port else None


def _host(entry):
    """The host name of a DESTINATION, or None where it has an address."""
    address, _ = place_of(entry)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return address
    return None


def ports(value):
    """SOURCEPORT as a set of numbers."""
    if isinstance(value, list):
        return set().union(*map(ports, value))
    first, _, last = str(value).partition("-")
    return set(range(int(first), int(last or first) + 1))
