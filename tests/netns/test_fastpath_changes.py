# SPDX-License-Identifier: MIT
"""The fast path while things change: rules that are reloaded, samples, neighbours, wires; nothing
is lost or served twice, and the numbers are exact.

The network is Star, drawn in lib/topology.py.
"""

import multiprocessing
import os
import re
import time

import pytest

from lib import neighbours, packets, status
from lib.configs import rule, settings
from lib.daemon import RELEASE
from lib.fastpath import FastPath, queued_pkts
from lib.stream import Flow, Stream, numbers
from lib.waiting import wait_for

pytestmark = pytest.mark.once
FAMILIES = pytest.mark.parametrize("family", [4, 6])
OPTION = b"\x94\x04\0\0"  # router alert, RFC 2113: such packets are queued


@pytest.fixture
def fast_path(star, daemons):
    """Starts a daemon with FASTPATH auto."""
    return lambda rules, **values: FastPath(star, daemons(star), rules, **values)


def to_one(star, family=4, **keys):
    """A rule on port 514 with one receiver."""
    return {"R": rule("514", f"{star.receiver1.address(family)}/514", **keys)}


# ---- Reload ----

PORTS = (514, 2055)
RELOADS, RATE_PPS = 40, 10_000


def _steps():
    """What a reload goes through, again and again: "A" is served in the kernel or queued, "B" is
    always as it was, and beside it others come and go."""
    to = "10.2.1.2/514"
    a = [rule("514", to), rule("514", to, RATELIMIT=1_000_000), rule("514", to, TTL=9),
         rule("514", to, BALANCE="round-robin"), rule("500-600", to),
         rule("514", to, LISTENADDRESS="10.3.1.2"), rule("514", to, SOURCEADDRESS="10.1.0.0/16"),
         rule("514", to, INTERFACE="client1")]
    for n in range(RELOADS):
        more = {"C": rule("2000-3000", f"10.2.2.2/{6000 + n}")} if n % 3 == 0 else {}
        yield settings({"A": a[n % len(a)], "B": rule("2055", "10.2.1.2/2055"), **more},
                       FASTPATH="off" if n % 5 == 4 else "auto", QUEUELENGTH=65536)


@pytest.mark.alone
def test_reloads_while_packets_flow(star, daemons):
    """Between kernel and queue, FASTPATH off included: not one packet is lost or doubled."""
    if not RELEASE.exists():
        pytest.skip(f"there is no release build at {RELEASE}")
    receivers = {port: star.receiver1.receiver(port) for port in PORTS}
    steps = list(_steps())
    daemon = daemons(star, program=RELEASE).start(steps[0])
    flow = Flow(star.client1, star.server.v4, PORTS, RATE_PPS)
    said = set()
    try:
        for config in steps[1:]:
            daemon.configure(config)
            done = daemon.reload()
            assert done.returncode == 0, done
            said.add(status.rule(daemon.status(), "A")["fastpath"].split(" ")[0])
            for receiver in receivers.values():
                receiver.pull()
    finally:
        sent, rate_pps = flow.stop()
    assert said == {"in", "queued:", "off"}
    daemon.wait_received(sum(sent.values()), timeout_s=30)
    found = daemon.status()
    assert found["queue"]["dropped_kernel_pkts"] == 0, "the machine is too slow for the rate"
    for name, port in zip("AB", PORTS):
        got = [int.from_bytes(payload, "big") for payload, _, _ in
               receivers[port].wait(sent[port])]
        receivers[port].pull()
        twice = len(got) - len(set(got))
        lost = sorted(set(range(sent[port])) - set(got))
        assert (twice, len(lost)) == (0, 0), f"{name}: {twice} twice, lost {lost[:20]}"
        assert status.rule(found, name)["matched_pkts"] == sent[port]
        assert status.rule(found, name)["destinations"][0]["sent_pkts"] == sent[port]
    assert rate_pps > 0.5 * RATE_PPS, f"this machine sends only {rate_pps:.0f} packets/s"


