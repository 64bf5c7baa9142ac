# SPDX-License-Identifier: MIT
"""The configurations of the soak: always the same rules and destinations, so that their counters go
on from one to the next, with everything else about them changing. And files that are refused.

Every port that clients send to, but one, is that of a rule which is always on: so that all of it
comes to the daemon, whatever the configuration says.
"""

import json

from traffic import DROPPED, IPFIX, NAMED, NETFLOW, SYSLOG, SYSLOG2, TRAPS

NAME = "collector.test"
NAMED_PORT = 5599
FIXED = {4: "198.51.100.7", 6: "fd77::7"}
R1, R2, BEHIND = ("10.2.1.2", "fd02:1::2"), ("10.2.2.2", "fd02:2::2"), ("10.64.0.1", "fd64::1")
# (role, addresses, port): where copies go.
DESTINATIONS = (
    ("receiver1", R1, 514), ("receiver2", R2, 5140), ("receiver1", R1, 2055),
    ("receiver2", R2, 2055), ("receiver1", BEHIND, 2055), ("receiver1", R1, 162),
    ("receiver2", R2, 162), ("receiver2", R2, 9001), ("receiver1", BEHIND, 7000))
PASSING_PORT = 7777  # of a destination that comes and goes, with its counters
_BALANCES = ("all", "all", "round-robin", "hash", "failover")


def _to(addresses, port, **keys):
    return [{"ADDRESS": address, "PORT": port, **keys} for address in addresses]


def _rule(ports, *destinations):
    return {"SOURCEPORT": ports, "DESTINATION": sum(destinations, [])}


def _skeleton():
    """The rules that are always there, as far as they are always the same."""
    return {
        "Syslog": _rule([SYSLOG, SYSLOG2], _to(R1, 514), _to(R2, 5140)),
        "Flows": _rule([NETFLOW, IPFIX], _to(R1, 2055), _to(R2, 2055), _to(BEHIND, 2055)),
        "Traps": _rule(TRAPS, _to(R1, 162, CHECK="icmp"), _to(R2, 162)),
        "Dropped": _rule(DROPPED, _to(R2, 9001)),
        "Named": _rule(NAMED, _to([NAME], NAMED_PORT)),
        "Extra": _rule([SYSLOG, TRAPS, IPFIX], _to(BEHIND, 7000), _to(R1, 514)),
    }


def _vary(rng, rule, plain):
    """plain: only what the fast path can do."""
    if rng.random() < 0.5:
        balance = rng.choice(_BALANCES)
        rule["BALANCE"] = "hash" if plain and balance == "round-robin" else balance
    for key, chance, values in (("SAMPLE", 0.2, (2, 3, 10)), ("TTL", 0.4, ("decrement", 1, 64)),
                                ("OVERSIZE", 0.3, ("fragment", "drop"))):
        if rng.random() < chance:
            rule[key] = rng.choice(values)
    if not plain and rng.random() < 0.3:
        rule["RATELIMIT"] = rng.choice((10, 100, 100_000))
    for to in rule["DESTINATION"]:
        if rng.random() < 0.1:
            to["SAMPLE"] = rng.choice((2, 5))
        if rng.random() < 0.2:
            to["TTL"] = rng.choice(("keep", "decrement", 200))
        if not plain and rng.random() < 0.3 and to["ADDRESS"] != NAME:
            family = 6 if ":" in to["ADDRESS"] else 4
            to["SOURCE"] = rng.choice(("client", "appliance", FIXED[family]))


def _vary_extra(rng, rule, plain):
    """The rule that others overlap with: filters, on and off."""
    rule["ENABLED"] = rng.random() < 0.6
    if rng.random() < 0.5:
        rule["SOURCEADDRESS"] = rng.choice((["10.1.1.0/24", "fd01::/16"],
                                            ["10.1.0.0/16", "!10.1.1.77", "fd01:1::/64"]))
    if not plain and rng.random() < 0.3:
        rule["INTERFACE"] = rng.choice(("client1", ["client2", "nowhere0"]))
    if not plain and rng.random() < 0.3:
        rule["LISTENADDRESS"] = ["10.3.0.0/16", "fd03::/16"]


def make(rng, fixed, serial):
    """A valid configuration. fixed: the settings that only a start can change."""
    plain = rng.random() < 0.5
    rules = _skeleton()
    for name, rule in rules.items():
        _vary(rng, rule, plain)
        if name == "Dropped":
            rule["ORIGINAL"] = rng.choice(("drop", "drop", "auto"))
        elif rng.random() < 0.3:
            rule["ORIGINAL"] = rng.choice(("auto", "forward"))
    _vary_extra(rng, rules["Extra"], plain)
    if rng.random() < 0.5:
        rules[f"Passing {serial}"] = _rule(20000 + serial % 20000, _to(R1, PASSING_PORT))
    if rng.random() < 0.3:
        rules["Syslog"]["DESTINATION"] += _to((R2[0],), PASSING_PORT)
    order = list(rules)
    if rng.random() < 0.3:
        rng.shuffle(order)
    settings = {**fixed, "SEND": rng.choice(("ip", "link")), "AUTORELOAD": rng.random() < 0.5,
                "FASTPATH": "auto" if rng.random() < 0.6 else "off",
                "LOGLEVEL": rng.choice(("info", "warning"))}
    return {**{name: rules[name] for name in order}, "SETTINGS": settings}


def start_settings(rng):
    """What only a start can change."""
    return {"WORKERS": rng.choice((1, 2)), "QUEUELENGTH": rng.choice((200, 1024, 16384)),
            "WHENFULL": rng.choice(("drop", "forward"))}


def bad(rng, config):
    """(text, file mode) of a file that must be refused."""
    def changed(**values):
        return json.dumps({**config, "SETTINGS": {**config["SETTINGS"], **values}})
    text = json.dumps(config, indent=8)
    kind = rng.randrange(7)
    if kind == 0:
        return text[:rng.randrange(1, len(text) - 1)], 0o644  # half written
    if kind == 1:
        return text.replace('"SOURCEPORT"', '"SOURCEPROT"', 1), 0o644
    if kind == 2:
        return json.dumps({**config, "Self": _rule(SYSLOG, _to(("127.0.0.1",), 9))}), 0o644
    if kind == 3:
        return text + "}", 0o644
    if kind == 4:
        return changed(QUEUE=7600), 0o644
    if kind == 5:
        return changed(QUEUELENGTH=777), 0o644
    return text, 0o666
