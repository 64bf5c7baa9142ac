# SPDX-License-Identifier: MIT
"""What the daemon can still do once it serves packets, the helper that does the rest, and what
happens where one of them cannot be had. The network is Star, drawn in lib/topology.py.

That no system call is refused which a feature needs is seen by all tests: they run with
TRAFFICDUPLICATOR_CONFINE=kill (lib/daemon.py).
"""

import os
import pathlib
import signal
import socket

import pytest

from lib import machine, packets, refusing, web
from lib.configs import rule, settings, syslog
from lib.daemon import PROGRAM, RELEASE, RULES_SCRIPT, rules_script
from lib.dns import DnsServer, files_in_etc
from lib.oracle import assert_copies
from lib.waiting import scaled, wait_for

pytestmark = pytest.mark.once
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_NET_ADMIN = 1 << 1, 1 << 2, 1 << 12
NOBODY = 65534
RIGHTS = "+net_admin,+net_raw,+bpf,+perfmon"
AS_NOBODY = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups",
             "--inh-caps", f"-all,{RIGHTS}", "--ambient-caps", f"-all,{RIGHTS}")


def _children(pid):
    return [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()]


def _name(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def _helper(daemon):
    helpers = [pid for pid in _children(daemon.process.pid) if _name(pid) == "td-rules-helper"]
    assert len(helpers) == 1, helpers
    return helpers[0]


def _rights(status):
    """What a /proc/PID/status says of capabilities and confinement."""
    fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
    held = {name[3:]: int(fields[name], 16) for name in fields if name.startswith("Cap")}
    return held, fields["NoNewPrivs"], fields["Seccomp"]


@pytest.fixture
def program_for_nobody():
    """The release, where every user can execute it."""
    if not RELEASE.exists():
        pytest.skip(f"there is no release build at {RELEASE}")
    return RELEASE


def test_what_is_left_where_root_starts_it(star, daemons):
    """Of every thread: one capability to serve, one to read; nothing to come back by."""
    daemon = daemons(star).start(settings(syslog(star.receiver1.v4), WORKERS=2, FASTPATH="auto"))
    kept = CAP_NET_ADMIN | CAP_DAC_READ_SEARCH
    expected = {"Prm": kept, "Eff": kept, "Inh": 0, "Bnd": 0, "Amb": 0}
    tasks = list(pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir())
    assert len(tasks) >= 3
    for task in tasks:
        assert _rights(task / "status") == (expected, "1", "2"), task
    kept |= CAP_DAC_OVERRIDE
    assert _rights(pathlib.Path(f"/proc/{_helper(daemon)}/status")) == (
        dict.fromkeys(expected, kept), "1", "2")


def test_what_is_left_to_a_user_of_its_own(star, daemons, program_for_nobody):
    """As the unit starts it: one capability, and the helper passes the same on to the script."""
    # The counters' file is opened by root, as by the unit's StandardInput=.
    with star.appliance.entered():
        counters = os.open("/proc/net/netfilter/nfnetlink_queue", os.O_RDONLY)
    daemon = daemons(star, program=program_for_nobody, wrapper=AS_NOBODY)
    os.chown(daemon.directory, NOBODY, NOBODY)
    try:
        daemon.spawn(config=settings(syslog(star.receiver1.v4), FASTPATH="auto"), stdin=counters)
        wait_for("ready", lambda: daemon.socket.exists() and "ok" == daemon.ask("status")[0],
                 there=daemon.stderr)
    finally:
        os.close(counters)
    held, *confined = _rights(pathlib.Path(f"/proc/{daemon.process.pid}/status"))
    assert (held["Prm"], held["Eff"], held["Inh"], held["Amb"]) == (
        CAP_NET_ADMIN, CAP_NET_ADMIN, 0, 0)
    assert confined == ["1", "2"]
    held, *confined = _rights(pathlib.Path(f"/proc/{_helper(daemon)}/status"))
    assert {held[name] for name in ("Prm", "Eff", "Inh", "Amb")} == {CAP_NET_ADMIN}
    assert confined == ["1", "2"]
    assert daemon.status()["fastpath"] == "on"


def test_every_feature_within_the_releases_list(star, daemons, tmp_path):
    """Sanitizers need a wider list: so what the release has is tried here, and a call too many
    ends it."""
    if not RELEASE.exists():
        pytest.skip(f"there is no release build at {RELEASE}")
    dns = star.keep(DnsServer(star.server)).start()
    dns.set(collector__test="10.2.1.2")
    listener = star.keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    listener.settimeout(scaled(10))
    listener.bind(str(tmp_path / "notify"))
    daemon = daemons(star, program=RELEASE, wrapper=["env", f"NOTIFY_SOCKET={tmp_path}/notify"])
    rules = {"Named": rule("514", "collector.test/514", TTL="decrement"),
             "Checked": rule("515", {"ADDRESS": "10.2.1.2", "CHECK": "icmp"},
                             {"ADDRESS": "10.2.2.2", "CHECK": "tcp/601"}, BALANCE="round-robin")}
    with files_in_etc(star.appliance, resolv_conf=f"nameserver {star.server.v4}\n", hosts=""):
        daemon.configure(settings(rules, SEND="link", AUTORELOAD=True, LOGLEVEL="debug"))
        daemon.start(None, "--log-format", "json")
        daemon.wait_status("the name's address and the checks' verdict", lambda s: [
            d["state"] for r in s["rules"] for d in r["destinations"]
        ] == ["unchecked", "up", "down"], 30)
        assert web.ask(star.appliance, "/metrics").status == 200
        assert web.ask(star.appliance, "/").status == 200
        # AUTORELOAD notices; the fast path is attached, now and where an interface comes.
        daemon.configure(settings(rules, FASTPATH="auto", HTTP="127.0.0.1:9515",
                                  AUTORELOAD=True))
        daemon.wait_status("the fast path", lambda s: s["fastpath"] == "on")
        star.appliance.ip("link add late type veth peer name later", "link set late up")
        wait_for("HTTP elsewhere", lambda: web.answers(star.appliance, "127.0.0.1", 9515),
                 there=daemon.stderr)
        at_receiver = star.receiver1.capture()
        sent = [packets.udp_packet(star.client1.v4, star.server.v4, 5000 + n, 514, bytes(3000))
                for n in range(10)]
        star.client1.inject(*(part for packet in sent for part in packets.fragments(packet, 1400)))
        daemon.wait_received(10)
        assert len(packets.reassemble(at_receiver.take_udp())) == 10
        daemon.signal(signal.SIGHUP)
        assert daemon.reload().returncode == 0
        assert "READY=1" in listener.recv(4096).decode()
        daemon.stop()


def test_a_helper_that_is_gone(star, daemons):
    """Packets are duplicated as before; health, log and reload say what is wrong."""
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    helper = _helper(daemon)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(helper, number)  # as killall does, which the daemon itself heeds
    assert daemon.reload().returncode == 0
    assert web.ask(star.appliance, "/healthz").status == 200
    os.kill(helper, signal.SIGKILL)
    wait_for("the word", lambda: "the helper process is gone" in daemon.stderr(),
             there=daemon.stderr)
    health = web.ask(star.appliance, "/healthz")
    assert health.status == 503 and "the helper process is gone" in health.body
    at_receiver = star.receiver1.capture()
    sent = [packets.udp_packet(star.client1.v4, star.server.v4, 5000 + n, 514, b"still")
            for n in range(10)]
    star.client1.inject(*sent)
    daemon.wait_received(10)
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.v4)
    assert daemon.reload().returncode == 1
    assert daemon.stderr().count("packets are duplicated as before") == 1
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == 1
    assert "trafficduplicator" in str(machine.rulesets(star.appliance))
    assert rules_script("down", None, star.appliance).returncode == 0