def test_every_nth_whatever_the_way(star, fast_path):
    """SAMPLE goes on counting over reloads, from one way to the other, and over a mix of both."""
    rules = {"R": rule("514", {"ADDRESS": star.receiver1.v4, "SAMPLE": 3}, SAMPLE=5)}
    fast = fast_path(rules)
    for n in range(1, 13):
        plain, option = (packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, b"x",
                                            options=o) for o in (b"", OPTION))
        queued = 7 if n % 4 == 0 else 3
        assert fast.send(plain, option, plain, option, option, plain, plain) == queued
        found = status.rule(fast.daemon.status(), "R")
        duplicated = -(-7 * n // 5)
        assert found["duplicated_pkts"] == duplicated
        assert found["destinations"][0]["sent_pkts"] == -(-duplicated // 3)
        fast.reload({**rules, f"Other {n}": rule("162", "10.2.1.2")},
                    FASTPATH="off" if n % 4 == 3 else "auto")


# ---- Counters ----

EACH = 30_000  # packets from each CPU


def _inject_from(host, cpu, sent):
    os.sched_setaffinity(0, {cpu})
    host.inject(*sent)


def _from_all_cpus(host, sent):
    """Each CPU sends the packets, at the same time."""
    host.inject()  # opens the socket here
    context = multiprocessing.get_context("fork")
    senders = [context.Process(target=_inject_from, args=(host, cpu, sent))
               for cpu in os.sched_getaffinity(0)]
    for sender in senders:
        sender.start()
    return senders


def test_numbers_from_many_cpus(star, fast_path):
    """Every packet is counted once, whenever somebody looks; and the equations hold each time."""
    rules = {"R": rule("514", star.receiver1.v4, {"ADDRESS": star.receiver2.v4, "SAMPLE": 3}),
             "S": rule("514-515", f"{star.receiver2.v4}/7", SAMPLE=2, ORIGINAL="drop")}
    fast = fast_path(rules)
    sent = [packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514 + n % 2, bytes(100))
            for n in range(EACH)]
    senders = _from_all_cpus(star.client1, sent)
    looks = 0
    while any(sender.is_alive() for sender in senders):
        found = fast.daemon.status()
        assert status.broken_equations(found, fast.daemon.config) == []
        looks += 1
    for sender in senders:
        sender.join()
        assert sender.exitcode == 0
    total = EACH * len(senders)
    fast.sent = total
    found = fast.daemon.wait_received(total)
    assert looks > 1 and queued_pkts(star.appliance) == 0
    r, s = (status.rule(found, name) for name in "RS")
    assert (r["matched_pkts"], r["duplicated_pkts"]) == (total // 2, total // 2)
    assert (s["matched_pkts"], s["duplicated_pkts"], s["sampled_out_pkts"]) == (
        total, total // 2, total // 2)
    assert r["matched_bytes"] == 128 * total // 2
    assert r["destinations"][0]["sent_bytes"] == 128 * total // 2
    assert r["destinations"][1]["sent_pkts"] == -(-total // 2 // 3)
    assert found["originals"] == {"forwarded_pkts": 0, "dropped_pkts": total}


@FAMILIES
def test_a_full_device_queue(star, fast_path, family):
    """What the device's queue drops is counted, and what is counted as sent has arrived."""
    at_receiver = star.receiver1.capture()
    star.appliance.run("tc", "qdisc", "add", "dev", "receiver1", "root", "tbf", "rate", "400kbit",
                       "burst", "3000", "limit", "3000")
    fast = fast_path(to_one(star, family))
    assert fast.send(*fast.plain(family, 1000)) == 0
    found = status.rule(fast.daemon.status(), "R")["destinations"][0]
    assert found["dropped"]["no_buffer"] > 0
    assert found["sent_pkts"] + found["dropped"]["no_buffer"] == found["due_pkts"] == 1000
    at_receiver.wait(found["sent_pkts"])
    assert len(at_receiver.take_udp()) == found["sent_pkts"]


def test_a_wire_that_is_cut(star, fast_path):
    """Its copies are counted, the other destination's arrive; back up, all do again, and the
    kernel serves again."""
    one, two = star.receiver1, star.receiver2
    at_two = two.capture()
    fast = fast_path({"R": rule("514", one.v4, two.v4)})
    stream = Stream(star.client1, star.server.v4, rate_pps=1000)
    fast.daemon.wait_status("copies", lambda s: s["received_pkts"] > 100)
    star.appliance.ip("link set receiver1 down")

    def there():
        return status.destination(fast.daemon.status(), "R", one.v4)
    wait_for("copies to be counted as lost", lambda: status.dropped(there()) > 100)
    star.appliance.ip("link set receiver1 up", f"neigh replace {one.v4} lladdr {one.mac} "
                      "nud permanent dev receiver1")
    received = one.receiver(514)
    wait_for("copies to arrive again", received.pull)
    fast.sent = stream.stop()
    found = fast.daemon.wait_received(fast.sent)
    at_two.wait(fast.sent)
    assert sorted(numbers(at_two.take_udp())) == list(range(fast.sent))
    lost = status.destination(found, "R", one.v4)
    assert lost["due_pkts"] == fast.sent == status.destination(found, "R", two.v4)["sent_pkts"]
    # Until the daemon has heard of it, a queue that takes nothing is all that the kernel has there.
    assert {reason for reason, n in lost["dropped"].items() if n} <= {
        "no_buffer", "unreachable", "no_route"}
    fast.goes("kernel")


def test_a_destination_that_is_down(star, fast_path):
    """By its health check: its copies are counted as that, in the kernel, and nobody gets them."""
    at_one, at_two = star.receiver1.capture(), star.receiver2.capture()
    fast = fast_path({"R": rule("514", {"ADDRESS": star.receiver1.v4, "CHECK": "tcp/9"},
                                star.receiver2.v4)})
    fast.daemon.wait_status("receiver1 to be down", lambda s: status.destination(
        s, "R", star.receiver1.v4)["state"] == "down")
    assert fast.send(*fast.plain(count=20)) == 0
    found = status.destination(fast.daemon.status(), "R", star.receiver1.v4)
    assert found["dropped"]["down"] == 20 == found["due_pkts"]
    assert at_one.take_udp() == [] and len(at_two.take_udp()) == 20


# ---- Neighbours ----

@FAMILIES
def test_a_neighbour_that_is_lost(star, fast_path, family):
    """Forgotten again and again in mid-stream: packets are queued until it is known again, and
    every copy arrives, once."""
    capture = star.receiver1.capture()
    fast = fast_path(to_one(star, family))
    stream = Stream(star.client1, star.server.address(family), rate_pps=1000)
    for _ in range(5):
        before = queued_pkts(star.appliance)
        neighbours.forget(star, star.receiver1, family)
        wait_for("a packet to be queued", lambda b=before: queued_pkts(star.appliance) > b)
        wait_for("the kernel to serve again", lambda: fast.sentence() == "in the kernel")
    fast.sent = stream.stop()
    fast.daemon.wait_received(fast.sent)
    capture.wait(fast.sent)
    assert sorted(numbers(capture.take_udp())) == list(range(fast.sent))
    fast.goes("kernel", family)


@FAMILIES
def test_a_neighbour_that_does_not_answer(star, fast_path, family):
    """Packets are queued for as long, and status says so."""
    host = star.receiver1
    fast = fast_path(to_one(star, family))
    neighbours.silence(host)
    neighbours.forget(star, host, family)
    fast.goes("queue", family)
    assert "is not known" in fast.sentence()
    assert fast.send(*fast.plain(family, 20)) == 20
    neighbours.let_speak(host)
    fast.goes("kernel", family)
    assert fast.sentence() == "in the kernel"
    assert fast.send(*fast.plain(family, 20)) == 0


@FAMILIES
def test_a_neighbour_that_is_asked_again(star, fast_path, family):
    """As long as the kernel waits for its answer packets are served as before."""
    host = star.receiver1
    neighbours.set_state(star, host, family, "reachable")
    fast = fast_path(to_one(star, family))
    neighbours.silence(host)
    neighbours.set_state(star, host, family, "probe")
    while "PROBE" in neighbours.state(star, host, family):
        assert fast.send(*fast.plain(family)) == 0 or \
            "PROBE" not in neighbours.state(star, host, family)
    fast.goes("queue", family)
    neighbours.let_speak(host)
    fast.goes("kernel", family)


@FAMILIES
def test_another_machine_takes_the_address(star, fast_path, family):
    """The next hop has a new link-layer address, as after a failover: copies follow."""
    host, mac = star.receiver1, "02:00:00:00:77:77"
    fast = fast_path(to_one(star, family))
    assert fast.send(*fast.plain(family)) == 0
    host.namespace.ip(f"link set eth0 address {mac}")
    receiver = host.receiver(514, family)
    neighbours.set_state(star, host, family, "permanent", mac)

    def arrives():
        fast.send(*fast.plain(family))
        return receiver.pull()
    wait_for("copies to arrive", arrives)
    receiver.wait(1)
    assert fast.send(*fast.plain(family, 20)) == 0 and len(receiver.wait(20)) == 20


def _reachable_s(star, interface, family):
    """For how long the kernel takes a neighbour at the interface to be reachable without asking."""
    text = star.appliance.run("ip", "-d", "ntable", "show", "dev", interface, "name",
                              "arp_cache" if family == 4 else "ndisc_cache").stdout
    return int(re.search(r" reachable (\d+) ", text)[1]) / 1000


def _choose_reachable_time(star, interface, low_s, high_s):
    """Until the kernel, which draws it at random around the base, has one between these."""
    for family, name in ((4, "ipv4"), (6, "ipv6")):
        def probe(family=family, name=name):
            star.appliance.sysctl(
                **{f"{name}__neigh__{interface}__base_reachable_time_ms": 9000 + family})
            star.appliance.sysctl(
                **{f"{name}__neigh__{interface}__base_reachable_time_ms": 9000})
            return low_s <= _reachable_s(star, interface, family) <= high_s
        wait_for("a reachable time", probe, there=lambda f=family: _reachable_s(
            star, interface, f))


def test_neighbours_are_kept_known(star, daemons):
    """Longer than the kernel takes them to be reachable: no packet is queued, and while it asks,
    none is either."""
    _choose_reachable_time(star, "receiver1", 8.8, 9.5)
    fast = FastPath(star, daemons(star), {
        "R": rule("514", star.receiver1.v4, star.receiver1.v6)})
    for family in (4, 6):
        neighbours.set_state(star, star.receiver1, family, "reachable")
    begun = time.monotonic()
    while time.monotonic() - begun < 10:
        for family in (4, 6):
            assert fast.send(*fast.plain(family)) == 0, time.monotonic() - begun
