# SPDX-License-Identifier: MIT
"""Copies that come back: the storm is ended within a second, and nothing else is taken for one.

    client1 ── [ appliance ] ──> receiver1: another duplicator, which sends back
                             ──> receiver2: another still, or a collector
                             ──> server: a collector
"""

import struct
import time
import types

import pytest

from lib import packets, status
from lib.configs import rule, settings
from lib.rsyslog import Rsyslogd
from lib.stream import Stream
from lib.waiting import scaled, wait_for

STORM_S = 1.0  # from its first packet to its end
QUIET_PKTS, QUIET_S = 20, 0.2  # no storm: fewer packets in such a time


def _peer(daemons, host, config):
    """A duplicator at the end of a wire, whose every copy goes back over that wire."""
    host.namespace.ip(f"route replace default via {host.gateway_v4}",
                      f"route replace ::/0 via {host.gateway_v6}")
    return daemons(types.SimpleNamespace(appliance=host.namespace)).start(config)


def _sends_back(host, table):
    """From here on the host is a router that sends copies back, by a table of nft's: one that keeps
    no account of probes, unlike another duplicator."""
    host.namespace.sysctl(ipv4__ip_forward=1)
    host.namespace.ip(f"route replace default via {host.gateway_v4}")
    host.namespace.run("nft", "-f", "-", stdin=table)


def _arrived(host):
    """How many packets have come to a host."""
    with host.namespace.entered(), open("/proc/thread-self/net/dev", encoding="ascii") as file:
        return next(int(line.split()[2]) for line in file if line.strip().startswith("eth0:"))


def _payloads(name, count):
    return [struct.pack("!8sQ", name, n) for n in range(count)]


def _send(star, family, payloads):
    client = star.client1
    client.inject(*(packets.udp_packet(client.address(family), client.gateway(family),
                                       5000 + n % 100, 514, payload)
                    for n, payload in enumerate(payloads)))


def _storm_s(host, begin):
    """Calls begin, and waits for the end of the storm that it makes on a host's wire. Returns how
    long it was."""
    history = [(time.monotonic(), _arrived(host))]
    begin()

    def is_over():
        history.append((time.monotonic(), _arrived(host)))
        now_s, pkts = history[-1]
        before = [n for at_s, n in history if at_s <= now_s - QUIET_S]
        return before and pkts > history[0][1] and pkts - before[-1] < QUIET_PKTS
    wait_for("the storm's end", is_over, 20,
             lambda: [(f"{at - history[0][0]:.2f} s", n) for at, n in history[::20]])
    end = history[-1][1] - QUIET_PKTS
    return next(at_s for at_s, pkts in history if pkts >= end) - history[0][0]


def _is_looped(daemon, address):
    return status.destination(daemon.status(), "R", address)["loop"]


def _assert_once(star, family, appliance, capture, collector):
    """While it lasts, the collector has each packet once."""
    capture.take()
    before = appliance.status()
    payloads = _payloads(b"after", 100)
    _send(star, family, payloads)
    matched = before["matched_by_any_pkts"]
    appliance.wait_status("those of the client and those that came back", lambda s: (
        s["matched_by_any_pkts"] >= matched + 200 and s["queue"]["waiting_pkts"] == 0))
    got = [packets.view(packet).payload for packet in capture.take_udp()]
    assert sorted(got) == sorted(payloads)
    found = appliance.status()
    for address in (star.receiver1.address(family), collector.address(family)):
        assert status.destination(found, "R", address)["dropped"]["loop"] >= 100


@pytest.mark.parametrize("family, ttl", [(4, "keep"), (6, "keep"), (4, 64), (6, "decrement")])
def test_two_that_send_to_each_other(star, daemons, family, ttl):
    """Whatever TTL says. Both find out, say so, and go on with what is new."""
    def to(address):
        return {"ADDRESS": address, "PORT": 514, "TTL": ttl}
    peer, collector = star.receiver1, star.receiver2
    capture = collector.capture()
    appliance = daemons(star).start(
        {"R": rule("514", to(peer.address(family)), to(collector.address(family)))})
    other = _peer(daemons, peer, {"R": rule("514", to(peer.gateway(family)))})
    storm_s = _storm_s(peer, lambda: _send(star, family, _payloads(b"storm", 20)))
    assert storm_s < scaled(STORM_S)
    got = {packets.view(packet).payload for packet in capture.take_udp()}
    assert got == set(_payloads(b"storm", 20))
    if ttl == "decrement":
        return  # which ends it by itself, if nobody was faster
    wait_for("both to know", lambda: (
        _is_looped(appliance, peer.address(family)) and _is_looped(other, peer.gateway(family))),
        there=lambda: [status.shown(d.status()) for d in (appliance, other)])
    assert not _is_looped(appliance, collector.address(family))
    assert appliance.stderr().count("come back: a loop") == 1
    _assert_once(star, family, appliance, capture, collector)


