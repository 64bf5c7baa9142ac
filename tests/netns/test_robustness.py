# SPDX-License-Identifier: MIT
"""What admins, their shells and their other software do to the daemon and its rules. The network
is Star, drawn in lib/topology.py.

    client1 ──> [ appliance: the daemon, and whatever else happens there ] ──> server
                     └──────────────────────────────────────────────────> receiver1, and the
                                                                          networks behind it
"""

import os
import re
import shutil
import signal
import struct
import tempfile
import time
from pathlib import Path

import pytest

from lib import machine, packets
from lib.capture import is_icmp_error
from lib.configs import rule, settings, syslog
from lib.daemon import RULES_SCRIPT, command, environment, rules_script
from lib.oracle import assert_copies, routed
from lib.status import broken_equations, destination, shown
from lib.stream import Stream
from lib.waiting import wait_for

NOBODY = 65534
TCP = 6
NO_ROUTE = {4: "192.0.2.1", 6: "2001:db8::1"}
BEHIND = {4: "10.64.0.5", 6: "fd64::5"}
ICMP_UNREACHABLE = {4: 3, 6: 1}


def _sent(star, count, family=4, first=5000):
    return [packets.udp_packet(star.client1.address(family), star.server.address(family), first + n,
                               514, b"in transit") for n in range(count)]


def _syn(source, destination_address, port=22):
    """A TCP SYN: RFC 9293, 3.1."""
    head = struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 5 << 4, 2, 1024, 0, 0)
    ends = packets.packed(source) + packets.packed(destination_address)
    sum_ = packets.checksum(ends + struct.pack("!II", len(head), TCP) + head)
    body = head[:16] + struct.pack("!H", sum_) + head[18:]
    if ":" in source:
        return packets.ipv6(source, destination_address, body, next_header=TCP)
    return packets.ipv4(source, destination_address, body, protocol=TCP)


def _rules(namespace):
    """Our rules as text, whichever way they are made; counters left out."""
    return [namespace.run(*tool, check=False).stdout for tool in (
        ("nft", "-s", "list", "table", "inet", "trafficduplicator"),
        ("iptables-nft", "-t", "raw", "-S"), ("ip6tables-nft", "-t", "raw", "-S"))]


def _wait_rules(namespace, port="514"):
    """Waits until packets to the port are queued: from when rules use the sets that have it."""
    def queued():
        table = _rules(namespace)[0]
        return port in table and "goto duplicate" in table
    wait_for(f"rules for port {port}", queued, there=lambda: machine.rulesets(namespace))


