# SPDX-License-Identifier: MIT
"""What nft can decide, nft decides: packets that no rule applies to never reach user space.

Only the rules script runs, no daemon: with `bypass` a queue that nobody reads lets packets go on.
The network is Star or Bridge, drawn in lib/topology.py.
"""

import contextlib
import ipaddress
import json
import os
import random
import threading

import pytest

from lib import packets
from lib.capture import Capture, Injector
from lib.configs import rule
from lib.daemon import rules_script

# What our chain selects is not tracked: so it can be told from the rest further on.
_COUNTERS = """
    table inet seen {
        counter selected { }
        counter missed { }
        chain prerouting {
            type filter hook prerouting priority -298; policy accept;
            meta l4proto != udp return
            ct state untracked counter name selected return
            counter name missed
        }
    }
"""
_NETWORKS = {
    4: ("10.1.1.0/24", "10.1.0.0/16", "10.1.1.2/32", "0.0.0.0/0", "255.255.255.0/24",
        "10.1.1.128/25", "10.1.2.0/23", "10.1.1.64/26", "0.0.0.0/1", "10.3.0.0/16"),
    6: ("fd01:1::/64", "fd01::/16", "fd01:1::2/128", "::/0", "ffff::/16", "fd01:2::/64",
        "fd01:1::8000:0:0:0/65", "8000::/1", "::1.2.3.0/120", "fd03::/16"),
}
_ADDRESSES = {
    4: ("10.1.1.2", "10.1.2.2", "10.1.1.130", "10.1.1.65", "10.3.1.2", "1.2.3.4", "255.255.255.3"),
    6: ("fd01:1::2", "fd01:2::2", "fd01:1::8000:0:0:7", "fd03:1::2", "::1.2.3.4", "fd00::1"),
}


def _script(verb, directory, config, namespace):
    path = directory / "config"
    path.write_text(json.dumps(config), encoding="utf-8")
    done = rules_script(verb, path, namespace)
    assert done.returncode == 0, f"{done.stderr}\n{config}"


def _counted(namespace):
    """Packets (selected, missed) since the last call."""
    shown = json.loads(namespace.run("nft", "-j", "reset", "counters", "table", "inet",
                                     "seen").stdout)
    found = {entry["counter"]["name"]: entry["counter"]["packets"]
             for entry in shown["nftables"] if "counter" in entry}
    return found["selected"], found["missed"]


class _Client:
    """A client's wire; after settle() all that was sent has been through the rules."""

    def __init__(self, network, host):
        mac, far_mac = (bytes.fromhex(m.replace(":", "")) for m in (host.mac, host.far_mac))
        self.role = host.role
        self.wire = network.keep(Injector(host.namespace, "eth0", mac, far_mac))
        self._appliance = network.appliance

    def settle(self):
        arrived = Capture(self._appliance, self.role, self.wire.fence)
        arrived.settled()
        arrived.close()


def _random_networks(rng, family):
    chosen = rng.sample(_NETWORKS[family], rng.randrange(1, 4))
    return [chosen[0]] + [rng.choice(("", "!")) + network for network in chosen[1:]]


def _random_rule(rng, family, target):
    keys = {"ENABLED": rng.random() < 0.9}
    if rng.random() < 0.6:
        keys["SOURCEADDRESS"] = _random_networks(rng, family)
    if rng.random() < 0.3:
        keys["LISTENADDRESS"] = rng.sample(_NETWORKS[family], rng.randrange(1, 3))
    if rng.random() < 0.3:
        keys["INTERFACE"] = rng.sample(("client1", "client2", "server", "nowhere"), 2)
    first = rng.randrange(500, 510)
    return rule([f"{first}-{first + rng.randrange(6)}", 520 + rng.randrange(3)], target, **keys)


def _random_config(rng, star, families=(4, 6)):
    """Rules that are valid each: nobody is left of some lists, and those are drawn anew."""
    config = {}
    for number in range(rng.randrange(1, 12)):
        family = rng.choice(families)
        drawn = _random_rule(rng, family, f"{star.receiver1.address(family)}/9")
        while not any(_admits(drawn.get("SOURCEADDRESS", []), address)
                      for address in _ADDRESSES[family]):
            drawn = _random_rule(rng, family, f"{star.receiver1.address(family)}/9")
        config[f"r{number}"] = drawn
    return config


def _admits(networks, address):
    """SOURCEADDRESS or LISTENADDRESS, as the manual has it."""
    address = ipaddress.ip_address(address)

    def contains(text):
        return address in ipaddress.ip_network(text.lstrip("!"))
    included = [n for n in networks if not n.startswith("!")]
    return not any(contains(n) for n in networks if n.startswith("!")) and \
        (not included or any(map(contains, included)))


