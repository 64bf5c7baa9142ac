# SPDX-License-Identifier: MIT
"""Somebody else takes the netfilter rules away, or changes them, while packets are in transit
through the appliance of Star (tests/netns/lib/topology.py): it is noticed, said, counted and put
back, within a second."""

import contextlib
import os
import re
import threading
import time

import pytest

from lib import machine, packets
from lib.configs import rule, syslog
from lib.daemon import RULES_SCRIPT, rules_script
from lib.oracle import assert_copies
from lib.stream import Stream, numbers
from lib.waiting import scaled, wait_for
from lib.web import ask

TABLE = "inet trafficduplicator"
WITHIN_S = 1
RATE_PPS = 500

# What somebody does, and how many originals may be lost by it. None, but where it deletes a base
# chain: then the kernel drops what waits in queues; or where it is what drops them.
QUEUED, ALL = 20, 10 * RATE_PPS
TAKINGS = {
    "nft flush ruleset": QUEUED,
    f"nft delete table {TABLE}": QUEUED,
    f"nft flush table {TABLE}": 0,
    f"nft flush chain {TABLE} prerouting": 0,
    f"nft insert rule {TABLE} prerouting udp dport 514 return": 0,
    f"nft add rule {TABLE} prerouting udp dport 5140 goto duplicate": 0,
    f"nft 'add table {TABLE} {{ flags dormant; }}'": QUEUED,
    f"nft 'chain {TABLE} prerouting {{ policy drop; }}'": ALL,
    f"nft 'delete chain {TABLE} prerouting; add chain {TABLE} prerouting "
    "{ type filter hook prerouting priority -200; policy accept; }'": QUEUED,
    "iptables-nft -t raw -F": 0,
    "iptables-nft -t raw -D PREROUTING -j TRAFFICDUPLICATOR": 0,
    "nft delete table ip raw": QUEUED,
}


def _is_by_nft(star):
    """Whether this kernel has nft's own queue statement: then table raw is not used."""
    return star.appliance.run("nft", "list", "table", "ip", "raw", check=False).returncode != 0


def _sent(star, count, port=514):
    return [packets.udp_packet(star.client1.v4, star.server.v4, 6000 + n, port, b"afterwards")
            for n in range(count)]


def _wait_restored(daemon, count=1):
    daemon.wait_status(f"the rules to be put back, {count} in all",
                       lambda found: found["rules_restored"] >= count)


def _port_sets(star):
    """Names of the sets that hold port 514."""
    text = star.appliance.run("nft", "list", "table", *TABLE.split()).stdout
    return [name for name, body in re.findall(r"\t(?:set|map) (\w+) \{(.*?)\n\t\}", text, re.DOTALL)
            if re.search(r"\b514\b", body)]


def _serves(star, daemon, at_receiver):
    """Everything is duplicated again."""
    before = daemon.status()["received_pkts"]
    at_receiver.take()
    sent = _sent(star, 20)
    star.client1.inject(*sent)
    daemon.wait_status("20 more packets", lambda found: found["received_pkts"] == before + 20)
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.v4)


def _rules(star):
    """All rules; tables stand in the order in which they were made."""
    return {name: sorted(re.split(r"^(?=table |\*)", text, flags=re.MULTILINE))
            for name, text in machine.rulesets(star.appliance).items()}


def _take(star, daemon, what, *, loses):
    """Does it while packets flow; returns how long it took until the rules were back."""
    at_receiver, at_server = star.receiver1.capture(), star.server.capture()
    rules = _rules(star)
    stream = Stream(star.client1, star.server.v4, rate_pps=RATE_PPS)
    at_receiver.wait(20)
    begun = time.monotonic()
    star.appliance.run("sh", "-c", what)
    _wait_restored(daemon)
    took_s = time.monotonic() - begun
    copied = len(numbers(at_receiver.take_udp()))
    at_receiver.wait(20)
    count = stream.stop()
    went_on = numbers(at_server.take_udp())
    assert len(went_on) == len(set(went_on))
    assert count - len(went_on) <= loses, f"{count} sent, {len(went_on)} went on"
    assert copied > 0
    assert _rules(star) == rules
    _serves(star, daemon, at_receiver)
    assert f"table {TABLE} was " in daemon.stderr(), daemon.stderr()
    return took_s


