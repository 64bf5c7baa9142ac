# SPDX-License-Identifier: MIT
"""The world changes while the daemon runs: its config, the appliance's addresses, the MTU.

The network is Star, drawn in lib/topology.py.
"""

import itertools
import signal

import pytest

from lib import machine, packets, status
from lib.capture import Receiver
from lib.configs import rule, syslog
from lib.oracle import assert_copies
from lib.waiting import wait_for


def _packet(star, to, port=514, family=4, payload=b"live", source_port=5000):
    return packets.udp_packet(star.client1.address(family), to, source_port, port, payload)


def _rule_names(found):
    return [r["name"] for r in found["rules"]]


def test_reload_by_sighup(star, daemons):
    """A new port is served, the old one left alone, and counters follow their rule by name."""
    at_receiver = star.receiver1.capture()
    to = star.receiver1.v4
    daemon = daemons(star).start({"Stays": rule("514", f"{to}/514"),
                                  "Goes": rule("515", f"{to}/515")})
    star.client1.inject(*[_packet(star, star.server.v4, port) for port in (514, 515) * 5])
    daemon.wait_received(10)
    daemon.expect_anything()
    at_receiver.take()
    handles = star.appliance.run("nft", "-a", "list", "tables").stdout
    daemon.configure({"New": rule("516", f"{to}/516"),
                      "Stays": rule(["514", "2055"], f"{to}/514")})
    daemon.signal(signal.SIGHUP)
    found = daemon.wait_status("the new rules", lambda s: _rule_names(s) == ["New", "Stays"])
    assert status.rule(found, "Stays")["duplicated_pkts"] == 5
    assert status.destination(found, "Stays", to)["sent_pkts"] == 5
    assert found["received_pkts"] >= 10
    assert star.appliance.run("nft", "-a", "list", "tables").stdout == handles

    # Rules in the kernel and in the daemon change one after the other: ask until both have.
    def served():
        star.client1.inject(_packet(star, star.server.v4, 516))
        return status.rule(daemon.status(), "New")["duplicated_pkts"] > 0
    wait_for("port 516 to be served", served)
    sent = [_packet(star, star.server.v4, port) for port in (514, 2055, 516)]
    at_receiver.take()
    before = daemon.status()
    star.client1.inject(*sent, _packet(star, star.server.v4, 515))
    found = daemon.wait_status("three more packets", lambda s: s["matched_by_any_pkts"]
                               >= before["matched_by_any_pkts"] + 3)
    copies = at_receiver.take_udp()
    for original, copy, port in zip(sent, copies, (514, 514, 516)):
        assert_copies([original], [copy], to, port)
    assert len(copies) == 3
    assert found["received_pkts"] == before["received_pkts"] + 3, "port 515 is served no more"


@pytest.mark.parametrize("bad", ["{", '{"A": {"SOURCEPORT": "514", "DESTINATION": []}}',
                                 '{"A": {"SOURCEPORT": "514", "DESTINATION": ["127.0.0.1/1"]}}'])
def test_reload_of_a_bad_file_changes_nothing(star, daemons, bad):
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    rules, said = machine.rulesets(star.appliance), len(daemon.stderr())
    daemon.configure(bad)
    daemon.signal(signal.SIGHUP)
    wait_for("the daemon to say that it keeps its rules",
             lambda: daemon.config_path.name in daemon.stderr()[said:], there=daemon.stderr)
    assert machine.rulesets(star.appliance) == rules
    sent = [_packet(star, star.server.v4)]
    star.client1.inject(*sent)
    daemon.wait_received(1)
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.v4)


def test_reload_in_mid_traffic_loses_nothing(star, daemons):
    """Ten reloads while packets come: each is received, matched and copied once."""
    at_receiver = star.receiver1.capture()
    to = star.receiver1.v4
    configs = [{"R": rule(["514", str(600 + n)], to), f"Extra{n}": rule("700", to)}
               for n in range(10)]
    daemon = daemons(star).start(configs[-1])
    sent = []
    for number, config in enumerate(configs):
        daemon.configure(config)
        daemon.signal(signal.SIGHUP)
        batch = [_packet(star, star.server.v4, source_port=5000 + len(sent) + n)
                 for n in range(100)]
        star.client1.inject(*batch)
        sent += batch
        daemon.wait_status("the reload", lambda s, n=number: _rule_names(s) == ["R", f"Extra{n}"])
    found = daemon.wait_received(len(sent))
    assert_copies(sent, at_receiver.take_udp(), to)
    assert status.rule(found, "R")["duplicated_pkts"] == len(sent)