def test_the_helper_ends_with_the_daemon(star, daemons):
    """However that ends, and whatever the helper ignores."""
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    helper = _helper(daemon)
    daemon.kill()
    wait_for("the helper's end", lambda: not machine.is_running(helper))
    daemon.start()
    helper = _helper(daemon)
    daemon.stop()
    assert not machine.is_running(helper)


def _start_in_vain(star, daemon, **environment):
    """Starts it, and returns what it said; nothing may be left of it."""
    before = machine.rulesets(star.appliance)
    daemon.configure(syslog(star.receiver1.v4))
    done = star.appliance.run(
        *daemon.wrapper, PROGRAM, "run", "-c", daemon.config_path, "--socket", daemon.socket,
        "--rules-script", RULES_SCRIPT, check=False, timeout_s=scaled(30),
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0", **environment})
    assert done.returncode == 1 and "ready" not in done.stdout, done
    assert machine.rulesets(star.appliance) == before
    assert not daemon.socket.exists()
    return done.stderr


@pytest.mark.parametrize("refused, words", [
    ({"capset": "EPERM"}, ["cannot give up privileges", "Operation not permitted"]),
    ({"seccomp": "EINVAL"}, ["CONFIG_SECCOMP_FILTER", "TRAFFICDUPLICATOR_CONFINE=off"]),
    ({"seccomp": "ENOSYS"}, ["CONFIG_SECCOMP_FILTER", "TRAFFICDUPLICATOR_CONFINE=off"]),
])
def test_what_cannot_be_given_up_is_fatal(star, daemons, refused, words):
    """It says what, and how to go on; no packet is served."""
    said = _start_in_vain(star, daemons(star, wrapper=refusing.command(**refused)))
    assert all(word in said for word in words), said


def test_a_kernel_without_filters(star, daemons):
    """The way round that the message names."""
    wrapper = ["env", "TRAFFICDUPLICATOR_CONFINE=off", *refusing.command(seccomp="EINVAL")]
    daemon = daemons(star, wrapper=wrapper).start(syslog(star.receiver1.v4))
    assert "TRAFFICDUPLICATOR_CONFINE=off: no list" in daemon.stderr()
    assert _rights(pathlib.Path(f"/proc/{daemon.process.pid}/status"))[2] == "2", "the test's own"


def test_a_wrong_word_is_refused(star, daemons):
    """A misspelt `off` or `kill` is not taken for either."""
    said = _start_in_vain(star, daemons(star), TRAFFICDUPLICATOR_CONFINE="of")
    assert "TRAFFICDUPLICATOR_CONFINE is neither" in said, said
