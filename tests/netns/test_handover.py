# SPDX-License-Identifier: MIT
"""One daemon takes over from another, and no packet is lost. The network is Star, drawn in
lib/topology.py; packets are in transit from client1 to server, copies go to receiver1."""

import os
import signal
import struct
import threading

import pytest

from lib import machine, packets, status
from lib.arrivals import Traffic
from lib.configs import rule, settings, syslog
from lib.daemon import command, rules_script
from lib.dns import DnsServer, files_in_etc
from lib.manager import Manager
from lib.stream import numbers
from lib.waiting import wait_for
from lib.ways import WAY


@pytest.fixture(name="manager")
def _manager():
    made = Manager()
    yield made
    made.close()


def _ask(daemon):
    """As the service's ExecStop= does."""
    return command("handover", "-c", daemon.config_path, "--socket", daemon.socket,
                   program=daemon.program)


def _hand_over(daemon):
    asked = _ask(daemon)
    assert asked.returncode == 0, asked.stderr
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == 0


def test_nothing_is_lost(star, daemons, manager):
    config = settings(syslog(star.receiver1.v4), WORKERS=1)
    first = manager.start(daemons(star), config)
    traffic = Traffic(star)
    for _ in range(3):
        _hand_over(first)
        assert manager.mark
        second = manager.start(daemons(star), config)
        assert not manager.mark and not manager.store
        traffic.wait_more(200)
        first = second
    sent = traffic.end()
    found = first.wait_status("all that was sent", lambda s: s["received_pkts"] >= sent)
    assert status.broken_equations(found, config) == []
    assert found["received_pkts"] == found["originals"]["forwarded_pkts"] == sent
    assert status.destination(found, "DuplicateSyslog", star.receiver1.v4)["sent_pkts"] == sent
    assert found["queue"] == {"waiting_pkts": 0, "dropped_kernel_pkts": 0}
    if WAY == "fastpath":
        assert found["rules"][0]["fastpath"] == "in the kernel"


def _waiting(star):
    """Packets in all queues, as the kernel counts them."""
    text = star.appliance.run("cat", "/proc/net/netfilter/nfnetlink_queue").stdout
    return sum(int(line.split()[2]) for line in text.splitlines())


def _bound(star):
    text = star.appliance.run("cat", "/proc/net/netfilter/nfnetlink_queue").stdout
    return [int(line.split()[0]) for line in text.splitlines()]


def _in_transit(star, count, first=0):
    """Packets of several clients, so that more than one queue has some."""
    return [packets.udp_packet(f"10.1.1.{10 + n % 50}", star.server.v4, 5000, 514,
                               struct.pack("!Q", first + n)) for n in range(count)]


def _came_once(sent, data):
    assert sorted(numbers(data)) == list(range(sent))


def test_what_comes_in_between(star, daemons, manager):
    """It waits, or the kernel's own program serves it; the next daemon counts it in either case."""
    config = settings(syslog(star.receiver1.v4), WORKERS=2)
    originals, copies = star.server.capture(), star.receiver1.capture()
    first = manager.start(daemons(star), config)
    star.client1.inject(*_in_transit(star, 100))
    copies.wait(100)
    _hand_over(first)
    star.client1.inject(*_in_transit(star, 200, first=100))
    if WAY == "fastpath":
        copies.wait(300)
    else:
        wait_for("200 to wait", lambda: _waiting(star) == 200, there=lambda: _waiting(star))
    second = manager.start(daemons(star), config)
    found = second.wait_received(300)
    assert found["originals"]["forwarded_pkts"] == 300
    assert status.destination(found, "DuplicateSyslog", star.receiver1.v4)["sent_pkts"] == 300
    _came_once(300, originals.take_udp())
    _came_once(300, copies.take_udp())