@pytest.mark.parametrize("family", [4, 6])
def test_an_address_comes_and_goes(star, daemons, family):
    """`auto` ends a packet here exactly while its destination is the appliance's own."""
    moving = "10.3.1.77" if family == 4 else "fd03:1::77"
    at_client = star.client1.capture()
    star.appliance.ip(f"neigh add {moving} lladdr {star.server.mac} nud permanent dev server")
    daemon = daemons(star).start(syslog(star.receiver1.address(family)))
    count = itertools.count(1)

    def fate(which):
        def probe():
            before = daemon.status()
            star.client1.inject(_packet(star, moving, family=family))
            next(count)
            after = daemon.wait_status("one more packet", lambda s: s["received_pkts"]
                                       == before["received_pkts"] + 1)
            return after["originals"][which] == before["originals"][which] + 1
        return probe
    assert fate("forwarded_pkts")()
    address = f"{moving}/{32 if family == 4 else 128}"
    star.appliance.ip(f"addr add {address} dev lo")
    wait_for("packets to the new address to end here", fate("dropped_pkts"))
    assert all(fate("dropped_pkts")() for _ in range(5))
    at_client.take()
    star.appliance.ip(f"addr del {address} dev lo")
    wait_for("packets to the old address to go on", fate("forwarded_pkts"))
    assert all(fate("forwarded_pkts")() for _ in range(5))


@pytest.mark.parametrize("family", [4, 6])
def test_a_destination_becomes_the_appliance_itself(star, daemons, family):
    """A config that was right when it was read: the copies come back in, and are not copied again."""
    to = star.receiver1.address(family)
    daemon = daemons(star).start(syslog(to))
    star.appliance.ip(f"addr add {to}/{32 if family == 4 else 128} dev lo")
    wait_for(f"{to} to be the appliance's own in its routes", lambda: "local" in
             star.appliance.run("ip", "route", "get", to).stdout)
    service = star.keep(Receiver(star.appliance, to, 514))
    before = 0

    def followed():
        """The daemon hears of it a moment after the kernel has changed its routes."""
        nonlocal before
        star.client1.inject(_packet(star, star.server.address(family), family=family))
        before += 1
        daemon.wait_received(before)
        return service.pull()
    wait_for("copies by the new way", followed)
    service.wait(1)
    sent = [_packet(star, star.server.address(family), family=family, payload=b"%d" % n)
            for n in range(20)]
    star.client1.inject(*sent)
    assert [payload for payload, _, _ in service.wait(20)] == [b"%d" % n for n in range(20)]
    daemon.wait_received(before + 20)


@pytest.mark.parametrize("family", [4, 6])
def test_the_way_out_becomes_narrower_and_wider(star, daemons, rng, family):
    """The MTU of the way out is followed: fragments while it is small, else one packet."""
    to = star.receiver1.address(family)
    at_receiver, at_client = star.receiver1.capture(), star.client1.capture()
    daemon = daemons(star).start(syslog(to))

    def sizes_of_a_copy():
        packet = _packet(star, star.server.address(family), family=family,
                         payload=rng.randbytes(1400))
        before = daemon.status()["received_pkts"]
        star.client1.inject(packet)
        daemon.wait_status("one more packet", lambda s: s["received_pkts"] == before + 1)
        parts = at_receiver.take_udp()
        if parts:
            assert_copies([packet], packets.reassemble(parts), to, fragmented=len(parts) > 1)
        return [len(part) for part in parts]
    assert len(sizes_of_a_copy()) == 1
    for mtu, count in ((1300, 2), (1500, 1), (1350, 2)):
        star.appliance.ip(f"link set receiver1 mtu {mtu}")
        wait_for(f"copies in {count} pieces", lambda n=count: len(sizes_of_a_copy()) == n)
        for _ in range(5):
            pieces = sizes_of_a_copy()
            assert len(pieces) == count and max(pieces) <= mtu
    assert at_client.take_icmp_errors() == []
