# SPDX-License-Identifier: MIT
"""`explain`: what it says of a packet is what the daemon does with it.

The network is Star, drawn in lib/topology.py.
"""

import ipaddress
import json
import os
import random
import re
import struct

import pytest

from lib import packets
from lib.configs import rule
from lib.daemon import command
from lib.model import Arrival, Model, why_not
from lib.random_configs import OWN, add_ways, appliance_address, random_config, random_packet

pytestmark = pytest.mark.once
ROUNDS, PACKETS = 6, 20
# What a reason says, and the key of the rule that it is about.
REASONS = {r"disabled": "ENABLED", r"SOURCEPORT": "SOURCEPORT",
           r"no IPv[46] destination": "DESTINATION", r"SOURCEADDRESS": "SOURCEADDRESS",
           r"LISTENADDRESS": "LISTENADDRESS", r"INTERFACE": "INTERFACE"}


def _explain(namespace, config_path, *arguments):
    done = command("explain", "-c", config_path, *arguments, namespace=namespace)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def _reason(text):
    keys = {key for pattern, key in REASONS.items() if re.search(pattern, text)}
    assert len(keys) == 1, f"no clear reason: {text}"
    return keys.pop()


def _read(text):
    """(rules that match, {rule that does not: key}, [(address, port, source or None)], goes_on)"""
    matching, missing, copies = [], {}, []
    for line in text.splitlines():
        if found := re.fullmatch(r'Rule "(.*)" matches', line):
            matching.append(found[1])
        elif found := re.fullmatch(r'Rule "(.*?)" does not match: (.*)', line):
            missing[found[1]] = _reason(found[2])
        elif found := re.match(r"  copy to .*?: (\S+) port (\d+)(?:, from ([^,]*))?", line):
            copies.append((found[1], int(found[2]), found[3]))
    goes_on = re.search(r"^The original goes on|the packet goes on", text, re.MULTILINE)
    assert bool(goes_on) != bool(re.search(r"^The original ends here", text, re.MULTILINE)), text
    return matching, missing, copies, bool(goes_on)


def _without_chance(config):
    """The config without what depends on the packets before."""
    for one in config.values():
        one.pop("SAMPLE", None)
        if one.get("BALANCE") == "round-robin":
            del one["BALANCE"]
        for entry in one.get("DESTINATION", []):
            if isinstance(entry, dict):
                entry.pop("SAMPLE", None)
    return config


def _copies(captures):
    """{packet's number: {(address, port, source)}}"""
    result = {}
    for packet in (p for capture in captures for p in capture.take_udp()):
        at = packets.view(packet)
        result.setdefault(struct.unpack_from("!I", at.payload)[0], []).append((
            str(ipaddress.ip_address(at.destination)), at.port,
            str(ipaddress.ip_address(at.source))))
    return result


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_it_says_what_the_daemon_does(star, daemons, rng, round_):
    rng = random.Random(rng.randrange(1 << 32) + round_)  # SEED gives each round its own
    add_ways(star)
    config = _without_chance(random_config(rng))
    daemon = daemons(star).start(config)
    # For rules that choose by the client no model is asked: what explain says must be sent.
    model = Model(config, OWN, appliance_address, lambda name, packet: 0)
    captures = [host.capture() for host in (star.receiver1, star.receiver2)]
    said, matching = [], 0
    for number in range(PACKETS):
        interface, source, to, port, _ = random_packet(rng, number)
        arrival = Arrival(source, to, port, interface)
        said.append((source, _read(_explain(star.appliance, daemon.config_path, f"{source}/5000",
                                            f"{to}/{port}", "--interface", interface))))
        outcome = model.take(arrival)
        reasons = {name: why_not(one, arrival) for name, one in model.rules.items()}
        matched, missing, _, goes_on = said[-1][1]
        assert matched == outcome.matched, (config, arrival)
        assert set(missing) == set(model.rules) - set(matched)
        for name, key in missing.items():
            assert key in reasons[name], (name, key, reasons[name], arrival)
        assert goes_on == outcome.goes_on or not matched, (config, arrival)
        getattr(star, interface).inject(packets.udp_packet(source, to, 5000, port,
                                                           struct.pack("!I", number)))
        matching += bool(matched)
    found = daemon.wait_received(matching)
    assert found["originals"]["forwarded_pkts"] == sum(
        1 for _, (matched, _, _, goes_on) in said if matched and goes_on)
    copies = _copies(captures)
    for number, (client, (_, _, promised, _)) in enumerate(said):
        wanted = [(address, port, {None: client, "the appliance's own address":
                                   appliance_address(address)}.get(source, source))
                  for address, port, source in promised]
        assert sorted(copies.pop(number, [])) == sorted(wanted), (number, client, config)
    assert not copies


