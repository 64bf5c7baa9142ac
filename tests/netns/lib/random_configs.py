# SPDX-License-Identifier: MIT
"""Random but valid configurations for Star, and packets that they have something to say about.

Few ports, clients, places and networks, so that rules overlap in every way; add_ways() makes the
routes that the addresses here need.
"""

import ipaddress
import struct

from . import packets
from .ways import WAY

PORTS = (514, 515, 516, 2055, 2056, 6343)
SOURCEPORTS = ("514", 514, "515", "2055-2056", "514-516", [514, "2055"], ["515", "516-2055"],
               "1-65535", [6343, 514, "515"])
CLIENTS = {
    4: {"client1": ["10.1.1.2", "10.1.1.77", "10.1.1.200"], "client2": ["10.1.2.2", "10.1.2.130"]},
    6: {"client1": ["fd01:1::2", "fd01:1::8000"], "client2": ["fd01:2::2", "fd01:2::1:0:0:1"]},
}
NETWORKS = {
    4: ["10.1.1.0/24", "10.1.2.0/24", "10.1.0.0/16", "10.1.1.2", "10.1.1.0/25", "10.1.2.128/25",
        "0.0.0.0/0", "192.0.2.0/24", "10.1.1.77/32"],
    6: ["fd01:1::/64", "fd01:2::/64", "fd01::/16", "fd01:1::2", "::/0", "fd01:2::/80",
        "fd01:1::8000/113"],
}
LISTENERS = {
    4: ["10.99.0.1", "10.99.0.0/24", "10.99.0.0/16", "10.1.1.1", "10.1.0.0/16", "10.0.0.0/8"],
    6: ["fd99::1", "fd99::/64", "fd01:1::1", "fd00::/8", "fd99::/16"],
}
ORIGINALS = {
    4: ["10.99.0.1", "10.99.0.2", "10.99.1.1", "10.1.1.1", "10.3.1.1"],
    6: ["fd99::1", "fd99::2", "fd99::1:0:0:0:1", "fd01:1::1", "fd03:1::1"],
}
OWN = ["10.1.1.1", "10.1.2.1", "10.2.1.1", "10.2.2.1", "10.3.1.1",
       "fd01:1::1", "fd01:2::1", "fd02:1::1", "fd02:2::1", "fd03:1::1"]
PLACES = {
    4: ["10.2.1.2", "10.2.2.2", "10.64.0.1", "10.64.0.2", "10.64.0.3"],
    6: ["fd02:1::2", "fd02:2::2", "fd64::1", "fd64::2", "fd64::3"],
}
FIXED = {4: "198.51.100.7", 6: "fd77::7"}


def add_ways(star):
    """Routes for the originals; those for the copies are there."""
    star.appliance.ip("route add 10.99.0.0/16 via 10.3.1.2", "route add fd99::/16 via fd03:1::2")


def appliance_address(to):
    """What the appliance sends from to one of PLACES."""
    second = ipaddress.ip_address(to) in map(ipaddress.ip_address, (PLACES[4][1], PLACES[6][1]))
    return f"10.2.{1 + second}.1" if "." in to else f"fd02:{1 + second}::1"


def _networks(rng, pool, families, most):
    """A list with something of each family."""
    chosen = []
    for family in families:
        chosen += rng.sample(pool[family], rng.randrange(1, most + 1))
    rng.shuffle(chosen)
    return chosen


def _excluded(rng, included, families):
    """Exclusions that leave somebody of each family."""
    narrow = [n for family in families for n in NETWORKS[family] if not n.endswith("/0")]
    whole = [ipaddress.ip_network(n) for n in included]
    result = []
    for text in rng.sample(narrow, rng.randrange(1, 3)):
        own = ipaddress.ip_network(text)
        if not any(n.version == own.version and n.subnet_of(own) for n in whole):
            result.append("!" + text)
    return result


def _clients(rng, families):
    kind = rng.random()
    included = [] if kind < 0.2 else _networks(rng, NETWORKS, families, 2)
    excluded = _excluded(rng, included, families) if kind < 0.6 else []
    clients = included + excluded
    rng.shuffle(clients)
    return clients


