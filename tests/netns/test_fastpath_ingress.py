# SPDX-License-Identifier: MIT
"""Where the fast path's program is: at all Ethernet interfaces while the daemon lives, beside what
others have there, and nowhere else; what becomes of packets when the daemon dies or hangs.

On the way of kernels before 6.6, a clsact qdisc, too: by lib/old_kernel.py. The network is Star,
drawn in lib/topology.py.
"""

import re
import time

import pytest

from lib import packets
from lib.capture import Injector
from lib.configs import rule
from lib.fastpath import (OLD_KERNEL, FastPath, filters, interfaces, is_loaded, linked_programs,
                          queued_pkts)
from lib.oracle import assert_copies
from lib.waiting import scaled, wait_for

pytestmark = pytest.mark.once
MEANS = pytest.mark.parametrize("means", ["link", "qdisc"])
OURS = "pref 29796 bpf"  # INGRESS_PRIORITY of include/control/ingress.h


@pytest.fixture
def fast_path(star, daemons):
    """Starts a daemon with FASTPATH auto that has links, or none."""
    def start(means="link", rules=None, **values):
        wrapper = OLD_KERNEL if means == "qdisc" else ()
        return FastPath(star, daemons(star, wrapper=wrapper),
                        rules or {"R": rule("514", "10.2.1.2/514")}, **values)
    return start


def places(namespace):
    """{interface: how it has the program, "link" or "qdisc", or None}."""
    return {name: "link" if linked_programs(namespace, name) else
            "qdisc" if OURS in (filters(namespace, name) or "") else None
            for name in interfaces(namespace)}


def assert_nothing_left(namespace):
    """No program of ours anywhere, and no qdisc."""
    for name in interfaces(namespace):
        assert linked_programs(namespace, name) == [] and filters(namespace, name) is None, name


@MEANS
def test_it_comes_and_goes(star, fast_path, means):
    """At every interface, and with the daemon's end no program, link or qdisc is left."""
    capture = star.receiver1.capture()
    fast = fast_path(means)
    assert set(places(star.appliance).values()) == {means}
    assert fast.daemon.status()["fastpath"] == "on"
    sent = fast.plain(count=10)
    assert fast.send(*sent) == 0
    assert_copies(sent, capture.take_udp(), star.receiver1.v4)
    programs = linked_programs(star.appliance, "client1")
    fast.daemon.stop()
    assert_nothing_left(star.appliance)
    for program in programs:
        wait_for(f"program {program} to be gone", lambda p=program: not is_loaded(p))


def test_off_on_an_old_kernel(star, fast_path):
    """Adding a qdisc costs packets that are on their way out, so none is added for what a link
    would do at no cost."""
    fast = fast_path("qdisc", FASTPATH="off")
    assert_nothing_left(star.appliance)
    assert fast.send(*fast.plain(count=5)) == 5
    fast.reload({"R": rule("514", "10.2.1.2/514")}, FASTPATH="auto")
    wait_for("the program", lambda: set(places(star.appliance).values()) == {"qdisc"})
    fast.goes("kernel")


@MEANS
def test_an_interface_that_appears_later(star, fast_path, means):
    """Has the program, and packets that arrive by it are served; one that goes is let go."""
    fast = fast_path(means)
    star.appliance.ip(
        "link add late address 02:00:00:00:88:01 type veth peer name eth1 "
        f"address 02:00:00:00:88:02 netns {star.client1.namespace.name}",
        "addr add 10.8.0.1/24 dev late", "link set late up")
    star.client1.namespace.ip("link set eth1 up")
    wait_for("the program", lambda: places(star.appliance)["late"] == means)
    late = star.keep(Injector(star.client1.namespace, "eth1", bytes.fromhex("020000008802"),
                              bytes.fromhex("020000008801")))
    capture = star.receiver1.capture()
    sent = [packets.udp_packet("10.8.0.2", star.server.v4, 5000, 514, bytes([n]))
            for n in range(10)]
    assert fast.queued_of(lambda: late.send(*sent), 10) == 0
    assert_copies(sent, capture.take_udp(), star.receiver1.v4)
    late.close()
    star.appliance.ip("link del late")
    assert fast.send(*fast.plain(count=3)) == 0