def _applies(one, interface, source, target, port):
    first, last = map(int, one["SOURCEPORT"][0].split("-"))
    return one["ENABLED"] and (first <= port <= last or port == one["SOURCEPORT"][1]) and \
        interface in one.get("INTERFACE", [interface]) and \
        (":" in source) == (":" in one["DESTINATION"][0]) and \
        _admits(one.get("SOURCEADDRESS", []), source) and \
        _admits(one.get("LISTENADDRESS", []), target)


@pytest.mark.vm
def test_nothing_but_what_some_rule_applies_to(star, tmp_path):
    """Random rules against a plain reading of them, packet by packet."""
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    rng = random.Random(seed)
    clients = [_Client(star, host) for host in (star.client1, star.client2)]
    star.appliance.run("nft", "-f", "-", stdin=_COUNTERS)
    selected_at_all = 0
    for _ in range(12):
        config = _random_config(rng, star)
        _script("up", tmp_path, config, star.appliance)
        _counted(star.appliance)
        sent = {True: 0, False: 0}
        for _ in range(300):
            client, family = rng.choice(clients), rng.choice((4, 6))
            source, target = rng.choices(_ADDRESSES[family], k=2)
            port = rng.choice((*range(499, 516), 520, 521, 522))
            client.wire.send(packets.udp_packet(source, target, 5000, port, b"who is it for"))
            sent[any(_applies(one, client.role, source, target, port)
                     for one in config.values())] += 1
        for client in clients:
            client.settle()
        assert _counted(star.appliance) == (sent[True], sent[False]), f"SEED={seed} {config}"
        selected_at_all += sent[True]
    assert selected_at_all > 0


@pytest.mark.vm
def test_interfaces_of_a_bridge(bridge, tmp_path):
    """nft sees br0 where the packet came by client1: it leaves that much to the daemon."""
    bridge.appliance.run("nft", "-f", "-", stdin=_COUNTERS)
    client = _Client(bridge, bridge.client1)
    _script("up", tmp_path, {
        "Port": rule(514, bridge.receiver2.v4, INTERFACE="client1",
                     SOURCEADDRESS=f"{bridge.client1.v4}/32"),
        "Bridge": rule(515, bridge.receiver2.v4, INTERFACE="br0"),
        "Elsewhere": rule(516, bridge.receiver2.v4, INTERFACE="receiver2"),
    }, bridge.appliance)
    for source, port, expected in ((bridge.client1.v4, 514, True), (bridge.client1.v4, 515, True),
                                   (bridge.client2.v4, 514, False), (bridge.client1.v4, 513, False),
                                   (bridge.client1.v4, 516, True)):
        _counted(bridge.appliance)
        client.wire.send(packets.udp_packet(source, bridge.server.v4, 5000, port, b"bridged"))
        client.settle()
        assert _counted(bridge.appliance) == (int(expected), int(not expected)), (source, port)


@pytest.mark.vm
def test_no_moment_without_a_rule_that_stays(star, tmp_path):
    """While other rules come and go, and its own elements move from set to set, not one packet of
    a rule that stays gets past the rules."""
    stays = rule(514, f"{star.receiver1.v4}/514", SOURCEADDRESS="10.1.1.0/24")

    def others(**keys):
        return {f"r{n}": rule(514 + 2 * n * ("SOURCEADDRESS" in keys), f"{star.receiver2.v4}/9",
                              **{"SOURCEADDRESS": f"10.5.{n}.0/24", **keys}) for n in range(100)}
    configs = [{"Stays": stays}, {"Stays": stays, **others()},
               {"Stays": stays, "All": rule(514, f"{star.receiver2.v4}/9")},
               {"Stays": stays, **others(SOURCEADDRESS=["10.1.1.0/24", "10.6.0.0/17"])},
               {"Stays": stays, "Listen": rule(514, f"{star.receiver2.v4}/9",
                                               LISTENADDRESS="10.3.1.0/24")}]
    star.appliance.run("nft", "-f", "-", stdin=_COUNTERS)
    client = _Client(star, star.client1)
    _script("up", tmp_path, configs[0], star.appliance)
    packet = packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, b"stays")
    _counted(star.appliance)
    end = threading.Event()

    def send():
        while not end.is_set():
            with contextlib.suppress(OSError):  # ENOBUFS: more than the wire takes
                client.wire.send(packet)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        for number in range(40):
            _script("reload", tmp_path, configs[number % len(configs)], star.appliance)
    finally:
        end.set()
        sender.join()
    client.settle()
    selected, missed = _counted(star.appliance)
    assert missed == 0, f"of {selected + missed}"
    assert selected > 0
