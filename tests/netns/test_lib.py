# SPDX-License-Identifier: MIT
"""The tests' own tools, proved without the program: an oracle that accepts everything, or a
capture that misses packets, would make every other test worthless."""

import os
import pathlib
import random
import struct
import subprocess
import sys
import types

import pytest

from lib import oracle, packets, status
from lib.configs import rule
from lib.namespaces import remove_leftovers

V4 = "10.1.1.2", "10.3.1.2"
V6 = "fd01:1::2", "fd03:1::2"


@pytest.fixture(name="scapy")
def _scapy():
    """Imported where it is used: that takes half a second of each process that runs tests."""
    import scapy.layers.inet
    import scapy.layers.inet6
    import scapy.packet
    return types.SimpleNamespace(**{**vars(scapy.packet), **vars(scapy.layers.inet6),
                                    **vars(scapy.layers.inet)})


@pytest.mark.parametrize("length", [0, 1, 2, 3, 17, 1472])
def test_builders_agree_with_scapy(rng, scapy, length):
    payload = rng.randbytes(length)
    ours = packets.udp_packet(*V4, 1234, 514, payload, ttl=7, tos=0xB9, ident=9,
                              fragment=packets.DF)
    theirs = scapy.IP(src=V4[0], dst=V4[1], ttl=7, tos=0xB9, id=9, flags="DF") / scapy.UDP(
        sport=1234, dport=514) / scapy.Raw(payload)
    assert ours == bytes(theirs)
    ours = packets.udp_packet(*V6, 1234, 514, payload, traffic_class=0xB9, flow_label=0xABCDE,
                              hop_limit=9)
    theirs = scapy.IPv6(src=V6[0], dst=V6[1], tc=0xB9, fl=0xABCDE, hlim=9) / scapy.UDP(
        sport=1234, dport=514) / scapy.Raw(payload)
    assert ours == bytes(theirs)


def test_extension_headers_agree_with_scapy(scapy):
    ours = packets.udp_packet(*V6, 1, 2, b"x", extensions=[
        (packets.HOP_BY_HOP, b"\1\4\0\0\0\0"), (packets.DESTINATION_OPTIONS, b"\1\4\0\0\0\0")])
    options = [scapy.PadN(optdata=b"\0" * 4)]
    theirs = scapy.IPv6(src=V6[0], dst=V6[1]) / scapy.IPv6ExtHdrHopByHop(options=options) / \
        scapy.IPv6ExtHdrDestOpt(options=options) / scapy.UDP(sport=1, dport=2) / scapy.Raw(b"x")
    assert ours == bytes(theirs)
    at = packets.view(ours)
    assert (at.udp_at, at.port, at.payload) == (56, 2, b"x")


def test_fragments_agree_with_scapy_and_come_together_again(rng, scapy):
    whole = packets.udp_packet(*V4, 1, 2, rng.randbytes(5000))
    parts = packets.fragments(whole, 1500)
    theirs = [bytes(part) for part in scapy.fragment(scapy.IP(whole), 1480)]
    assert parts == theirs
    rng.shuffle(parts)
    assert packets.reassemble(parts, 1500) == [whole]
    whole6 = packets.udp_packet(*V6, 1, 2, rng.randbytes(5000),
                                extensions=[(packets.HOP_BY_HOP, b"\1\4")])
    parts = packets.fragments(whole6, 1280, unfragmentable=48)
    rng.shuffle(parts)
    assert packets.reassemble(parts, 1280) == [whole6]


@pytest.mark.parametrize("damage", ["hole", "twice", "too large"])
def test_reassembly_notices_damage(damage):
    parts = packets.fragments(packets.udp_packet(*V4, 1, 2, bytes(5000)), 1500)
    if damage == "hole":
        del parts[1]
    elif damage == "twice":
        parts.append(parts[0])
    with pytest.raises(AssertionError):
        packets.reassemble(parts, 1499 if damage == "too large" else 1500)


@pytest.mark.parametrize("source, target, via", [(*V4, "10.1.1.1"), (*V6, "fd01:1::1")])
def test_oracle_accepts_a_copy_and_nothing_else(rng, source, target, via):
    original = packets.udp_packet(source, via, 4321, 514, rng.randbytes(33))
    copy = packets.udp_packet(source, target, 4321, 5514, original[-33:])
    assert oracle.differences(original, copy, target, 5514) == []
    for position in range(len(copy)):
        damaged = bytearray(copy)
        damaged[position] ^= 1 << rng.randrange(8)
        assert oracle.differences(original, bytes(damaged), target, 5514), f"byte {position}"
    assert oracle.differences(original, copy[:-1], target, 5514)


def test_oracle_on_checksums():
    original = packets.ipv4(*V4, packets.udp(*V4, 1, 514, b"data", sum_=0))
    right = oracle.expected_copy(original, "10.2.1.2")
    assert oracle.differences(original, right, "10.2.1.2") == []
    invented = packets.udp_packet(V4[0], "10.2.1.2", 1, 514, b"data")
    assert oracle.differences(original, invented, "10.2.1.2")
    right = packets.udp(*V4, 1, 514, b"data")
    wrong_sum = struct.unpack_from("!H", right, 6)[0] ^ 0x0101
    corrupt = packets.ipv4(*V4, packets.udp(*V4, 1, 514, b"data", sum_=wrong_sum))
    assert oracle.differences(corrupt, invented, "10.2.1.2"), "a corrupt packet must stay corrupt"