@MEANS
def test_one_that_joins_a_bridge(star, fast_path, means):
    """Loses the program, and has it again when it leaves."""
    fast_path(means)
    star.appliance.ip("link add br0 type bridge", "link set client2 master br0")
    wait_for("the program to go", lambda: places(star.appliance) == {
        name: None if name in ("br0", "client2") else means
        for name in interfaces(star.appliance)}, there=lambda: places(star.appliance))
    star.appliance.ip("link set client2 nomaster")
    wait_for("the program", lambda: places(star.appliance)["client2"] == means)


def _add_admins_filter(star, side):
    """One that sends what it sees to client2 as well, where nobody takes it."""
    star.appliance.run("tc", "filter", "add", "dev", "client1", side, "prio", "10", "protocol",
                       "all", "u32", "match", "u32", "0", "0", "action", "mirred", "egress",
                       "mirror", "dev", "client2", "continue")


def _seen_by_the_admins_filter(star):
    text = star.appliance.run("tc", "-s", "filter", "show", "dev", "client1", "ingress").stdout
    return int(re.search(r"mirred.*?Sent \d+ bytes (\d+) pkt", text, re.DOTALL)[1])


@MEANS
def test_beside_an_admins_filter(star, fast_path, means):
    """Theirs sees each packet that goes on, once, and is there when we are gone."""
    star.appliance.run("tc", "qdisc", "add", "dev", "client1", "clsact")
    _add_admins_filter(star, "ingress")
    fast = fast_path(means)
    assert places(star.appliance)["client1"] == means
    before = _seen_by_the_admins_filter(star)
    assert fast.send(*fast.plain(count=10)) == 0
    # Once, and beside them what hosts say by themselves.
    assert 10 <= _seen_by_the_admins_filter(star) - before < 20
    fast.daemon.stop()
    assert OURS not in filters(star.appliance, "client1")
    assert "mirred" in filters(star.appliance, "client1")
    assert [filters(star.appliance, name) for name in interfaces(star.appliance)].count(None) == \
        len(interfaces(star.appliance)) - 1


def test_an_admin_who_comes_later(star, fast_path):
    """Uses the clsact qdisc that was ours: it stays."""
    fast = fast_path("qdisc")
    _add_admins_filter(star, "egress")
    fast.daemon.stop()
    assert filters(star.appliance, "client1") == ""
    assert filters(star.appliance, "client2") is None


def test_an_admin_who_takes_it_away(star, fast_path):
    """Packets are queued then; with the next change of the network the program is back."""
    fast = fast_path("qdisc")
    star.appliance.run("tc", "qdisc", "del", "dev", "client1", "clsact")
    assert fast.send(*fast.plain(count=5)) == 5
    star.appliance.ip("addr add 10.77.0.1/24 dev client2")
    wait_for("the program", lambda: places(star.appliance)["client1"] == "qdisc")
    fast.goes("kernel")


def test_killed(star, fast_path):
    """With the daemon its links go at once: nothing is copied any more, and originals go on."""
    fast = fast_path()
    one, at_server = star.receiver1.capture(), star.server.capture()
    assert fast.send(*fast.plain(count=5)) == 0
    assert len(one.take_udp()) == len(at_server.take_udp()) == 5
    fast.daemon.kill()
    assert_nothing_left(star.appliance)
    star.client1.inject(*fast.plain(count=5))
    assert len(at_server.take_udp()) == 5 and one.take_udp() == []


