# SPDX-License-Identifier: MIT
"""`doctor` on a machine with one thing broken: it must find that, and name what mends it.

The network is Star, drawn in lib/topology.py; the appliance is the patient.
"""

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess

import pytest

from lib import machine, packets
from lib.configs import rule, settings, syslog
from lib.daemon import PROGRAM, command, environment
from lib.visits import Visit, assert_only, examine, feed, mend, nft, rules_held

pytestmark = pytest.mark.once


@pytest.mark.vm
def test_healthy(star, two, visit):
    """Nothing is wrong: exit 0, and every subject has something to say. Nothing was changed."""
    before = machine.rulesets(star.appliance), machine.settings(star.appliance)
    found = visit(two)
    after = machine.rulesets(star.appliance), machine.settings(star.appliance)
    assert not found.of("warning", "problem") and found.code == 0, found.of("warning", "problem")
    assert found.answer["problems"] == found.answer["warnings"] == 0
    assert {f["subject"] for f in found.findings} == {
        "program", "kernel", "rules", "queue", "settings", "destinations", "firewall", "traffic",
        "cloud", "receivers", "http", "clients"}
    assert {f["about"] for f in found.findings if f["id"] == "way"} == {
        f"{star.receiver1.v4}/514", f"{star.receiver2.v4}/514"}
    assert {"receiver_rp_filter", "receiver_route_back", "receiver_firewall"} <= {
        f["id"] for f in found.of("check")}
    assert not machine.changed_settings(before[1], after[1])
    assert after[0] == before[0]


def test_healthy_with_wide_wires(big_star, daemons):
    daemon = daemons(big_star).start(syslog(f"{big_star.receiver1.v4}/514",
                                            f"{big_star.receiver2.v6}/514"))
    feed(big_star, daemon)
    feed(big_star, daemon, family=6)
    assert_only(examine(big_star, daemon))


def test_text(star, two):
    """For people: each finding with what mends it; colour on a terminal only."""
    star.appliance.sysctl(ipv4__ip_forward=0)
    arguments = ["doctor", "-c", two.config_path, "--socket", two.socket]
    plain = command(*arguments, namespace=star.appliance)
    assert plain.returncode == 0 and not plain.stderr
    assert re.search(r"warning .*IPv4 forwarding is off\n.*transit.*\n.*sysctl -w net\.ipv4\.ip_for",
                     plain.stdout), plain.stdout
    assert "\x1b" not in plain.stdout and "warnings 1" in plain.stdout
    assert "\x1b[33mwarning" in on_a_terminal(star.appliance, PROGRAM, *arguments)


def on_a_terminal(namespace, *arguments):
    """What a program writes where its output is a terminal."""
    ours, theirs = pty.openpty()
    env = {**environment(), "TERM": "xterm"}
    env.pop("NO_COLOR", None)
    with namespace.entered():
        child = subprocess.Popen([str(a) for a in arguments], stdout=theirs, env=env,
                                 stdin=subprocess.DEVNULL)
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # the end of a terminal is an error
        while chunk := os.read(ours, 4096):
            written += chunk
    os.close(ours)
    child.wait(60)
    return written.decode()


def test_no_daemon(star, daemons, visit):
    daemon = daemons(star)
    daemon.configure(syslog(f"{star.receiver1.v4}/514"))
    found = visit(daemon)
    assert_only(found, "daemon_not_running", "rules_missing", "queue_not_bound", "not_examined")
    assert "systemctl start" in found.one("daemon_not_running")["mend"]


def test_hung_daemon(star, two, visit):
    """A stopped process does not answer."""
    two.freeze()
    found = visit(two)
    two.thaw()
    assert_only(found, "daemon_no_answer", "not_examined")


IMPOSTOR = """
import socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen(8)
print("listening", flush=True)
while True:
    asking = listening.accept()[0]
    if asking.recv(100):
        asking.sendall(b"ok %d\\n" % len(sys.argv[2]) + sys.argv[2].encode())
    asking.close()
"""