def _ring(star):
    return [(star.receiver1, rule("514", f"{star.receiver2.v4}/515")),
            (star.receiver2, rule("515", f"{star.receiver2.gateway_v4}/514"))]


def _double(star):
    return [(star.receiver1, rule("514-515", f"{star.receiver1.gateway_v4}/514"))]


def _transit(star):
    return [(star.receiver1, rule("514", f"{star.client2.v4}/514"))]


@pytest.mark.once
@pytest.mark.parametrize("shape, more", [(_ring, []), (_double, [515]), (_transit, [])])
def test_other_shapes(star, daemons, shape, more):
    """Three in a ring; a peer that sends two back for one; one whose copies pass the appliance on
    their way to somewhere else."""
    capture = star.server.capture()
    # Where the appliance is a router on the way as well, TTL "keep" would end it.
    appliance = daemons(star).start({"R": rule("514", *(
        {"ADDRESS": star.receiver1.v4, "PORT": port, "TTL": 64} for port in [514, *more]),
        f"{star.server.v4}/514")})
    for host, its_rule in shape(star):
        _peer(daemons, host, {"R": its_rule})
    storm_s = _storm_s(star.receiver1, lambda: _send(star, 4, _payloads(b"storm", 20)))
    assert storm_s < scaled(STORM_S)
    wait_for("the appliance to know", lambda: _is_looped(appliance, star.receiver1.v4),
             there=lambda: status.shown(appliance.status()))
    _assert_once(star, 4, appliance, capture, star.server)


@pytest.mark.once
def test_by_way_of_nat(star, daemons):
    """A router that sends copies back, and whose connection tracking drops wrong checksums."""
    _sends_back(star.receiver1, f"""
        table ip nat {{
            chain prerouting {{
                type nat hook prerouting priority -100
                udp dport 514 dnat to {star.receiver1.gateway_v4}:514
            }}
            chain forward {{
                type filter hook forward priority 0
                ct state invalid drop
            }}
        }}""")
    appliance = daemons(star).start({"R": rule("514", {
        "ADDRESS": star.receiver1.v4, "PORT": 514, "TTL": 64})})
    storm_s = _storm_s(star.receiver1, lambda: _send(star, 4, _payloads(b"storm", 20)))
    assert storm_s < scaled(STORM_S)
    wait_for("the loop to be known", lambda: _is_looped(appliance, star.receiver1.v4))


@pytest.mark.once
def test_a_new_configuration_ends_it(star, daemons):
    """Of a destination that is not there any more nothing is remembered; of another one it is."""
    config = {"R": rule("514", f"{star.receiver1.v4}/514")}
    appliance = daemons(star).start(config)
    _peer(daemons, star.receiver1, {"R": rule("514", f"{star.receiver1.gateway_v4}/514")})
    _storm_s(star.receiver1, lambda: _send(star, 4, _payloads(b"storm", 20)))
    wait_for("the loop to be known", lambda: _is_looped(appliance, star.receiver1.v4))
    appliance.configure(settings(config, LOGLEVEL="debug"))
    appliance.reload()
    assert _is_looped(appliance, star.receiver1.v4)
    appliance.configure({"R": rule("514", f"{star.server.v4}/514")})
    appliance.reload()
    assert not _is_looped(appliance, star.server.v4)


@pytest.mark.once
@pytest.mark.long
def test_a_peer_that_is_mended_ends_it(star, daemons):
    """Probes that come back no more tell it; with the fast path rules return to it."""
    appliance = daemons(star).start(settings(
        {"R": rule("514", f"{star.receiver1.v4}/514")}, FASTPATH="auto"))
    peer = _peer(daemons, star.receiver1, {"R": rule("514", f"{star.receiver1.gateway_v4}/514")})
    _storm_s(star.receiver1, lambda: _send(star, 4, _payloads(b"storm", 20)))
    # The peer may have been faster, and then its question tells the appliance.
    found = status.rule(appliance.wait_status("the loop to be known", lambda s: status.destination(
        s, "R", star.receiver1.v4)["loop"]), "R")
    assert found["fastpath"] == f'queued: copies to destination "{star.receiver1.v4}/514" ' \
                                "come back: a loop"
    peer.configure({"R": rule("514", f"{star.server.v4}/9999")})
    peer.reload()
    appliance.wait_status("the end of the loop", lambda s: not status.destination(
        s, "R", star.receiver1.v4)["loop"], 60)
    assert status.rule(appliance.status(), "R")["fastpath"] == "in the kernel"
    assert "do not come back any more: the loop has ended" in appliance.stderr()