@pytest.fixture
def folder():
    """A folder for a script of the test's own, where every user can reach it."""
    path = Path(tempfile.mkdtemp(prefix=f"td{os.getpid()}-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def _script(folder, text):
    """An executable rules script; REAL stands for the real one."""
    path = folder / "rules"
    path.write_text("#!/bin/sh\n" + text.replace("REAL", str(RULES_SCRIPT)))
    path.chmod(0o755)
    return path


def test_root_may_use_the_files_of_others(star, daemons, folder):
    """Root's daemon has given up its privileges; script, config and socket belong to nobody."""
    script = folder / "rules"
    shutil.copy(RULES_SCRIPT, script)
    for path in (script, folder):
        path.chmod(0o700)
        os.chown(path, NOBODY, NOBODY)
    before = machine.rulesets(star.appliance)
    daemon = daemons(star)
    os.chown(daemon.directory, NOBODY, NOBODY)
    daemon.start(syslog(star.receiver1.v4), "--rules-script", script)
    path = daemon.configure({"Flows": rule("2055", star.receiver1.v4)}, mode=0o600)
    os.chown(path, NOBODY, NOBODY)
    daemon.signal(signal.SIGHUP)
    daemon.wait_status("the new rule", lambda s: s["rules"][0]["name"] == "Flows")
    daemon.stop()
    assert machine.rulesets(star.appliance) == before
    assert not daemon.socket.exists()


def test_more_processors_than_at_the_start(star, daemons):
    """There are as many queues as at the start, so the rules must not name more of them."""
    cpus = os.sched_getaffinity(0)
    if len(cpus) < 2:
        pytest.skip("there is only one CPU, so there is never more than one queue")
    daemon = daemons(star, wrapper=["taskset", "-c", str(min(cpus))])
    at_receiver = star.receiver1.capture()
    daemon.start(settings(syslog(star.receiver1.v4), WORKERS=0))
    one_queue = _rules(star.appliance)
    os.sched_setaffinity(daemon.process.pid, cpus)
    daemon.configure(settings({"Reloaded": rule("514", star.receiver1.v4)}, WORKERS=0))
    daemon.signal(signal.SIGHUP)
    daemon.wait_status("the new rule", lambda s: s["rules"][0]["name"] == "Reloaded")
    assert _rules(star.appliance) == one_queue
    # The kernel chooses a queue by the packet's addresses.
    sent = [packets.udp_packet(f"10.1.1.{100 + n}", star.server.v4, 5000, 514, b"one of many")
            for n in range(100)]
    star.client1.inject(*sent)
    daemon.wait_received(100)
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.v4)


@pytest.mark.alone
def test_every_answer_adds_up(star, daemons):
    """Asked in the middle of a flood, the daemon answers with numbers of one moment."""
    config = syslog(*(f"10.64.0.{n}/514" for n in range(1, 65)))
    daemon = daemons(star).start(config)
    streams = [Stream(client, star.server.v4, rate_pps=1e6)
               for client in (star.client1, star.client2)]
    moments, broken = set(), []

    def ask():
        found = daemon.status()
        wrong = broken_equations(found, config)
        if wrong:
            broken.append("\n".join(wrong[:5]))
        moments.add(found["received_pkts"])
        return len(moments) >= 30
    try:
        wait_for("30 answers, each with more packets", ask, 60, there=lambda: sorted(moments))
    finally:
        for stream in streams:
            stream.stop()
    assert not broken, f"{len(broken)} answers of about {len(moments)}:\n" + "\n\n".join(broken[:3])
    daemon.wait_status("all packets served", lambda s: s["queue"]["waiting_pkts"] == 0)


@pytest.mark.parametrize("family, mtu", [(4, 1000), (6, 1280)])
@pytest.mark.parametrize("learned", ["before the start", "while it runs"])
def test_a_path_mtu_that_was_learned(star, daemons, family, mtu, learned):
    """That of the appliance's own traffic to a destination is none of the client's business.

    Behind receiver1, a router, is a narrow wire. It has no way back to the client: so whatever
    error reaches the client is the appliance's.
    """
    star.namespaces.add("far")
    star.receiver1.namespace.ip(
        f"link add far mtu {mtu} type veth peer name eth0 mtu {mtu} "
        f"netns {star.namespaces['far'].name}",
        "link set far up", "addr add 10.64.0.1/24 dev far")
    star.receiver1.namespace.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
    if family == 6:
        star.receiver1.namespace.ip("addr add fd64::1/64 dev far nodad")

    def learn():
        star.appliance.run("ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1400", BEHIND[family],
                           check=False)
        way = star.appliance.run("ip", "route", "get", BEHIND[family]).stdout
        assert f"mtu {mtu}" in way, way

    at_router, at_client = star.receiver1.capture(), star.client1.capture()
    daemon = daemons(star)
    if learned == "before the start":
        learn()
    daemon.start(syslog(BEHIND[family]))
    if learned == "while it runs":
        learn()
    ip = {"fragment": packets.DF} if family == 4 else {}
    head = 28 if family == 4 else 48
    sent = [packets.udp_packet(star.client1.address(family), star.server.address(family), 5000 + n,
                               514, bytes(1400 - head), **ip) for n in range(10)]
    star.client1.inject(*sent)
    found = destination(daemon.wait_received(10), "DuplicateSyslog", BEHIND[family])
    assert at_client.take_icmp_errors() == []
    assert found["dropped"]["oversize"] == 0 and found["sent_pkts"] == 10
    assert_copies(sent, packets.reassemble(at_router.take_udp()), BEHIND[family],
                  fragmented=True)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("why", ["no route", "rejected"])
def test_errors_about_other_traffic_reach_the_client(star, daemons, family, why):
    """That TCP to a destination's address goes nowhere is said; of copies nothing is said."""
    star.appliance.run("nft", "-f", "-", stdin=f"""
        table inet admin_firewall {{
            chain output {{
                type filter hook output priority 0;
                ip daddr {BEHIND[4]} counter reject
                ip6 daddr {BEHIND[6]} counter reject
            }}
            chain forward {{
                type filter hook forward priority 0;
                ip daddr {BEHIND[4]} counter reject
                ip6 daddr {BEHIND[6]} counter reject
            }}
        }}""")
    at_client = star.client1.capture()
    source, to = star.client1.address(family), (NO_ROUTE if why == "no route" else BEHIND)[family]
    daemon = daemons(star).start(syslog(to))
    star.client1.inject(*_sent(star, 10, family))
    daemon.wait_received(10)
    assert at_client.take_icmp_errors() == []
    syn = _syn(source, to)
    star.client1.inject(syn)
    at_client.wait(1, match=is_icmp_error)
    errors = at_client.take_icmp_errors()
    assert len(errors) == 1
    at = packets.view(errors[0])
    assert at.data[at.body_at] == ICMP_UNREACHABLE[family]
    quoted = packets.view(at.data[at.body_at + 8:])
    assert (quoted.protocol, quoted.destination) == (TCP, packets.packed(to))


def test_nobody_reads_what_it_says(star, daemons):
    """The reader of its stdout and stderr goes away, as a pager or a logger that has crashed."""
    before = machine.rulesets(star.appliance)
    daemon = daemons(star)
    reading, writing = os.pipe()
    try:
        daemon.spawn(config=syslog(star.receiver1.v4), stdout=writing, stderr=writing)
        os.close(writing)
        said = b""
        while b": ready\n" not in said:
            chunk = os.read(reading, 4096)
            assert chunk, f"the daemon ended without saying ready:\n{said.decode()}"
            said += chunk
    finally:
        os.close(reading)
    daemon.configure({"Flows": rule("2055", star.receiver1.v4)})
    daemon.signal(signal.SIGHUP)
    daemon.wait_status("the new rule", lambda s: s["rules"][0]["name"] == "Flows")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == 0
    assert machine.rulesets(star.appliance) == before


def _children(daemon):
    pid = daemon.process.pid
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


_MOMENTS = {
    "the control socket is there": lambda d: d.socket.exists(),
    "the rules script runs": lambda d: d.socket.exists() and _children(d),
    "our table is there": lambda d: _rules(d.namespace)[0],
    "the rules are complete": lambda d: "514" in _rules(d.namespace)[0],
}


def _interrupt(daemon, times):
    """Ctrl-C: the terminal sends SIGINT to the whole group in the foreground."""
    for _ in range(times):
        try:
            os.killpg(daemon.process.pid, signal.SIGINT)
        except ProcessLookupError:
            return
        time.sleep(0.05)  # an impatient user


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("moment", _MOMENTS)
def test_interrupted_while_it_starts(star, daemons, moment, times):
    before = machine.rulesets(star.appliance)
    daemon = daemons(star)
    daemon.spawn(config=syslog(star.receiver1.v4), start_new_session=True)
    wait_for(moment, lambda: _MOMENTS[moment](daemon), there=daemon.stderr)
    _interrupt(daemon, times)
    assert daemon.wait_exit() in (0, 1), daemon.stderr()
    assert machine.rulesets(star.appliance) == before
    assert not daemon.socket.exists()


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("when", ["before", "after"])
def test_interrupted_while_the_script_loads(star, daemons, folder, when, times):
    """As above, with the script held at one point until the interrupt has been sent."""
    hold = f"touch {folder}/reached; until [ -e {folder}/go ]; do sleep 0.01; done"
    script = _script(folder, f"""
        [ "$1" = up ] || exec REAL "$@"
        {hold if when == "before" else ":"}
        REAL "$@" || exit
        {hold if when == "after" else ":"}
        """)
    before = machine.rulesets(star.appliance)
    daemon = daemons(star)
    daemon.spawn("--rules-script", script, config=syslog(star.receiver1.v4), start_new_session=True)
    wait_for("the script", (folder / "reached").exists, there=daemon.stderr)
    _interrupt(daemon, times)
    (folder / "go").touch()
    assert daemon.wait_exit() in (0, 1), daemon.stderr()
    assert machine.rulesets(star.appliance) == before


def test_interrupted_twice_while_it_runs(star, daemons):
    """The second interrupt comes while the rules are taken down."""
    before = machine.rulesets(star.appliance)
    daemon = daemons(star)
    daemon.spawn(config=syslog(star.receiver1.v4), start_new_session=True)
    line = daemon.process.stdout.readline()
    assert line.endswith(": ready\n"), line + daemon.stderr()
    _interrupt(daemon, 2)
    assert daemon.wait_exit() == 0, daemon.stderr()
    assert machine.rulesets(star.appliance) == before


def test_a_script_that_fails_after_loading(star, daemons, folder):
    """What it left behind is taken away again."""
    before = machine.rulesets(star.appliance)
    daemon = daemons(star)
    daemon.spawn("--rules-script", _script(folder, 'REAL "$@"\nexit 1\n'),
                 config=syslog(star.receiver1.v4))
    assert daemon.wait_exit() == 1, daemon.stderr()
    assert "rules are up" in daemon.stderr()
    assert machine.rulesets(star.appliance) == before


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)],
                         ids=["stdin", "stdout", "stderr", "all"])