@pytest.mark.way("ip", "link", reason="the kernel's own program serves them, nothing waits")
@pytest.mark.parametrize("failure", ["bad file", "rules script"])
def test_next_one_that_fails_lets_go(star, daemons, manager, failure):
    """What waits goes on to where it was going, and the queues with it."""
    config = settings(syslog(star.receiver1.v4), WORKERS=2)
    originals = star.server.capture()
    first = manager.start(daemons(star), config)
    _hand_over(first)
    star.client1.inject(*_in_transit(star, 200))
    wait_for("200 to wait", lambda: _waiting(star) == 200, there=lambda: _waiting(star))
    second = daemons(star)
    if failure == "bad file":
        manager.begin(second, "{")
    else:
        manager.begin(second, config, "--rules-script", "/bin/false")
    assert second.wait_exit() == (3 if failure == "bad file" else 1)
    _came_once(200, originals.take_udp())
    assert _bound(star) == []
    star.client1.inject(*_in_transit(star, 10))
    _came_once(10, originals.take_udp())
    assert rules_script("down", first.config_path, star.appliance).returncode == 0


@pytest.mark.way("ip", "link", reason="the kernel's own program serves them, nothing waits")
@pytest.mark.parametrize("when_full", ["drop", "forward"])
def test_more_comes_than_can_wait(star, daemons, manager, when_full):
    """What the kernel could not keep for the next daemon is counted by that one."""
    config = settings(syslog(star.receiver1.v4), WORKERS=1, QUEUELENGTH=64, WHENFULL=when_full)
    first = manager.start(daemons(star), config)
    star.client1.inject(*_in_transit(star, 50))
    first.wait_received(50)
    _hand_over(first)
    star.client1.inject(*_in_transit(star, 2000, first=50))
    second = manager.start(daemons(star), config)
    star.client1.inject(*_in_transit(star, 50, first=2050))
    found = second.wait_received(2100)
    assert found["queue"]["dropped_kernel_pkts"] > 0
    third = daemons(star)
    _hand_over(second)
    manager.start(third, config).wait_received(2100)


@pytest.mark.once
def test_overload_is_accounted_for(star, daemons, manager):
    """More than can be served, before, while and after one daemon takes over from another: every
    packet was received or is counted as dropped."""
    config = settings(syslog(star.receiver1.v4), WORKERS=1, QUEUELENGTH=4096)
    burst, sent, end = _in_transit(star, 500), 0, threading.Event()

    def overload():
        nonlocal sent
        while not end.is_set():
            star.client1.inject(*burst)
            sent += len(burst)
    thread = threading.Thread(target=overload)
    daemon = manager.start(daemons(star), config)
    thread.start()
    try:
        for n in range(3):
            daemon.wait_status("losses", lambda s, n=n: s["received_pkts"] > 0 and
                               s["queue"]["dropped_kernel_pkts"] > n * 1000)
            _hand_over(daemon)
            daemon = manager.start(daemons(star), config)
    finally:
        end.set()
        thread.join()
    daemon.wait_received(sent)