@pytest.mark.vm
def test_killed_on_an_old_kernel(star, fast_path):
    """Its program stays, and stops copying by itself; the next daemon takes it over, and leaves
    nothing of either."""
    fast = fast_path("qdisc")
    one, at_server = star.receiver1.capture(), star.server.capture()
    fast.daemon.kill()
    assert set(places(star.appliance).values()) == {"qdisc"}

    def copied():
        star.client1.inject(*fast.plain())
        return one.take_udp()
    begun = time.monotonic()
    wait_for("copying to end", lambda: not copied())
    assert time.monotonic() - begun < scaled(5)
    at_server.take()
    star.client1.inject(*fast.plain(count=5))
    assert len(at_server.take_udp()) == 5 and one.take_udp() == []
    fast = FastPath(star, fast.daemon, fast.daemon.config)
    assert set(places(star.appliance).values()) == {"qdisc"}
    text = filters(star.appliance, "client1")
    assert text.count("direct-action") == 1, text
    assert fast.send(*fast.plain(count=5)) == 0
    fast.daemon.stop()
    assert_nothing_left(star.appliance)


def test_an_admins_empty_qdisc_outlives_a_killed_daemon(star, fast_path):
    """Which of the two made it, the daemon after it can tell."""
    star.appliance.run("tc", "qdisc", "add", "dev", "client1", "clsact")
    fast = fast_path("qdisc")
    fast.daemon.kill()
    fast.daemon.start()
    fast.daemon.stop()
    assert filters(star.appliance, "client1") == ""
    assert filters(star.appliance, "receiver1") is None


@MEANS
def test_hung(star, fast_path, means):
    """For three seconds after its last word packets are served in the kernel; then they are
    queued, and once it goes on, each has its copy, and the kernel serves again."""
    fast = fast_path(means)
    capture = star.receiver1.capture()
    fast.daemon.freeze()
    begun, sent = time.monotonic(), 0

    def send():
        nonlocal sent
        star.client1.inject(*fast.plain())
        sent += 1
        return queued_pkts(star.appliance)
    assert send() == 0
    wait_for("packets to be queued", send)
    assert time.monotonic() - begun < scaled(5)
    copies = len(capture.take_udp())
    assert 1 <= copies == sent - 1
    fast.daemon.thaw()
    fast.sent += sent
    fast.daemon.wait_received(fast.sent)
    fast.goes("kernel")
    assert len(capture.take_udp()) == fast.sent - copies


def _without(*capabilities):
    """Runs a program, and all that it starts, without these."""
    return ["setpriv", "--bounding-set", ",".join(f"-{name}" for name in capabilities)]


def test_without_the_right_to_load_programs(star, daemons):
    """Says so in one line and in status; all is queued, and nothing else is different."""
    one = star.receiver1.capture()
    daemon = daemons(star, wrapper=_without("bpf", "perfmon", "sys_admin"))
    fast = FastPath(star, daemon, {"R": rule("514", "10.2.1.2/514")})
    why = "Operation not permitted"
    said = [line for line in daemon.stderr().splitlines() if "fast path" in line]
    assert len(said) == 1 and why in said[0] and "all packets are queued" in said[0], said
    found = daemon.status()
    assert found["fastpath"].startswith(f"unavailable: {why}")
    assert found["rules"][0]["fastpath"] == found["fastpath"]
    assert places(star.appliance) == dict.fromkeys(interfaces(star.appliance))
    sent = fast.plain(count=10)
    assert fast.send(*sent) == 10
    assert_copies(sent, one.take_udp(), star.receiver1.v4)
    assert fast.reload({"R": rule("514", "10.2.1.2/514"), "S": rule("515", "10.2.1.2")})
    assert fast.send(*fast.plain(port=515)) == 1


def test_with_the_rights_of_the_service(star, daemons):
    """What the unit gives is enough."""
    rights = "+net_admin,+net_raw,+bpf,+perfmon"
    daemon = daemons(star, wrapper=["setpriv", "--bounding-set", f"-all,{rights}",
                                    "--inh-caps", f"-all,{rights}"])
    fast = FastPath(star, daemon, {"R": rule("514", "10.2.1.2/514")})
    assert daemon.status()["fastpath"] == "on"
    assert fast.send(*fast.plain(count=10)) == 0
    fast.reload({"R": rule("515", "10.2.1.2/514")})
    assert fast.send(*fast.plain(count=10, port=515)) == 0
    star.appliance.ip("link add late type veth peer name later")
    wait_for("the program", lambda: places(star.appliance)["late"] == "link")