def test_started_with_standard_files_closed(star, daemons, closed):
    """What it opens first gets their numbers, and must neither be written to nor lost."""
    at_receiver = star.receiver1.capture()
    before = machine.rulesets(star.appliance)
    daemon = daemons(star)
    daemon.spawn(config=syslog(star.receiver1.v4),
                 preexec_fn=lambda: [os.close(fd) for fd in closed])

    def up():
        assert daemon.running, f"the daemon ended:\n{daemon.stderr()}"
        return command("status", "--json", "--socket", daemon.socket).returncode == 0
    wait_for("the daemon to answer", up, there=daemon.stderr)
    _wait_rules(star.appliance)
    sent = _sent(star, 20)
    star.client1.inject(*sent)
    daemon.wait_received(20)
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.v4)
    daemon.stop()
    assert machine.rulesets(star.appliance) == before
    assert not daemon.socket.exists()


@pytest.mark.parametrize("family", [4, 6])
def test_marks_of_the_admin(star, daemons, family):
    """The iptables way hands matches over in a bit of the mark, which others use too."""
    daemon = daemons(star)
    daemon.configure(syslog(star.receiver1.address(family)))
    if "NFQUEUE" not in rules_script("show", daemon.config_path, star.appliance).stdout:
        pytest.skip("the way is nft's queue statement, which needs no bit of the mark")
    star.appliance.run("nft", "-f", "-", stdin="""
        table inet admin_marks {
            chain early {
                type filter hook prerouting priority -350;
                meta l4proto tcp meta mark set 0x40000007
            }
            chain forward {
                type filter hook forward priority 0;
                meta l4proto tcp meta mark 0x40000007 counter
            }
        }""")
    at_server = star.server.capture()
    daemon.start()
    sent = [_syn(star.client1.address(family), star.server.address(family), port)
            for port in (22, 514)]
    star.client1.inject(*sent)
    at_server.wait(len(sent))
    assert at_server.take() == [routed(packet) for packet in sent]
    found = daemon.status()
    assert found["received_pkts"] == found["unmatched_pkts"] == 0, shown(found)
    kept = star.appliance.run("nft", "list", "chain", "inet", "admin_marks", "forward").stdout
    assert re.search(rf"counter packets {len(sent)} ", kept), kept


