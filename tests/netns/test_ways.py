# SPDX-License-Identifier: MIT
"""Every way that a copy can take delivers the same bytes, and those that the model promises.

Random configurations and packets with everything that senders put into headers, through a daemon
of each way in turn. The network is Star, drawn in lib/topology.py; receiver2's wire is so narrow
that many copies leave in fragments. WAYS_ROUNDS: how many configurations, for a long run.
"""

import collections
import ipaddress
import json
import os
import random
import struct

import pytest

from lib import oracle, packets, randomly
from lib.configs import settings
from lib.hash_choices import HashChoices
from lib.machine import on_one_cpu
from lib.model import Arrival, Model
from lib.random_configs import (CLIENTS, ORIGINALS, OWN, PORTS, add_ways, appliance_address,
                                random_config)
from lib.ways import WAYS

pytestmark = [pytest.mark.once, pytest.mark.long]
ROUNDS = int(os.environ.get("WAYS_ROUNDS", "4"))
PACKETS = 250
NARROW = 1280


def _random_config(rng):
    """Without what depends on more than packets and their order."""
    config = random_config(rng, samples=False)
    for name, rule in config.items():
        if name != "SETTINGS":
            rule.pop("RATELIMIT", None)
            rule.pop("OVERSIZE", None)  # the model knows no MTU
    return config


def _corrupted(rng, packet):
    """The packet with another UDP checksum."""
    at = packets.view(packet)
    data = bytearray(packet)
    struct.pack_into("!H", data, at.udp_at + 6, rng.randrange(1, 1 << 16))
    return bytes(data)


def _random_packet(rng, source_port):
    """(interface, Arrival, packet); the source port says which it is."""
    family = rng.choice((4, 4, 6))
    interface = rng.choice(("client1", "client2"))
    source, destination = rng.choice(CLIENTS[family][interface]), rng.choice(ORIGINALS[family])
    port = rng.choice(PORTS)
    make = randomly.packet4 if family == 4 else randomly.packet6
    packet = make(rng, source, destination, source_port, port, rng.choice((1023, 1023, 8000)))
    if rng.random() < 0.1:
        packet = _corrupted(rng, packet)
    return interface, Arrival(source, destination, port, interface, packets.view(packet).ttl,
                              len(packet)), packet


def _captured(star, daemon, sent, count):
    """What both receivers get of the packets, count of which match, and the daemon's numbers."""
    captures = [host.capture() for host in (star.receiver1, star.receiver2)]
    with on_one_cpu():
        for interface, _, packet in sent:
            getattr(star, interface).inject(packet)
    daemon.wait_status("all that match", lambda s: s["matched_by_any_pkts"] >= count)
    found = daemon.wait_received(count)
    return [capture.take_udp() for capture in captures], found


def _comparable(captured, sent):
    """The packets, counted, without what is the kernel's or the fragmenter's choice: the ID of
    fragments, and with the IP raw socket that of packets which have none and may be fragmented."""
    nameless = {number for number, (*_, packet) in enumerate(sent, 1) if packet[0] >> 4 == 4
                and packet[4:6] == b"\0\0" and not packet[6] & 0x40}
    counted = collections.Counter()
    for packet in captured:
        at, data = packets.view(packet), bytearray(packet)
        if at.version == 4 and (at.is_fragment or at.source_port in nameless):
            assert packets.ones_sum(packet[:at.body_at]) == 0xFFFF, f"bad header checksum: {at}"
            data[4:6] = data[10:12] = b"\0\0"
        elif at.fragment_at is not None:
            data[at.fragment_at + 4:at.fragment_at + 8] = bytes(4)
        counted[bytes(data)] += 1
    return counted


def _wrong_copies(sent, outcomes, captured):
    """What is missing, too much or not right, compared with the model."""
    found, faults = collections.defaultdict(list), []
    for packet in packets.reassemble(captured):
        at = packets.view(packet)
        found[at.source_port, str(ipaddress.ip_address(at.destination)), at.port].append(packet)
    for number, ((_, arrival, original), outcome) in enumerate(zip(sent, outcomes), 1):
        for copy in outcome.copies:
            there = found.pop((number, copy.address, copy.port), [])
            if len(there) != 1:
                faults.append(f"{arrival}: {len(there)} copies instead of {copy}")
                continue
            fragmented = len(original) > NARROW and copy.address in ("10.2.2.2", "fd02:2::2")
            wrong = oracle.differences(original, there[0], copy.address, copy.port, copy.ttl,
                                       fragmented, copy.source)
            faults += [f"{arrival}, {copy}: {'; '.join(wrong)}"] if wrong else []
    return faults + [f"{len(there)} copies instead of none at {place}"
                     for place, there in found.items()]


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_all_ways_deliver_the_same_bytes(make_star, daemons, rng, round_):
    rng = random.Random(rng.randrange(1 << 32) + round_)  # SEED gives each round packets of its own
    star = make_star(client1=9000, client2=9000, server=9000, receiver1=9000, receiver2=NARROW)
    add_ways(star)
    config = _random_config(rng)
    sent = [_random_packet(rng, number) for number in range(1, PACKETS + 1)]
    by_way = {}
    for way, keys in WAYS.items():
        daemon = daemons(star).start(settings(config, WORKERS=1, **keys))
        model = Model(config, OWN, appliance_address,
                      HashChoices(star, daemon.config_path, config))
        outcomes = [model.take(arrival) for _, arrival, _ in sent]
        captured, found = _captured(star, daemon, sent, model.matched_by_any)
        faults = _wrong_copies(sent, outcomes, sum(captured, [])) + model.differences(found)
        assert not faults, f"{way}:\n" + "\n".join(faults[:30]) + "\n" + json.dumps(config, indent=1)
        by_way[way] = [_comparable(packets_, sent) for packets_ in captured]
        daemon.stop()
    for way, at_receivers in by_way.items():
        for one, other in zip(by_way["ip"], at_receivers):
            differ = [str(packets.view(p)) for p in [*(one - other), *(other - one)][:20]]
            assert not differ, f"ip and {way} differ:\n" + "\n".join(differ)