def _destination(rng, address, port, number):
    """A destination, as a text or an object."""
    if rng.random() < 0.5:
        return address if port is None else f"{address}/{port}"
    result = {"ADDRESS": address}
    if port is not None:
        result["PORT"] = rng.choice((port, str(port)))
    if rng.random() < 0.3:
        result["NAME"] = f"Collector {number}"
    if rng.random() < 0.4:
        result["SOURCE"] = rng.choice(("client", "appliance", FIXED[4 if "." in address else 6]))
    if rng.random() < 0.3:
        result["SAMPLE"] = rng.choice((1, 2, 3, 7))
    if rng.random() < 0.4:
        result["TTL"] = rng.choice(("keep", "decrement", 1, 64, 255))
    return result


def _destinations(rng, families):
    pool = [(address, None if rng.random() < 0.3 else port)
            for family in families for address in PLACES[family]
            for port in rng.sample((514, 515, 5514), 2)]
    wanted = rng.randrange(len(families), 6)
    # Each family has one, and no address has both a port of its own and the packet's.
    chosen = [rng.choice([p for p in pool if ("." in p[0]) == (family == 4)])
              for family in families]
    for place in rng.sample(pool, len(pool)):
        if len(chosen) < wanted and not any(
                place[0] == other[0] and (None in (place[1], other[1]) or place[1] == other[1])
                for other in chosen):
            chosen.append(place)
    rng.shuffle(chosen)
    return [_destination(rng, *place, n) for n, place in enumerate(chosen)]


def random_rule(rng):
    """One rule."""
    families = rng.choice(((4,), (4,), (6,), (4, 6), (4, 6)))
    rule = {"SOURCEPORT": rng.choice(SOURCEPORTS), "DESTINATION": _destinations(rng, families)}
    if rng.random() < 0.5:
        clients = _clients(rng, families)
        if clients:
            rule["SOURCEADDRESS"] = clients if len(clients) > 1 or rng.random() < 0.5 \
                else clients[0]
    if rng.random() < 0.35:
        rule["LISTENADDRESS"] = _networks(rng, LISTENERS, families, 2)
    if rng.random() < 0.3:
        rule["INTERFACE"] = rng.choice(("client1", "client2", ["client1", "client2"], "nowhere0",
                                        ["client2", "nowhere0"]))
    for key, chance, values in (("BALANCE", 0.6, ("all", "round-robin", "hash", "failover")),
                                ("SAMPLE", 0.3, (1, 2, 3, 10)),
                                ("TTL", 0.4, ("keep", "decrement", 1, 33, 255)),
                                ("ORIGINAL", 0.5, ("auto", "forward", "drop")),
                                ("RATELIMIT", 0.1, (1_000_000_000,)),
                                ("OVERSIZE", 0.2, ("fragment", "drop")),
                                ("ENABLED", 0.15, (False, False, True))):
        if rng.random() < chance:
            rule[key] = rng.choice(values)
    return rule


def _without_samples(rule):
    for part in (rule, *(to for to in rule["DESTINATION"] if isinstance(to, dict))):
        part.pop("SAMPLE", None)


def random_config(rng, samples=WAY != "fastpath"):
    """1 to 8 rules and one worker, so that the order of packets is that of the clients. Which
    packets SAMPLE takes goes by that order, which the fast path does not keep with the queue."""
    rules = {f"Rule {n}": random_rule(rng) for n in range(rng.randrange(1, 9))}
    for rule in rules.values():
        if not samples:
            _without_samples(rule)
    return {**rules, "SETTINGS": {"WORKERS": 1}}


def random_packet(rng, number):
    """(interface, source, destination, port, packet); the payload begins with the number."""
    family = rng.choice((4, 4, 6))
    interface = rng.choice(("client1", "client2"))
    source = rng.choice(CLIENTS[family][interface])
    destination = rng.choice(ORIGINALS[family])
    port = rng.choice(PORTS)
    payload = struct.pack("!I", number) + rng.randbytes(rng.choice((0, 1, 60, 501, 1200)))
    key = "ttl" if family == 4 else "hop_limit"
    more = {"ident": rng.choice((0, 1, rng.randrange(1 << 16))), "tos": rng.randrange(256),
            "fragment": rng.choice((0, packets.DF))} if family == 4 else {}
    return interface, source, destination, port, packets.udp_packet(
        source, destination, rng.randrange(1, 1 << 16), port, payload,
        **{key: rng.choice((1, 2, 64, 255))}, **more)
