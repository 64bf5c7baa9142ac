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


def broken_equations(status, config=None):
    """The equations that do not hold, as text. With the config, also those between a rule and
    its destinations."""
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
    if config is not None:
        broken += _broken_between_rule_and_destinations(status, config)
    return broken


def _broken_between_rule_and_destinations(status, config):
    """due = duplicated - sampled_out, where every packet of the rule is due to the destination.

    A destination takes its own family's packets only, and a packet that an earlier rule already
    sends there is not due again. So: a rule of one family has it exactly, in a rule of two the
    families' dues add up to it, and where an earlier rule shares the destination due is at most
    that.
    """
    broken = []
    rules = {n: r for n, r in config.items() if n != "SETTINGS"}
    names = list(rules)
    for numbers in status["rules"]:
        if numbers["name"] not in rules:
            continue
        earlier = [rules[n] for n in names[:names.index(numbers["name"])]]
        due = {4: set(), 6: set()}
        for to in numbers["destinations"]:
            full = to["due_pkts"] + to["sampled_out_pkts"]
            if full > numbers["duplicated_pkts"]:
                broken.append(f"{numbers['name']}, {to['name']}: due {to['due_pkts']} is more than "
                              f"duplicated {numbers['duplicated_pkts']}")
            if not _shared(rules[numbers["name"]], to, earlier):
                due[ipaddress.ip_address(to["address"]).version].add(full)
        families = {ipaddress.ip_address(to["address"]).version for to in numbers["destinations"]}
        if any(len(values) > 1 for values in due.values()):
            broken.append(f"{numbers['name']}: due differs among destinations of a family: {due}")
        elif all(due[family] for family in families):
            total = sum(min(due[family]) for family in families)
            if total != numbers["duplicated_pkts"]:
                broken.append(f"{numbers['name']}: duplicated {numbers['duplicated_pkts']} is not "
                              f"what is due to its destinations: {total}")
    return broken


def _shared(own, to, earlier):
    """Whether an earlier rule may already send packets of this rule to the destination."""
    address = ipaddress.ip_address(to["address"])
    ports = _ports(own["SOURCEPORT"])
    for other in earlier:
        if not ports & _ports(other["SOURCEPORT"]):
            continue
        for text in other["DESTINATION"]:
            other_address, _, other_port = text.partition("/")
            same_port = not other_port or not to["port"] or int(other_port) == int(to["port"])
            if ipaddress.ip_address(other_address) == address and same_port:
                return True
    return False


def _ports(value):
    """SOURCEPORT as a set of numbers."""
    if isinstance(value, list):
        return set().union(*map(_ports, value))
    first, _, last = str(value).partition("-")
    return set(range(int(first), int(last or first) + 1))