def test_kernel_may_choose_an_id_only_where_it_does():
    for flags, accepted in ((0, True), (packets.DF, False)):
        original = packets.udp_packet(*V4, 1, 514, b"x", ident=0, fragment=flags)
        copy = packets.udp_packet(V4[0], "10.2.1.2", 1, 514, b"x", ident=77, fragment=flags)
        assert (oracle.differences(original, copy, "10.2.1.2") == []) is accepted


def _numbers(**changes):
    to = {"name": "10.2.1.2/514", "address": "10.2.1.2", "port": 514, "state": "up",
          "due_pkts": 5, "sampled_out_pkts": 0, "sent_pkts": 4, "sent_bytes": 400,
          "dropped": {"no_route": 1}}
    base = {"received_pkts": 7, "matched_by_any_pkts": 5, "unmatched_pkts": 1,
            "malformed_pkts": 1, "truncated_pkts": 0,
            "originals": {"forwarded_pkts": 2, "dropped_pkts": 3},
            "queue": {"waiting_pkts": 0, "dropped_kernel_pkts": 0},
            "rules": [{"name": "R", "matched_pkts": 5, "matched_bytes": 500,
                       "sampled_out_pkts": 0, "rate_limited_pkts": 0, "duplicated_pkts": 5,
                       "destinations": [to]}]}
    for path, value in changes.items():
        place = base
        *way, last = path.split("__")
        for step in way:
            place = place[int(step) if step.isdigit() else step]
        place[last] = value
    return base


def test_equations():
    config = {"R": rule("514", "10.2.1.2/514")}
    assert status.broken_equations(_numbers(), config) == []
    for change in ("received_pkts", "originals__forwarded_pkts", "rules__0__duplicated_pkts",
                   "rules__0__destinations__0__due_pkts", "rules__0__destinations__0__sent_pkts"):
        assert status.broken_equations(_numbers(**{change: 99}), config), change
    reason = {"rules__0__destinations__0__dropped": {"boredom": 1}}
    assert status.broken_equations(_numbers(**reason), config)


def test_equations_where_an_earlier_rule_shares_the_destination():
    config = {"First": rule("500-600", "10.2.1.2"), "R": rule("514", "10.2.1.2/514")}
    changes = {"rules__0__duplicated_pkts": 9, "rules__0__matched_pkts": 9}
    assert status.broken_equations(_numbers(**changes), config) == []
    config = {"First": rule("515", "10.2.1.2"), "R": rule("514", "10.2.1.2/514")}
    assert status.broken_equations(_numbers(**changes), config)


def test_what_a_crash_leaves_behind_is_removed():
    code = "import os; from lib.topology import Star; s = Star(); print(s.appliance.name); " \
           "os.sys.stdout.flush(); os._exit(1)"
    left = subprocess.run([sys.executable, "-c", code], cwd=pathlib.Path(__file__).parent,
                          capture_output=True, text=True, check=False).stdout.strip()
    assert left.startswith("td") and os.path.exists(f"/run/netns/{left}")
    remove_leftovers()
    assert not [n for n in os.listdir("/run/netns") if n.startswith(left.partition("-")[0] + "-")]


def test_captures_see_everything_in_order(star):
    at_server = star.server.capture()
    at_client = star.client1.capture()
    sent = [packets.udp_packet(star.client1.address(f), star.server.address(f), 1000 + n, 514, b"x")
            for n in range(500) for f in (4, 6)]
    star.client1.inject(*sent)
    assert at_server.take() == [oracle.routed(packet) for packet in sent]
    assert at_client.take() == []


@pytest.mark.parametrize("family", [4, 6])
def test_appliances_icmp_errors_would_be_seen(star, family):
    """The ground that every "no ICMP error reaches the client" stands on."""
    at_client = star.client1.capture()
    gateway = star.client1.gateway(family)
    source = star.client1.address(family)
    star.client1.inject(*(packets.udp_packet(source, gateway, 1000 + n, 514) for n in range(20)))
    assert len(at_client.take_icmp_errors()) == 20


def test_bridge_carries(bridge):
    at_server = bridge.server.capture()
    sent = [packets.udp_packet(bridge.client1.address(f), bridge.server.address(f), 1, 514, b"x")
            for f in (4, 6)]
    bridge.client1.inject(*sent)
    assert at_server.take() == sent


@pytest.mark.parametrize("family", [4, 6])
def test_receivers_get_fragments_whole(make_star, family):
    star = make_star(server=1400)
    at_server = star.server.receiver(514, family)
    payload = random.Random(1).randbytes(20000)
    packet = packets.udp_packet(star.client1.address(family), star.server.address(family), 999, 514,
                                payload)
    star.client1.inject(*packets.fragments(packet, 1280))
    assert at_server.wait(1) == [(payload, star.client1.address(family), 999)]
