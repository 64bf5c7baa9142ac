# SPDX-License-Identifier: MIT
"""HTTP on SETTINGS.HTTP: what it answers, where, and what it costs.

The network is Star, drawn in lib/topology.py. The server's own bounds, byte by byte, are tested in
tests/unit/test_http.c and test_http_clients.c.
"""

import json
import os
import pathlib
import re
import signal
import socket
import time

import pytest

from lib import packets, status, visits
from lib.configs import rule, settings, syslog
from lib.daemon import RELEASE, RULES_SCRIPT, command
from lib.stream import Flow
from lib.waiting import scaled, wait_for
from lib.web import PORT, SlowClients, answers, ask

pytestmark = pytest.mark.once
BASE = syslog("10.2.1.2/514", "10.2.2.2/514")


def _health(star):
    answer = ask(star.appliance, "/healthz")
    return answer.status, answer.body


def _wait_health(star, daemon, code, body):
    wait_for(f"/healthz to say {code} {body}", lambda: _health(star) == (code, body + "\n"), 20,
             lambda: f"{_health(star)}\n{daemon.stderr()}")


def _reload(daemon, config):
    daemon.configure(config)
    return daemon.reload()


def _listens(star, *where, port=PORT):
    try:
        return ask(star.appliance, "/healthz", *where, port=port).status == 200
    except OSError:
        return False


def _less_ms(text):
    less = re.sub(r'"uptime_ms": \d+', "", text)
    assert less != text
    return less