@pytest.mark.once
@pytest.mark.parametrize("what", TAKINGS)
def test_taken(star, daemons, what):
    before = machine.rulesets(star.appliance)
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    if "raw" in what and _is_by_nft(star):
        pytest.skip("this kernel queues by nft: table raw is not used")
    begun = time.monotonic()
    assert daemon.reload().returncode == 0  # the same script, on as busy a machine
    busy_s = time.monotonic() - begun
    took_s = _take(star, daemon, what, loses=TAKINGS[what])
    assert took_s < max(scaled(WITHIN_S), 4 * busy_s), f"{took_s:.2f} s, a reload {busy_s:.2f} s"
    tool = what.split()[0]
    assert re.search(rf"(changed|taken away) by {tool}[\w-]* \(process \d+\): putting it back",
                     daemon.stderr()), daemon.stderr()
    assert daemon.status()["rules_restored"] == 1
    assert daemon.status()["health"] == "ok"
    daemon.stop()
    assert machine.rulesets(star.appliance) == before


def test_taken_whatever_the_way(star, daemons):
    """With the fast path, copies go on all the time."""
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    _take(star, daemon, "nft flush ruleset", loses=QUEUED)


@pytest.mark.once
def test_an_element_of_a_set(star, daemons):
    daemon = daemons(star).start({"A": rule("514", star.receiver1.v4),
                                  "B": rule("2055", star.receiver2.v4)})
    sets = _port_sets(star)
    assert sets
    for number, name in enumerate(sets, 1):
        star.appliance.run("nft", "flush", "set", *TABLE.split(), name)
        _wait_restored(daemon, number)
        assert name in _port_sets(star)
    _serves(star, daemon, star.receiver1.capture())


@pytest.mark.once
def test_what_is_none_of_our_business(star, daemons):
    """Others' tables, and others' rules in table raw: nothing is put back."""
    star.appliance.run("iptables-nft", "-t", "raw", "-N", "ADMIN")
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    for line in ("nft add table inet other", "nft add chain inet other c",
                 "nft delete table inet other",
                 "iptables-nft -t raw -A PREROUTING -p udp --dport 53 -j ACCEPT",
                 "iptables-nft -t raw -D PREROUTING -p udp --dport 53 -j ACCEPT",
                 "iptables-nft -t raw -X ADMIN",
                 f"nft add table ip {TABLE.split()[1]}"):
        star.appliance.run(*line.split())
    # That a change after all these has been dealt with tells that these have been, too.
    star.appliance.run("nft", "flush", "table", *TABLE.split())
    _wait_restored(daemon)
    assert daemon.status()["rules_restored"] == 1
    assert daemon.stderr().count("putting it back") == 1, daemon.stderr()


def _cpu_s(daemon):
    fields = open(f"/proc/{daemon.process.pid}/stat", encoding="ascii").read().rpartition(")")[2]
    return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.once
def test_many_changes_of_others(star, daemons):
    """Thousands of changes, as a firewall's blocklist has them, cost next to nothing; and where
    more come than can be heard, what concerns us among them is noticed all the same."""
    star.appliance.run("nft", "-f", "-", stdin="table inet other { set s { type ipv4_addr; }; }")
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    elements = ", ".join(f"10.99.{n >> 8}.{n & 255}" for n in range(4000))
    change = f"add element inet other s {{ {elements} }}\nflush set inet other s\n"
    begun, cpu_s, rounds = time.monotonic(), _cpu_s(daemon), 10
    for _ in range(rounds):
        star.appliance.run("nft", "-f", "-", stdin=change)
    took_s, used_s = time.monotonic() - begun, _cpu_s(daemon) - cpu_s
    # Twenty looks a second, of a few milliseconds each even under a sanitizer.
    assert used_s < 0.25 * took_s, f"{used_s:.2f} s of {took_s:.2f} s"
    assert daemon.status()["rules_restored"] == 0
    star.appliance.run("nft", "-f", "-", stdin=change + f"delete table {TABLE}\n" + change)
    _wait_restored(daemon)
    _serves(star, daemon, star.receiver1.capture())