def test_daemon_of_another_version_without_capabilities(star, two, visit):
    """Answered by something that has neither."""
    socket, status = two.socket.with_name("impostor.sock"), json.dumps(
        {**two.status(), "version": "0.0.1"})
    two.directory.chmod(0o777)
    with star.appliance.entered():
        impostor = subprocess.Popen(
            ["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps=-all", "--pdeathsig",
             "KILL", "/usr/bin/python3", "-c", IMPOSTOR, str(socket), status],
            stdout=subprocess.PIPE, text=True)
    try:
        assert impostor.stdout.readline() == "listening\n"
        found = visit(two, "--socket", socket)
    finally:
        impostor.kill()
        impostor.communicate()
    assert_only(found, "daemon_version", "daemon_capabilities", "queue_taken")
    assert "0.0.1" in found.one("daemon_version")["title"]


def test_the_program_is_replaced(star, daemons, visit):
    daemon = daemons(star)
    program = daemon.directory / "trafficduplicator"
    shutil.copy(daemon.program, program)
    daemon.program = program
    daemon.start({"R": rule("514", "10.2.1.2/514")})
    assert not visit(daemon).has("program_replaced")
    fresh = daemon.directory / "fresh-program"
    shutil.copy(program, fresh)
    fresh.rename(program)
    assert "systemctl restart" in visit(daemon).one("program_replaced")["mend"]


def test_packets_wait(star, daemons, visit):
    daemon = daemons(star).start(settings(syslog(f"{star.receiver1.v4}/514"), QUEUELENGTH=64,
                                          WORKERS=1))
    daemon.freeze()
    star.client1.inject(*(packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, b"x")
                          for _ in range(100)))
    found = visit(daemon)
    daemon.thaw()
    assert found.one("queue_stuck")["level"] == "problem"
    assert "36 found the queue full" in found.one("queue_dropped")["meaning"]
    daemon.wait_received(100)


def test_invalid_config(star, daemons, visit):
    """Exit 3; every error is a finding, and what needs no configuration is examined still."""
    daemon = daemons(star)
    daemon.configure(json.dumps({"A": rule("0", "10.2.1.2/514"), "B": rule("514", "10.2.1.2/0")}))
    found = visit(daemon)
    assert found.code == 3
    errors = [f for f in found.findings if f["id"] == "config_invalid"]
    assert len(errors) == 2 and all(f["level"] == "problem" for f in errors)
    assert found.has("kernel_queue") and found.has("cloud")
    assert any("valid configuration" in f["title"] for f in found.of("warning"))


def test_missing_config(star, daemons, visit):
    found = visit(daemons(star))
    assert found.code == 1 and found.one("config_unreadable")["level"] == "problem"


def test_without_root(star, two):
    """Says what could not be examined."""
    two.config_path.parent.chmod(0o755)
    done = star.appliance.run(
        "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all",
        "--bounding-set=-all", PROGRAM, "doctor", "--json", "-c", two.config_path, "--socket",
        two.socket, check=False, env=environment())
    found = Visit(done)
    skipped = [f for f in found.of("warning") if f["id"] == "not_examined" and "root" in f["title"]]
    assert {f["subject"] for f in skipped} == {"kernel", "rules", "queue", "firewall"}
    assert all("sudo" in f["mend"] for f in skipped)
    assert found.one("daemon_not_asked")["level"] == "warning"
    assert found.one("way", f"{star.receiver1.v4}/514")
    assert found.code == 0


@pytest.mark.vm
def test_rules_flushed(star, two, visit):
    """As a firewall service does that begins with `flush ruleset`."""
    with rules_held(two):
        star.appliance.run("nft", "flush", "ruleset")
        found = visit(two)
    assert_only(found, "rules_missing")
    mend(star, found.one("rules_missing"))
    feed(star, two)
    assert_only(visit(two))