CONFIG = {
    "Off": rule("514", "10.2.1.2", ENABLED=False),
    "Port": rule("515", "10.2.1.2"),
    "Family": rule("514", "fd02:1::2"),
    "Client": rule("514", "10.2.1.2", SOURCEADDRESS="10.9.0.0/16"),
    "Excluded": rule("514", "10.2.1.2", SOURCEADDRESS="!10.1.1.0/24"),
    "Listen": rule("514", "10.2.1.2", LISTENADDRESS="10.99.0.1"),
    "Interface": rule("514", "10.2.1.2", INTERFACE="client2"),
    "Yes": rule("514", "10.2.1.2/1", {"ADDRESS": "10.2.2.2", "NAME": "SIEM"}, SAMPLE=10,
                RATELIMIT=7),
    "Shared": rule("514", "10.2.1.2/1", {"ADDRESS": "10.2.1.2", "PORT": 2, "SOURCE": "appliance"}),
}


@pytest.fixture
def config_path(tmp_path):
    file = tmp_path / "config"
    file.write_text(json.dumps(CONFIG))
    return file


def test_each_reason(star, config_path):
    text = _explain(star.appliance, config_path, "10.1.1.2", "10.3.1.2/514", "--interface",
                    "client1")
    matching, missing, copies, goes_on = _read(text)
    assert matching == ["Yes", "Shared"] and goes_on
    assert missing == {"Off": "ENABLED", "Port": "SOURCEPORT", "Family": "DESTINATION",
                       "Client": "SOURCEADDRESS", "Excluded": "SOURCEADDRESS",
                       "Listen": "LISTENADDRESS", "Interface": "INTERFACE"}
    assert [(address, port) for address, port, _ in copies] == \
        [("10.2.1.2", 1), ("10.2.2.2", 514), ("10.2.1.2", 2)]
    for words in ("1 packet in 10", "7 packets a second", "SIEM", "sends there already"):
        assert words in text


def test_without_an_interface_it_says_which_rules_ask_for_one(star, config_path):
    text = _explain(star.appliance, config_path, "10.1.1.2/5000", "10.3.1.2/514")
    assert re.search(r'Rule "Interface" does not match: .*--interface', text)


def test_nothing_matches(star, config_path):
    text = _explain(star.appliance, config_path, "10.1.1.2", "10.3.1.2/9")
    assert "No rule matches" in text and _read(text)[0] == []


def test_a_packet_to_the_appliance_itself(star, config_path):
    text = _explain(star.appliance, config_path, "10.1.1.2", f"{star.client1.gateway_v4}/514")
    assert _read(text)[3] is False


def test_ipv6(star, config_path):
    matching, _, copies, _ = _read(_explain(star.appliance, config_path, "fd01:1::2",
                                            "fd03:1::2/514"))
    assert (matching, copies) == (["Family"], [("fd02:1::2", 514, None)])


@pytest.mark.parametrize("arguments", [
    [], ["10.1.1.2"], ["10.1.1.2", "10.3.1.2"], ["10.1.1.2", "10.3.1.2/0"],
    ["10.1.1.2", "10.3.1.2/65536"], ["10.1.1.2", "fd03:1::2/514"], ["client", "10.3.1.2/514"],
    ["10.1.1.2/x", "10.3.1.2/514"], ["10.1.1.2", "10.3.1.2/514", "more"],
    ["10.1.1.2", "10.3.1.2/514", "--interface"]])
def test_usage_errors(config_path, arguments):
    done = command("explain", "-c", config_path, *arguments)
    assert done.returncode == 2 and done.stderr.strip() and not done.stdout, done


def test_a_bad_config(tmp_path):
    file = tmp_path / "config"
    file.write_text("{")
    done = command("explain", "-c", file, "10.1.1.2", "10.3.1.2/514")
    assert done.returncode == 3 and str(file) in done.stderr and not done.stdout


def test_no_daemon_and_no_rights_are_needed(config_path):
    os.chmod(config_path, 0o644)
    assert "Yes" in _explain(None, config_path, "10.1.1.2", "10.3.1.2/514")


@pytest.mark.parametrize("client", ["127.0.0.1", "0.0.0.1", "224.1.1.1", "255.255.255.255", "::",
                                    "::1", "ff02::1"])
def test_a_client_that_cannot_be(star, daemons, client):
    """The daemon counts such packets as malformed and lets them go on, and so it says.

    The kernel keeps some IPv6 packets from everybody (net/ipv6/ip6_input.c, ip6_rcv_core).
    """
    server = star.server.v6 if ":" in client else star.server.v4
    daemon = daemons(star).start({"R": rule("514", f"{star.receiver1.v4}/514",
                                            f"{star.receiver1.v6}/514")})
    if client not in ("::1", "ff02::1"):
        star.client1.inject(packets.udp_packet(client, server, 5000, 514, b"x"))
        assert daemon.wait_received(1)["malformed_pkts"] == 1
    said = _explain(star.appliance, daemon.config_path, client, f"{server}/514")
    assert "malformed" in said and client in said
    assert _read(said) == ([], {}, [], True)
