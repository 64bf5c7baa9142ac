# SPDX-License-Identifier: MIT
"""Random configurations and packets: the daemon against a slow model of what it promises.

Every copy and every counter is compared, so that each difference is a fault of one of the two. The
network is Star, drawn in lib/topology.py. MODEL_ROUNDS: how many configurations, for a long run.
"""

import ipaddress
import json
import os
import random
import struct

import pytest

from lib import oracle, packets
from lib.hash_choices import HashChoices
from lib.machine import on_one_cpu
from lib.model import Arrival, Model
from lib.random_configs import OWN, add_ways, appliance_address, random_config, random_packet

ROUNDS = int(os.environ.get("MODEL_ROUNDS", "12"))
PACKETS = 250


def _number(packet):
    return struct.unpack_from("!I", packets.view(packet).payload)[0]


def _by_place(captured):
    """{(number, address, port): [packets]}"""
    result = {}
    for packet in captured:
        at = packets.view(packet)
        key = _number(packet), str(ipaddress.ip_address(at.destination)), at.port
        result.setdefault(key, []).append(packet)
    return result


def _wrong_copies(sent, outcomes, captured):
    """What is missing, too much or not right among the copies."""
    faults, found = [], _by_place(captured)
    for number, ((*what, original), outcome) in enumerate(zip(sent, outcomes)):
        for copy in outcome.copies:
            there = found.pop((number, copy.address, copy.port), [])
            if len(there) != 1:
                faults.append(f"packet {number} {what}: {len(there)} copies instead of {copy}")
                continue
            wrong = oracle.differences(original, there[0], copy.address, copy.port, copy.ttl,
                                       source=copy.source)
            faults += [f"packet {number} {what}, {copy}: {'; '.join(wrong)}"] if wrong else []
    return faults + [f"packet {number} {sent[number][:4]}: {len(there)} copies to {address} "
                     f"{port} instead of none" for (number, address, port), there in found.items()]


def _wrong_originals(sent, outcomes, at_server):
    """Those that should go on do, as a router passes them on, and no others."""
    expected = [oracle.routed(original) for (_, _, destination, _, original), outcome
                in zip(sent, outcomes) if outcome.goes_on and destination not in OWN
                and packets.view(original).ttl > 1]
    missing = [p for p in expected if p not in at_server]
    extra = [p for p in at_server if p not in expected]
    return [f"{len(these)} originals {how}: {[str(packets.view(p)) for p in these[:5]]}"
            for these, how in ((missing, "did not go on"), (extra, "went on but should not"))
            if these]


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_random_rules_and_packets(star, daemons, rng, round_):
    rng = random.Random(rng.randrange(1 << 32) + round_)  # SEED gives each round packets of its own
    add_ways(star)
    config = random_config(rng)
    sent = [random_packet(rng, number) for number in range(PACKETS)]
    daemon = daemons(star).start(config)
    model = Model(config, OWN, appliance_address, HashChoices(star, daemon.config_path, config))
    arrivals = [Arrival(source, destination, port, interface, packets.view(packet).ttl, len(packet))
                for interface, source, destination, port, packet in sent]
    outcomes = [model.take(arrival) for arrival in arrivals]
    captures = [host.capture() for host in (star.receiver1, star.receiver2)]
    at_server = star.server.capture()
    with on_one_cpu():  # so that the packets of both clients come in the order given
        for interface, *_, packet in sent:
            getattr(star, interface).inject(packet)
    daemon.wait_status("all that match", lambda s: s["matched_by_any_pkts"] >= model.matched_by_any)
    daemon.wait_received(model.matched_by_any)
    faults = _wrong_copies(sent, outcomes, [p for c in captures for p in c.take_udp()])
    faults += _wrong_originals(sent, outcomes, at_server.take_udp())
    found = daemon.status()
    faults += model.differences(found)
    if found["unmatched_pkts"] != 0:
        faults.append(f"{found['unmatched_pkts']} packets that no rule matches reached the program")
    assert not faults, "\n".join(faults[:30]) + "\n" + json.dumps(config, indent=1)