@pytest.mark.vm
def test_rules_emptied(star, two, visit):
    with rules_held(two):
        star.appliance.run("nft", "flush", "chain", "inet", "trafficduplicator", "prerouting")
        found = visit(two)
    assert_only(found, "rules_changed")
    mend(star, found.one("rules_changed"))
    feed(star, two)
    assert_only(visit(two))


CHANGES = {
    "a rule less": (lambda a, b: {"A": a}, 'removed rule "B"'),
    "a rule more": (lambda a, b: {"A": a, "B": b, "C": {**a, "SOURCEPORT": "515"}},
                    'added rule "C"'),
    "disabled": (lambda a, b: {"A": a, "B": {**b, "ENABLED": False}}, "disabled"),
    "another port": (lambda a, b: {"A": a, "B": {**b, "SOURCEPORT": "515"}}, "UDP 515"),
    "another destination": (lambda a, b: {"A": a, "B": {**b, "DESTINATION": ["10.2.2.2/1514"]}},
                            "10.2.2.2/1514"),
    "SAMPLE": (lambda a, b: {"A": {**a, "SAMPLE": 1000}, "B": b}, "1 packet in 1000"),
    "TTL": (lambda a, b: {"A": {**a, "TTL": 3}, "B": b}, "TTL"),
    "BALANCE": (lambda a, b: {"A": {**a, "BALANCE": "hash"}, "B": b}, 'rule "A"'),
    "RATELIMIT": (lambda a, b: {"A": {**a, "RATELIMIT": 7}, "B": b}, "7"),
}


@pytest.mark.parametrize("what", [
    pytest.param(w, marks=[pytest.mark.vm] if w == "another port" else []) for w in CHANGES])
def test_another_configuration_in_the_file(star, daemons, visit, what):
    """The file was edited and not reloaded: that alone is wrong, and a reload mends it."""
    change, words = CHANGES[what]
    a, b = rule("514", f"{star.receiver1.v4}/514"), rule("514", f"{star.receiver2.v4}/514")
    daemon = daemons(star).start({"A": a, "B": b})
    feed(star, daemon)
    daemon.configure(change(a, b))
    found = visit(daemon)
    assert_only(found, "daemon_not_reloaded")
    finding = found.one("daemon_not_reloaded")
    assert finding["level"] == "problem" and words in finding["meaning"]
    mend(star, finding)
    assert not [f for f in visit(daemon).of("problem", "warning") if f["id"] != "rule_idle"]


def test_other_settings_in_the_file(star, two, visit):
    two.configure(settings(two.config, LOGLEVEL="debug"))
    found = visit(two)
    assert_only(found, "daemon_not_reloaded")
    assert found.one("daemon_not_reloaded")["level"] == "warning"


def test_the_same_in_other_words(star, two, visit):
    """What differs in its text alone is no difference."""
    two.configure(json.dumps(two.config, indent=3).replace('"514"', "514"))
    assert_only(visit(two))


def test_an_invalid_file_and_a_running_daemon(star, two, visit):
    """Rules and queue are those of the configuration in force."""
    two.configure("{")
    found = visit(two)
    assert found.code == 3 and found.has("config_invalid")
    assert found.one("rules")["level"] == found.one("rules_count")["level"] == "ok"
    assert found.has("queue_bound")


def test_another_file(star, two, visit, tmp_path):
    other = tmp_path / "other.config"
    other.write_text(json.dumps(two.config))
    done = command("doctor", "--json", "-c", other, "--socket", two.socket,
                   namespace=star.appliance)
    assert_only(Visit(done), "daemon_other_config")


def test_raw_chain_without_its_jump(star, two, visit):
    """The way by iptables-nft: matched, marked, and never queued."""
    if star.appliance.run("nft", "list", "table", "ip", "raw", check=False).returncode:
        pytest.skip("this kernel queues by nft")
    with rules_held(two):
        star.appliance.run("iptables-nft", "-t", "raw", "-D", "PREROUTING", "-j",
                           "TRAFFICDUPLICATOR")
        found = visit(two)
        assert_only(found, "raw_jump")
        assert found.one("raw_jump")["about"] == "iptables-nft"
        star.appliance.run("ip6tables-nft", "-t", "raw", "-F", "TRAFFICDUPLICATOR")
        assert {f["id"] for f in visit(two).of("problem")} == {"raw_jump", "raw_chain"}
    mend(star, found.one("raw_jump"))
    feed(star, two)
    assert_only(visit(two))