def test_what_is_answered(star, daemons):
    daemon = daemons(star).start({**BASE, "Flows": rule(["2055-2060", 514], "10.2.1.2",
                                                        BALANCE="failover")})
    star.client1.inject(packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, b"x"))
    daemon.wait_received(1)

    def same():
        """To the byte what the verb prints, but for the milliseconds between the two."""
        answer = ask(star.appliance, "/status.json")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        assert answer.headers["Cache-Control"] == "no-store"
        said = command("status", "--json", "--socket", daemon.socket).stdout
        return _less_ms(answer.body) == _less_ms(said) and json.loads(said)
    found = wait_for("the same text twice", same)
    assert found["received_pkts"] == 1
    assert (found["health"], found["http"], found["last_reload"]) == ("ok", "127.0.0.1:9514", None)
    started = time.strptime(found["started_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.mktime(time.gmtime()) - time.mktime(started)) < scaled(60)
    flows = status.rule(found, "Flows")
    assert (flows["ports"], flows["balance"]) == ("514, 2055-2060", "failover")
    assert _health(star) == (200, "ok\n")
    assert ask(star.appliance, "/status.json", method="HEAD").body == ""
    assert ask(star.appliance, "/reload").status == 404
    refused = ask(star.appliance, "/healthz", method="POST")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")


def test_what_the_last_reload_said(star, daemons):
    daemon = daemons(star).start(BASE)
    _reload(daemon, settings(BASE, LOGLEVEL="debug"))
    last = daemon.status()["last_reload"]
    assert last["ok"] and "changed SETTINGS" in last["report"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", last["at"])
    wrong = {f"R{n}": {"SOURCEPORT": 0, "DESTINATION": ["10.2.1.2"]} for n in range(200)}
    said = _reload(daemon, wrong).stderr
    last = daemon.status()["last_reload"]
    assert not last["ok"] and last["report"].endswith("\n...\n") and len(last["report"]) < 4200
    assert said.startswith(last["report"].removesuffix("...\n"))
    assert re.search(r"^last reload \S+  refused  \S+:\d+: rule \"R0\"",
                     command("status", "--socket", daemon.socket).stdout, re.MULTILINE)


def test_nobody_else_reaches_it_unless_told(star, daemons):
    """Loopback by default; all else is said in a warning, by check, run and reload."""
    daemon = daemons(star).start(BASE)
    assert answers(star.appliance) and "SETTINGS: HTTP" not in daemon.stderr()
    assert not answers(star.client1.namespace, star.client1.gateway_v4)
    done = _reload(daemon, settings(BASE, HTTP="0.0.0.0:9514"))
    warning = 'SETTINGS: HTTP: "0.0.0.0:9514": whoever reaches this port can read'
    assert done.returncode == 0 and f"warning: {warning}" in done.stdout
    assert "+ http          0.0.0.0:9514" in done.stdout
    assert answers(star.client1.namespace, star.client1.gateway_v4) and answers(star.appliance)
    checked = command("check", "-c", daemon.config_path)
    assert checked.returncode == 0 and warning in checked.stderr
    assert visits.examine(star, daemon).one("http_exposed")["level"] == "check"
    daemon.stop()
    daemon.start(settings(BASE, HTTP=f"[::]:{PORT + 1}"))
    assert 'SETTINGS: HTTP: "[::]:9515": whoever reaches' in daemon.stderr()
    for family in (4, 6):
        assert answers(star.client1.namespace, star.client1.gateway(family), PORT + 1)


def test_a_page_that_was_led_here(star, daemons):
    """DNS rebinding: by a foreign name with our port, to loopback, nothing is told. A web server
    before us passes other names on, and elsewhere clients have names that we do not know."""
    daemons(star).start(settings(BASE, HTTP=f"[::]:{PORT}"))
    machine = socket.gethostname()
    for address in ("127.0.0.1", "127.0.0.2", "::1"):
        refused = ask(star.appliance, "/status.json", address, host=f"evil.example:{PORT}")
        assert refused.status == 421 and "localhost" in refused.body, address
        for host in (f"localhost:{PORT}", f"{machine}:{PORT}", "logs.example", "logs.example:443",
                     f"[::1]:{PORT}"):
            assert ask(star.appliance, "/healthz", address, host=host).status == 200, host
    for family in (4, 6):
        assert ask(star.client1.namespace, "/healthz", star.client1.gateway(family),
                   host=f"appliance.example:{PORT}").status == 200


def test_an_address_in_use(star, daemons):
    """Packets are duplicated all the same, and HTTP comes by itself once it can."""
    with star.appliance.entered():
        other = socket.create_server(("127.0.0.1", PORT))
    daemon = daemons(star).start(BASE)
    try:
        star.client1.inject(packets.udp_packet(star.client1.v4, star.server.v4, 5, 514, b"x"))
        daemon.wait_received(1)
        assert daemon.status()["http"].startswith("unavailable: another program listens there")
        found = visits.examine(star, daemon).one("http_unavailable")
        assert found["level"] == "warning" and found["mend"].startswith("ss -ltnp")
    finally:
        other.close()
    wait_for("HTTP to come by itself", lambda: _listens(star), there=daemon.stderr)
    assert daemon.status()["http"] == "127.0.0.1:9514"
    assert daemon.stderr().count("HTTP cannot listen on 127.0.0.1:9514") == 1
    assert daemon.stderr().count("HTTP listens on 127.0.0.1:9514 now") == 1


def test_an_address_that_comes_later(star, daemons):
    daemon = daemons(star).start(settings(BASE, HTTP="10.77.0.1:9514"))
    assert daemon.status()["http"] == "unavailable: this machine does not have the address"
    assert visits.examine(star, daemon).one("http_unavailable")["mend"].startswith("ip ")
    star.appliance.ip("addr add 10.77.0.1/32 dev lo")
    wait_for("HTTP at the new address", lambda: _listens(star, "10.77.0.1"), there=daemon.stderr)


def _listening(star):
    """The kernel's lines of TCP sockets that listen (state 0A) at the port."""
    lines = star.appliance.run("cat", "/proc/net/tcp").stdout.splitlines()
    return [line for line in lines if f":{PORT:04X} " in line and " 0A " in line]


def test_a_reload_changes_the_address(star, daemons):
    """Off, back, elsewhere, to a port that takes privileges; what stays the same stays open."""
    daemon = daemons(star).start(BASE)
    with star.appliance.entered():
        waiting = socket.create_connection(("127.0.0.1", PORT))
    waiting.sendall(b"GET /healthz HTTP/1.1\r\n")
    assert _listens(star)  # so the one before has been accepted
    inode = _listening(star)[0].split()[9]
    assert _reload(daemon, settings(BASE, LOGLEVEL="debug")).returncode == 0
    assert _listening(star)[0].split()[9] == inode, "the same socket"
    waiting.sendall(b"Host: t\r\n\r\n")
    assert waiting.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    waiting.close()
    _reload(daemon, settings(BASE, HTTP="off"))
    assert daemon.status()["http"] == "off" and not answers(star.appliance)
    _reload(daemon, settings(BASE, HTTP="[::1]:9000"))
    assert _listens(star, "::1", port=9000)
    said = _reload(daemon, settings(BASE, HTTP="127.0.0.1:80")).stdout
    assert "HTTP cannot listen on 127.0.0.1:80: a port below 1024 takes CAP_NET_BIND_SERVICE" \
        in said
    assert not answers(star.appliance, "::1", 9000)
    assert "CapabilityBoundingSet" in visits.examine(star, daemon).one("http_unavailable")["mend"]
    daemon.stop()
    daemon.start()
    assert _listens(star, port=80)


def test_no_destination_that_is_up(star, daemons):
    dead = {"ADDRESS": "10.2.1.2", "PORT": 514, "CHECK": "tcp/9"}
    daemon = daemons(star).start(syslog(dead))
    assert _health(star) == (200, "ok\n")
    _wait_health(star, daemon, 503, "every destination is down or unresolved")
    assert daemon.status()["health"] == "every destination is down or unresolved"
    assert "not healthy: every destination is down or unresolved" in \
        command("status", "--socket", daemon.socket).stdout
    _reload(daemon, syslog(dead, "10.2.2.2/514"))
    assert _health(star) == (200, "ok\n")


def test_no_rule_that_is_enabled(star, daemons):
    daemon = daemons(star).start(syslog("10.2.1.2/514", ENABLED=False))
    assert _health(star) == (503, "no rule is enabled\n")
    _reload(daemon, {**syslog("10.2.1.2/514", ENABLED=False), "Two": rule("2055", "10.2.2.2")})
    assert _health(star) == (200, "ok\n")


def _script(daemon, text):
    """A rules script in place of the real one, REAL in its text."""
    path = daemon.directory / "rules"
    path.write_text("#!/bin/sh\n" + text.replace("REAL", str(RULES_SCRIPT)))
    path.chmod(0o755)
    return path


def test_rules_that_cannot_be_brought_up_to_date(star, daemons):
    daemon = daemons(star)
    broken = daemon.directory / "broken"
    script = _script(daemon, f'[ ! -e {broken} ] || exit 1\nexec REAL "$@"\n')
    daemon.start(BASE, "--rules-script", script)
    assert _health(star) == (200, "ok\n")
    broken.touch()
    assert _reload(daemon, {**BASE, "New": rule("2055", "10.2.1.2")}).returncode == 1
    assert _health(star) == \
        (503, "the netfilter rules could not be brought up to date: see the log\n")
    broken.unlink()
    _wait_health(star, daemon, 200, "ok")


def test_stopping(star, daemons):
    """Who asks while the rules are still there is told that they are about to go."""
    daemon = daemons(star)
    paused, go_on = daemon.directory / "paused", daemon.directory / "go-on"
    script = _script(daemon, f'[ "$1" != pause ] || {{ touch {paused}; while [ ! -e {go_on} ]; do '
                             f'sleep 0.02; done; }}\nexec REAL "$@"\n')
    daemon.start(BASE, "--rules-script", script)
    daemon.signal(signal.SIGTERM)
    wait_for("the rules script to be asked", paused.exists)
    with star.appliance.entered():
        asking = socket.create_connection(("127.0.0.1", PORT), timeout=scaled(10))
    asking.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
    go_on.touch()
    assert asking.makefile().read().endswith("\nstopping\n")
    asking.close()
    assert daemon.wait_exit() == 0


def _kib(daemon, key):
    text = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)[1])


def _cpu_s(daemon):
    fields = pathlib.Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


@pytest.mark.alone
def test_a_thousand_slow_clients_while_packets_flow(star, daemons):
    """No packet is lost, /healthz is answered within a second, and no resource grows."""
    if not RELEASE.exists():
        pytest.skip(f"there is no release build at {RELEASE}")
    daemon = daemons(star, program=RELEASE).start(settings(BASE, HTTP="0.0.0.0:9514"))
    receiver = star.receiver1.receiver(514)
    gateway = star.client2.gateway_v4
    before = _descriptors(daemon), _kib(daemon, "VmRSS")
    slow = SlowClients(star.client2.namespace, gateway, 1000)
    wait_for("a thousand connections", lambda: slow.opened.value >= 1000)
    flow = Flow(star.client1, star.server.v4, [514], 5000)
    longest_s, most, until = 0, 0, time.monotonic() + 4
    while time.monotonic() < until:
        begun = time.monotonic()
        assert ask(star.client2.namespace, "/healthz", gateway).body == "ok\n"
        longest_s = max(longest_s, time.monotonic() - begun)
        most = max(most, _descriptors(daemon))
        receiver.pull()
    counts, rate_pps = flow.stop()
    opened, dripped = slow.stop(), slow.sent.value
    found = daemon.wait_received(counts[514])
    grown_kib = _kib(daemon, "VmRSS") - before[1]
    print(f"{counts[514]} packets at {rate_pps:.0f}/s; {opened} connections, {dripped} bytes; "
          f"/healthz took {longest_s * 1000:.0f} ms at most; descriptors {before[0]} to {most}; "
          f"memory {grown_kib:+} KiB; {_cpu_s(daemon):.1f} s of CPU time")
    assert found["received_pkts"] == counts[514] and opened > 1000 and dripped > 1000
    assert found["queue"]["dropped_kernel_pkts"] == 0
    assert [d["sent_pkts"] for d in status.rule(found, "DuplicateSyslog")["destinations"]] == \
        [counts[514]] * 2
    assert len(receiver.wait(counts[514])) == counts[514]
    assert longest_s < scaled(1)
    assert most <= before[0] + 128 + 32
    assert grown_kib < 8192


def test_the_memory_of_a_large_answer_comes_back(star, daemons):
    """Though nobody asks again."""
    if not RELEASE.exists():
        pytest.skip(f"there is no release build at {RELEASE}")
    to = [f"10.2.1.{n}/514" for n in range(2, 66)]
    daemon = daemons(star, program=RELEASE).start({f"R{n}": rule(1000 + n, *to)
                                                   for n in range(100)})
    before_kib = _kib(daemon, "VmRSS")
    answer = ask(star.appliance, "/metrics")
    assert len(answer.body) > 8 << 20
    wait_for("the memory to come back", lambda: _kib(daemon, "VmRSS") < before_kib + 4096,
             there=lambda: f"{before_kib} KiB, then {_kib(daemon, 'VmRSS')} KiB")