@contextlib.contextmanager
def _fighting(star, daemon):
    """Somebody who takes the table away whenever it has come back."""
    end = threading.Event()

    def fight():
        done = 0
        while not end.is_set():
            if daemon.status()["rules_restored"] == done:
                done += 1
                star.appliance.run("nft", "delete", "table", *TABLE.split())
            end.wait(0.02)  # the pace of the other, not a wait for anything
    thread = threading.Thread(target=fight, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@pytest.mark.once
@pytest.mark.long
def test_a_fight(star, daemons):
    """It is not fought to the death; and when the other gives in, the rules come back."""
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    with _fighting(star, daemon):
        wait_for("the daemon to give way", lambda: "again and again" in daemon.stderr(), 30,
                 daemon.stderr)
        assert daemon.stderr().count("putting it back") == 5, daemon.stderr()
        answer = ask(star.appliance, "/healthz")
        assert (answer.status, answer.body) == (
            503, f"table {TABLE} was changed or taken away by another program\n")
    daemon.wait_status("the rules to be put back", lambda found: found["health"] == "ok", 20)
    _serves(star, daemon, star.receiver1.capture())


@pytest.mark.once
def test_the_script_fails(star, daemons, tmp_path):
    """While the rules cannot be put back that is tried again, and said by /healthz."""
    script, broken = tmp_path / "script", tmp_path / "broken"
    script.write_text(f'#!/bin/sh\n[ ! -e {broken} ] || exit 1\nexec {RULES_SCRIPT} "$@"\n')
    script.chmod(0o755)
    daemon = daemons(star).start(syslog(star.receiver1.v4), "--rules-script", script)
    broken.touch()
    star.appliance.run("nft", "flush", "ruleset")
    wait_for("/healthz to say so", lambda: ask(star.appliance, "/healthz").status == 503)
    broken.unlink()
    daemon.wait_status("the rules", lambda found: found["health"] == "ok")
    assert daemon.status()["rules_restored"] == 1
    _serves(star, daemon, star.receiver1.capture())


@pytest.mark.once
def test_rules_of_the_admin(star, daemons):
    """With --no-rules it is noticed and said, and left to the admin."""
    daemon = daemons(star)
    daemon.configure(syslog(star.receiver1.v4))
    assert rules_script("up", daemon.config_path, star.appliance).returncode == 0
    daemon.start(None, "--no-rules")
    star.appliance.run("nft", "flush", "ruleset")
    daemon.wait_status("it to be said", lambda found: found["health"] ==
                       f"table {TABLE}, which was there before, is missing")
    assert ask(star.appliance, "/healthz").status == 503
    assert "runs with --no-rules" in daemon.stderr()
    assert rules_script("up", daemon.config_path, star.appliance).returncode == 0
    daemon.wait_status("all to be well", lambda found: found["health"] == "ok")
    assert daemon.status()["rules_restored"] == 0
    _serves(star, daemon, star.receiver1.capture())
    assert rules_script("down", None, star.appliance).returncode == 0


@pytest.mark.once
def test_by_the_script(star, daemons):
    """The admin runs the script by hand, for another file, or to take all away."""
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    other = daemon.directory / "other.config"
    other.write_text('{"Other": {"SOURCEPORT": "2055", "DESTINATION": ["10.2.2.2"]}}')
    for number, (verb, config) in enumerate([("reload", other), ("down", None)], 1):
        assert rules_script(verb, config, star.appliance).returncode == 0
        _wait_restored(daemon, number)
    _serves(star, daemon, star.receiver1.capture())


@pytest.mark.once
def test_a_reload_is_no_change(star, daemons):
    """Nor is what the daemon does itself for a name's new address or a reload."""
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    for port in ("514", "515", "514-520"):
        daemon.configure({"DuplicateSyslog": rule(port, star.receiver1.v4)})
        assert daemon.reload().returncode == 0
    star.appliance.run("nft", "flush", "table", *TABLE.split())
    _wait_restored(daemon)
    assert daemon.status()["rules_restored"] == 1
    assert daemon.stderr().count("putting it back") == 1, daemon.stderr()