def test_next_one_with_fewer_queues(star, daemons, manager):
    """Because it may use fewer processors. What waits in the queues that are too many goes on, and
    they end."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("there is only one CPU, so there is never more than one queue")
    config = settings(syslog(star.receiver1.v4), WORKERS=0)
    originals = star.server.capture()
    first = manager.start(daemons(star), config)
    _hand_over(first)
    star.client1.inject(*_in_transit(star, 100))
    os.sched_setaffinity(0, cpus[:1])
    try:
        second = manager.start(daemons(star), config)
    finally:
        os.sched_setaffinity(0, cpus)
    assert _bound(star) == [7514]
    star.client1.inject(*_in_transit(star, 100, first=100))
    originals.wait(200)
    _came_once(200, originals.take_udp())
    second.expect_anything()


def test_counters_go_on_by_name(star, daemons, manager):
    """Also where the next daemon has other rules."""
    first = manager.start(daemons(star), {
        "A": rule("514", f"{star.receiver1.v4}/514"),
        "B": rule("515", f"{star.receiver1.v4}/515", f"{star.receiver2.v4}/515"),
    })
    for port in 514, 515:
        star.client1.inject(packets.udp_packet(star.client1.v4, star.server.v4, 5000, port, b"."))
    first.wait_received(2)
    _hand_over(first)
    second = manager.start(daemons(star), {
        "C": rule("516", f"{star.receiver1.v4}/516"),
        "B": rule("515", f"{star.receiver2.v4}/515"),
    })
    found = second.status()
    assert found["received_pkts"] == found["originals"]["forwarded_pkts"] == 2
    assert status.rule(found, "B")["matched_pkts"] == 1
    assert status.destination(found, "B", star.receiver2.v4)["sent_pkts"] == 1
    assert status.rule(found, "C")["matched_pkts"] == 0


@pytest.mark.once
def test_names_keep_their_addresses(star, daemons, manager):
    """The next daemon need not wait for an answer; here nobody gives it one."""
    dns = star.keep(DnsServer(star.server)).start()
    dns.set(collector__test=star.receiver1.v4)
    config = syslog("collector.test/514")
    copies = star.receiver1.capture()
    with files_in_etc(star.appliance, resolv_conf=f"nameserver {star.server.v4}\n", hosts=""):
        first = manager.start(daemons(star), config)
        first.wait_status("the address", lambda s: status.rule(s, "DuplicateSyslog")[
            "destinations"][0]["address"] == star.receiver1.v4, timeout_s=30)
        dns.stop()
        _hand_over(first)
        star.client1.inject(*_in_transit(star, 10))
        second = manager.start(daemons(star), config)
        second.wait_received(10)
        _came_once(10, copies.take_udp())


@pytest.mark.once
def test_killed_after_it_took_over(star, daemons, manager):
    """Then nobody keeps the queues any more: originals go on."""
    config = syslog(star.receiver1.v4)
    originals = star.server.capture()
    first = manager.start(daemons(star), config)
    _hand_over(first)
    second = manager.start(daemons(star), config)
    second.kill()
    assert _bound(star) == []
    star.client1.inject(*_in_transit(star, 10))
    _came_once(10, originals.take_udp())
    manager.start(daemons(star), config)


@pytest.mark.once
def test_store_that_keeps_nothing(star, daemons, manager):
    """A unit without FileDescriptorStoreMax=: the queues end, originals go on."""
    config = syslog(star.receiver1.v4)
    originals = star.server.capture()
    first = manager.start(daemons(star), config)
    manager.keeps = False
    _hand_over(first)
    assert _bound(star) == []
    star.client1.inject(*_in_transit(star, 10))
    _came_once(10, originals.take_udp())
    manager.start(daemons(star), config)


@pytest.mark.once
@pytest.mark.parametrize("key, value", [("QUEUE", 100), ("WORKERS", 1), ("MARK", "0x77")])
def test_other_queues_are_refused(star, daemons, manager, key, value):
    before = machine.rulesets(star.appliance)
    daemon = manager.start(daemons(star), settings(syslog(star.receiver1.v4), WORKERS=2))
    daemon.configure(settings(syslog(star.receiver1.v4), **{"WORKERS": 2, key: value}))
    asked = _ask(daemon)
    assert asked.returncode == 1 and f"SETTINGS.{key} has changed" in asked.stderr
    daemon.stop()
    assert machine.rulesets(star.appliance) == before
    assert manager.store == []


@pytest.mark.once
def test_bad_file_is_refused(star, daemons, manager):
    daemon = manager.start(daemons(star), syslog(star.receiver1.v4))
    daemon.configure(syslog("10.2.1.2/0"))
    asked = _ask(daemon)
    assert asked.returncode == 3 and "DESTINATION" in asked.stderr


@pytest.mark.once
def test_nobody_to_keep_the_queues(star, daemons):
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    asked = _ask(daemon)
    assert asked.returncode == 1 and "no service manager keeps the queues" in asked.stderr
    manual = daemons(star)
    daemon.stop()
    manual.start(syslog(star.receiver1.v4), "--no-rules")
    assert "with --no-rules the rules are not the daemon's" in _ask(manual).stderr