def _busy(daemon, star, payload):
    """Sends packets at a rate that arouses suspicion until probes have been sent; returns how
    many packets."""
    client = star.client1
    sent, begun_s = 0, time.monotonic()

    def probed():
        nonlocal sent
        while sent < (time.monotonic() - begun_s) * 4000:
            client.inject(*(packets.udp_packet(
                client.v4, client.gateway_v4, 5000, 514, payload(sent + n), ident=0)
                for n in range(40)))
            sent += 40
        return daemon.status()["loop_probes"]["sent_pkts"] >= 3
    wait_for("three probes", probed, there=lambda: status.shown(daemon.status()))
    return sent


@pytest.mark.parametrize("payload", [lambda n: b"the same", lambda n: b"another %d" % n],
                         ids=["identical", "different"])
def test_much_traffic_is_no_loop(star, daemons, payload):
    """Packets that are alike to the last bit, again and again: each is copied."""
    capture, daemon = star.receiver1.capture(), daemons(star)
    daemon.start({"R": rule("514", f"{star.receiver1.v4}/514")})
    sent = _busy(daemon, star, payload)
    found = daemon.wait_received(sent)
    to = status.destination(found, "R", star.receiver1.v4)
    assert (to["due_pkts"], to["sent_pkts"], to["loop"]) == (sent, sent, False)
    assert len(capture.take_udp()) == sent
    assert len(capture.probes) == found["loop_probes"]["sent_pkts"]
    assert found["loop_probes"]["returned_pkts"] == 0


@pytest.mark.once
def test_a_collector_hears_nothing_of_it(star, daemons, tmp_path):
    """A real rsyslogd logs the messages, and no probe."""
    collector = Rsyslogd(star.receiver1.namespace, tmp_path / "rsyslog")
    try:
        daemon = daemons(star).start({"R": rule("514", f"{star.receiver1.v4}/514")})
        sent = _busy(daemon, star, lambda n: b"<13>Oct 11 22:14:15 host tag: message %d" % n)
        lines = collector.lines(sent)
        assert len(lines) == sent
        assert all(line[3].startswith(" message") for line in lines)
    finally:
        collector.close()


@pytest.mark.once
def test_a_chain_is_no_loop(star, daemons):
    """A peer that sends everything back, to another rule: each rule has each packet once."""
    capture = star.server.capture()
    daemon = daemons(star).start({
        "Out": rule("514", f"{star.receiver1.v4}/514"),
        "Back": rule("515", f"{star.server.v4}/514")})
    _peer(daemons, star.receiver1, {"R": rule("514", f"{star.receiver1.gateway_v4}/515")})
    stream = Stream(star.client1, star.client1.gateway_v4)
    try:
        daemon.wait_status("probes", lambda s: s["loop_probes"]["sent_pkts"] >= 6)
    finally:
        sent = stream.stop()
    wait_for("all packets", lambda: status.rule(
        daemon.status(), "Back")["matched_pkts"] >= sent)
    assert len(capture.take_udp()) == sent
    found = daemon.status()
    assert found["loop_probes"]["returned_pkts"] == 0
    assert not any(to["loop"] for numbers in found["rules"] for to in numbers["destinations"])


@pytest.mark.once
def test_probes_that_others_make_up(star, daemons):
    """They are packets like others: copied once, counted, and answered by three questions in some
    seconds, however many come."""
    capture, daemon = star.receiver1.capture(), daemons(star)
    daemon.start({"R": rule("514", f"{star.receiver1.v4}/514")})
    client, sent = star.client1, 0
    text = b"Traffic Duplicator: is there a loop? Ignore it."
    begun_s = time.monotonic()
    # What does not happen shows in time only: two rounds of questions would be over by then.
    while time.monotonic() - begun_s < 2.5:
        client.inject(*(packets.udp_packet(
            client.v4, client.gateway_v4, 5000, 514, text + b"%c%024x" % (ord("a") + n, sent))
            for n in range(2)))
        sent += 2
        found = daemon.wait_received(sent)
    to = status.destination(found, "R", star.receiver1.v4)
    assert (to["sent_pkts"], to["loop"]) == (sent, False)
    asked = found["loop_probes"]
    assert (asked["sent_pkts"], asked["returned_pkts"]) == (3, 0)
    capture.take()
    assert len(capture.probes) == sent + 3