def test_nothing_arrives(star, daemons, visit):
    daemon = daemons(star).start(syslog(f"{star.receiver1.v4}/514"))
    assert_only(visit(daemon), "rules_count_nothing", "rule_idle")


@pytest.mark.vm
def test_queue_of_another_process(star, daemons, visit):
    """Somebody else's daemon has the queue that the file asks for."""
    other = daemons(star).start(settings(syslog(f"{star.receiver2.v4}/514"), WORKERS=1))
    feed(star, other)
    daemon = daemons(star)
    daemon.configure(settings(syslog(f"{star.receiver2.v4}/514"), WORKERS=1))
    found = visit(daemon)
    assert_only(found, "daemon_not_running", "queue_taken", "not_examined")
    assert f"(process {other.process.pid})" in found.one("queue_taken")["title"]


def test_a_disabled_rule_is_neither_idle_nor_a_problem(star, daemons, visit):
    daemon = daemons(star).start({
        "On": rule("514", f"{star.receiver1.v4}/514"),
        "Off": rule("515", {"ADDRESS": star.receiver1.v4, "PORT": 515, "CHECK": "tcp/1"},
                    ENABLED=False)})
    feed(star, daemon)
    assert_only(visit(daemon))
    assert "disabled: nothing is duplicated" in command("status", "--socket", daemon.socket).stdout


def test_rules_of_the_administrator(star, daemons, visit):
    """With --no-rules they are made with what `rules` prints, or are quite another's."""
    daemon = daemons(star).start(settings(syslog(f"{star.receiver1.v4}/514"), WORKERS=1),
                                 "--no-rules")
    found = visit(daemon, "--no-rules")
    assert_only(found, "rules_missing", "rule_idle")
    assert "trafficduplicator rules -c" in found.one("rules_missing")["mend"]
    mend(star, found.one("rules_missing"))
    feed(star, daemon)
    assert_only(visit(daemon, "--no-rules"))
    star.appliance.run("nft", "flush", "ruleset")
    star.appliance.run("iptables-nft", "-A", "FORWARD", "-p", "udp", "-j", "NFQUEUE",
                       "--queue-num", "7514")
    found = visit(daemon, "--no-rules")
    assert found.one("rules_own")["level"] == "ok" and not found.of("problem")


def test_forwarding_off(star, two, visit):
    star.appliance.sysctl(ipv4__ip_forward=0)
    found = visit(two)
    assert_only(found, "ipv4_forwarding")
    mend(star, found.one("ipv4_forwarding"))
    assert_only(visit(two))


def test_strict_reverse_path_filter(star, two, visit):
    star.appliance.sysctl(ipv4__conf__client1__rp_filter=1)
    found = visit(two)
    assert_only(found, "reverse_path")
    assert "client1" in found.one("reverse_path")["title"]
    mend(star, found.one("reverse_path"))
    assert_only(visit(two))


@pytest.mark.way("ip", reason="the local firewall sees what the IP socket sends")
def test_dropped_copies(star, two, visit):
    """What the daemon counted as dropped, with what the reason means."""
    nft(star, "table inet others {", "chain out { type filter hook output priority 0; "
        "ip daddr 10.2.1.2 drop", "}", "}")
    feed(star, two, 7)
    star.appliance.run("nft", "delete", "table", "inet", "others")
    found = visit(two)
    assert_only(found, "copies_dropped")
    finding = found.one("copies_dropped", f"{star.receiver1.v4}/514")
    assert "7 of 17 copies were dropped as rejected" in finding["title"]
    assert "firewall" in finding["meaning"]