@pytest.fixture
def environment_without_the_program():
    """As of a shell whose PATH does not have the program."""
    values = environment()
    del values["TRAFFICDUPLICATOR"]
    values["PATH"] = ":".join(
        path for path in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin",
                          "/bin") if not (Path(path) / "trafficduplicator").exists())
    if not shutil.which("nft", path=values["PATH"]):
        pytest.skip("the program is installed where nft is")
    return values


@pytest.mark.parametrize("verb", ["up", "reload", "show"])
def test_the_script_does_not_find_the_program(star, daemons, environment_without_the_program, verb):
    """It says so in its own words, changes nothing, and can still take rules away."""
    daemon = daemons(star)
    daemon.configure(syslog(star.receiver1.v4))
    before = machine.rulesets(star.appliance)
    if verb == "reload":
        assert rules_script("up", daemon.config_path, star.appliance).returncode == 0
    up = machine.rulesets(star.appliance)
    done = star.appliance.run(RULES_SCRIPT, verb, "-c", daemon.config_path, check=False,
                              env=environment_without_the_program)
    assert done.returncode == 1, done
    assert re.match(r"trafficduplicator-rules: .*\btrafficduplicator\b", done.stderr), done.stderr
    assert machine.rulesets(star.appliance) == up
    done = star.appliance.run(RULES_SCRIPT, "down", check=False,
                              env=environment_without_the_program)
    assert done.returncode == 0, done
    assert machine.rulesets(star.appliance) == before
