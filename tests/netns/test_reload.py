# SPDX-License-Identifier: MIT
"""Reload: by the verb, by SIGHUP, by itself; what it says, and that nobody notices.

The network is Star, drawn in lib/topology.py.
"""

import json
import os
import re
import shutil
import signal
import time

import pytest

from lib import machine, packets, status
from lib.configs import rule, settings
from lib.daemon import RELEASE, RULES_SCRIPT, command
from lib.stream import Flow
from lib.waiting import scaled, wait_for

BASE = {"Syslog": rule("514", "10.2.1.2/514", "10.2.2.2/514"), "Flows": rule("2055", "10.2.1.2")}


def _packet(star, port=514, payload=b"x"):
    return packets.udp_packet(star.client1.v4, star.server.v4, 5000, port, payload)


def _served(star, daemon, port=514):
    """Whether packets to a port are copied."""
    before = daemon.status()
    star.client1.inject(_packet(star, port))
    daemon.wait_status("one more packet", lambda s: s["matched_by_any_pkts"]
                       == before["matched_by_any_pkts"] + 1)
    return True


def _reload(daemon, config):
    daemon.configure(config)
    done = daemon.reload()
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_what_changed_is_said(star, daemons):
    daemon = daemons(star).start(BASE)
    assert _reload(daemon, BASE) == "no change\n"
    said = _reload(daemon, {"Traps": rule("162", "10.2.1.2"),
                            "Syslog": rule(["514", "601"], "10.2.1.2/514", "10.2.2.2/1514",
                                           BALANCE="hash")})
    lines = said.splitlines()
    assert 'removed rule "Flows"' in lines and 'added rule "Traps"' in lines
    at = lines.index('changed rule "Syslog"')
    changes = [line for line in lines[at + 1:] if line.startswith(" ")]
    for sign, words in (("-", "10.2.2.2/514"), ("+", "10.2.2.2/1514"), ("+", "601"),
                        ("+", "hash")):
        assert any(line.strip().startswith(sign) and words in line for line in changes), said
    assert "10.2.1.2/514" not in said, "what stayed as it was"
    assert _served(star, daemon, 601) and _served(star, daemon, 162)
    assert _reload(daemon, daemon.config) == "no change\n"


def test_counters_go_on_by_name(star, daemons):
    """Of rules and destinations that are there before and after, in whatever order."""
    to = [{"ADDRESS": "10.2.1.2", "PORT": 514, "NAME": "One"}, "10.2.2.2/514", "10.64.0.1/514"]
    daemon = daemons(star).start({"A": rule("514", *to), "B": rule("515", "10.2.1.2")})
    star.client1.inject(*[_packet(star, port) for port in (514, 515, 514)])
    daemon.wait_received(3)
    moved = {**to[0], "ADDRESS": "10.2.2.2", "PORT": 9999}
    _reload(daemon, {"New": rule("516", "10.2.1.2"), "B": rule("515", "10.2.1.2", TTL=9),
                     "A": rule("514", "10.64.0.2/514", to[1], moved)})
    star.client1.inject(*[_packet(star, port) for port in (514, 515, 516)])
    found = daemon.wait_received(6)
    assert [(r["name"], r["matched_pkts"], r["duplicated_pkts"]) for r in found["rules"]] == \
        [("New", 1, 1), ("B", 2, 2), ("A", 3, 3)]
    assert [(d["name"], d["address"], d["sent_pkts"])
            for d in status.rule(found, "A")["destinations"]] == \
        [("10.64.0.2/514", "10.64.0.2", 1), ("10.2.2.2/514", "10.2.2.2", 3),
         ("One", "10.2.2.2", 3)]


def test_sighup_is_logged(star, daemons):
    daemon = daemons(star).start(BASE)
    daemon.configure({**BASE, "Traps": rule("162", "10.2.1.2")})
    daemon.signal(signal.SIGHUP)
    wait_for("the change in the log", lambda: 'added rule "Traps"' in daemon.stderr(),
             there=daemon.stderr)
    assert _served(star, daemon, 162)


BAD = {
    "not JSON": ("{", 1),
    "two faults": (json.dumps({"A": rule("0", "10.2.1.2"), "B": rule("514", "127.0.0.1"),
                               "C": rule("514", "10.2.1.2")}, indent=1), 2),
    "the appliance itself": (json.dumps({"A": rule("514", "10.1.1.1")}), 1),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file(star, daemons, what):
    """Exit 3, each error to the one who asked, and nothing has changed."""
    text, errors = BAD[what]
    capture = star.receiver1.capture()
    daemon = daemons(star).start(BASE)
    star.client1.inject(_packet(star))
    before = daemon.wait_received(1)
    rules = machine.rulesets(star.appliance)
    daemon.configure(text)
    done = daemon.reload()
    assert (done.returncode, done.stdout) == (3, ""), done
    checked = command("check", "-c", daemon.config_path, namespace=star.appliance)
    said = [line for line in done.stderr.splitlines() if f"{daemon.config_path}:" in line]
    assert len(said) >= errors
    for line in checked.stderr.splitlines():
        place = line[line.index(f"{daemon.config_path}:"):]
        assert any(other.endswith(place) for other in said), (place, said)
    assert machine.rulesets(star.appliance) == rules
    after = daemon.status()
    assert not after["last_reload"]["ok"]
    times = {"uptime_s": 0, "uptime_ms": 0}
    assert {**after, **times, "last_reload": None} == {**before, **times}
    star.client1.inject(_packet(star))
    daemon.wait_received(2)
    assert len(capture.take_udp()) == 2
    assert _reload(daemon, BASE) == "no change\n", "and from a bad file there is a way back"


def test_a_file_that_others_can_write(star, daemons):
    """`run` would refuse it, so reload does."""
    daemon = daemons(star).start(BASE)
    daemon.configure({"Other": rule("514", "10.2.1.2")}, mode=0o666)
    done = daemon.reload()
    assert done.returncode == 3 and "writ" in done.stderr and not done.stdout, done
    daemon.configure(BASE)
    assert [r["name"] for r in daemon.status()["rules"]] == list(BASE)


def test_a_file_that_is_gone(star, daemons):
    daemon = daemons(star).start(BASE)
    daemon.config_path.unlink()
    done = daemon.reload()
    assert done.returncode in (1, 3) and str(daemon.config_path) in done.stderr, done
    assert _served(star, daemon)


@pytest.mark.parametrize("key, value", [("QUEUE", 99), ("WORKERS", 1), ("QUEUELENGTH", 100),
                                        ("WHENFULL", "forward"), ("MARK", "0x99")])
def test_what_takes_a_restart(star, daemons, key, value):
    """Is said so, and then nothing is changed."""
    daemon = daemons(star).start(settings(BASE, WORKERS=2))
    rules = machine.rulesets(star.appliance)
    daemon.configure(settings({**BASE, "Traps": rule("162", "10.2.1.2")},
                              **{"WORKERS": 2, key: value}))
    done = daemon.reload()
    assert done.returncode == 1 and key in done.stderr and "restart" in done.stderr, done
    assert machine.rulesets(star.appliance) == rules
    assert _served(star, daemon)


def test_loglevel_and_autoreload_take_effect(star, daemons):
    daemon = daemons(star).start(BASE)
    said = _reload(daemon, settings(BASE, LOGLEVEL="debug"))
    assert "SETTINGS" in said and "debug" in said


def test_without_a_daemon(tmp_path):
    done = command("reload", "--socket", tmp_path / "none.sock")
    assert done.returncode == 1 and str(tmp_path / "none.sock") in done.stderr and not done.stdout


def test_autoreload(star, daemons):
    """A file that is replaced, one that is written in place, and a bad one; and off again."""
    daemon = daemons(star).start(settings(BASE, AUTORELOAD=True))

    def takes(name, config, write):
        write(json.dumps(settings(config, AUTORELOAD=True)))
        daemon.wait_status(f"rule {name}", lambda s: any(r["name"] == name for r in s["rules"]))
    in_place = daemon.config_path.write_text
    takes("Replaced", {**BASE, "Replaced": rule("162", "10.2.1.2")}, daemon.configure)
    takes("In place", {**BASE, "In place": rule("162", "10.2.1.2")}, in_place)
    said = len(daemon.stderr())
    daemon.configure("{")
    wait_for("the complaint", lambda: "stay in force" in daemon.stderr()[said:],
             there=daemon.stderr)
    assert any(r["name"] == "In place" for r in daemon.status()["rules"])
    takes("Mended", {**BASE, "Mended": rule("162", "10.2.1.2")}, daemon.configure)
    assert _served(star, daemon, 162)
    said = len(daemon.stderr())
    daemon.configure(settings({**BASE, "Last": rule("162", "10.2.1.2")}, AUTORELOAD=False))
    daemon.wait_status("rule Last", lambda s: any(r["name"] == "Last" for r in s["rules"]))
    daemon.configure({**BASE, "Too late": rule("162", "10.2.1.2")})
    assert 'changed SETTINGS' in _reload(daemon, settings(BASE, AUTORELOAD=True))
    assert "Too late" not in daemon.stderr()[said:]


def test_autoreload_notices_a_mode_that_was_mended(star, daemons):
    daemon = daemons(star).start(settings(BASE, AUTORELOAD=True))
    daemon.configure(settings({**BASE, "New": rule("162", "10.2.1.2")}, AUTORELOAD=True),
                     mode=0o664)
    wait_for("the refusal", lambda: "chmod go-w" in daemon.stderr(), there=daemon.stderr)
    daemon.config_path.chmod(0o644)
    daemon.wait_status("rule New", lambda s: any(r["name"] == "New" for r in s["rules"]))


def test_autoreload_of_a_file_behind_a_link(star, daemons, tmp_path):
    daemon = daemons(star)
    real = tmp_path / "real"
    daemon.configure(settings(BASE, AUTORELOAD=True)).rename(real)
    daemon.config_path.symlink_to(real)
    daemon.start()
    for name in ("First", "Second"):
        config = settings({**BASE, name: rule("162", "10.2.1.2")}, AUTORELOAD=True)
        real.write_text(json.dumps(config))
        daemon.wait_status(f"rule {name}", lambda s, n=name: any(
            r["name"] == n for r in s["rules"]))


def test_autoreload_leaves_alone_what_is_in_force(star, daemons):
    """A reload by hand is enough, and touching the file is no reason for another."""
    daemon = daemons(star).start(settings(BASE, AUTORELOAD=True))
    same = "the configuration file is the one in force"
    config = settings({**BASE, "New": rule("162", "10.2.1.2")}, AUTORELOAD=True)
    daemon.configure(config)  # which it would load by itself in a moment
    assert 'added rule "New"' in daemon.ask("reload")[1]
    wait_for("the change to be seen", lambda: same in daemon.stderr(), there=daemon.stderr)
    daemon.config_path.touch()
    wait_for("the touch to be seen", lambda: daemon.stderr().count(same) == 2,
             there=daemon.stderr)
    assert daemon.stderr().count("rules are up") == 2  # of the start, and of the reload by hand


def test_without_autoreload_a_change_waits(star, daemons):
    daemon = daemons(star).start(BASE)
    daemon.configure({**BASE, "New": rule("162", "10.2.1.2")})
    star.client1.inject(*[_packet(star)] * 10)
    daemon.wait_received(10)
    assert [r["name"] for r in daemon.status()["rules"]] == list(BASE)
    assert 'added rule "New"' in daemon.reload().stdout


def test_reloads_one_on_another(star, daemons):
    """Many at once: each is answered, and the last file is in force."""
    daemon = daemons(star).start(BASE)
    daemon.configure({**BASE, "New": rule("162", "10.2.1.2")})
    for _ in range(5):
        daemon.signal(signal.SIGHUP)
    assert daemon.reload().returncode == 0
    assert _served(star, daemon, 162)


def test_many_signals_are_one_reload(star, daemons):
    """However many come while one is at work; and a stop does not wait for them."""
    daemon = daemons(star).start(BASE)
    for _ in range(60):
        daemon.signal(signal.SIGHUP)
        time.sleep(0.01)  # else the kernel itself makes one of them
    begun = time.monotonic()
    daemon.stop()
    assert time.monotonic() - begun < scaled(10)
    assert daemon.stderr().count("rules are up") < 30


def test_a_pipe_in_the_place_of_the_file(star, daemons):
    """Would make the daemon wait for whoever writes into it."""
    daemon = daemons(star).start(BASE)
    daemon.config_path.unlink()
    os.mkfifo(daemon.config_path)
    refused = daemon.reload()
    assert refused.returncode == 1 and "is a pipe" in refused.stderr
    assert _served(star, daemon, 514)


@pytest.mark.parametrize("key, old, new", [
    ("QUEUE", 7514, 100), ("QUEUELENGTH", 16384, 500), ("MARK", "0x7464", "0x9"),
    ("WHENFULL", "drop", "forward"), ("WORKERS", 2, 1)])
def test_what_takes_a_restart(star, daemons, key, old, new):
    daemon = daemons(star).start(settings(BASE, WORKERS=2))
    daemon.configure(settings(BASE, **{"WORKERS": 2, key: new}))
    refused = daemon.reload()
    assert refused.returncode == 1
    assert f"SETTINGS.{key}: {new} instead of {old} takes a restart" in refused.stderr


def test_all_settings_that_take_a_restart_are_named(star, daemons):
    daemon = daemons(star).start(BASE)
    daemon.configure(settings(BASE, QUEUE=9, MARK="0x9"))
    refused = daemon.reload()
    assert "SETTINGS.QUEUE" in refused.stderr and "SETTINGS.MARK" in refused.stderr


def test_rules_that_a_failed_reload_breaks_are_mended(star, daemons):
    """The script empties the chain and fails, for the new file and for the old one; then it works
    again, and nobody has to ask for it."""
    daemon = daemons(star)
    broken, script = daemon.directory / "broken", daemon.directory / "rules"
    script.write_text(f'''#!/bin/sh
[ ! -e {broken} ] || {{ nft flush chain inet trafficduplicator prerouting; exit 1; }}
exec {RULES_SCRIPT} "$@"
''')
    script.chmod(0o755)
    daemon.start(BASE, "--rules-script", script)
    broken.touch()
    daemon.configure({**BASE, "New": rule("162", "10.2.1.2")})
    refused = daemon.reload()
    assert refused.returncode == 1 and "could not be put back" in refused.stderr
    daemon.configure(BASE)
    broken.unlink()
    wait_for("the rules to be up again", lambda: "all is up to date" in daemon.stderr(),
             there=daemon.stderr)
    assert _served(star, daemon)


def test_the_program_is_replaced(star, daemons):
    """As an upgrade does: the daemon goes on as what it is, reloads and stops included."""
    daemon = daemons(star)
    program = daemon.directory / "trafficduplicator"
    shutil.copy(daemon.program, program)
    daemon.program = program
    daemon.start(BASE)
    fresh = daemon.directory / "fresh-program"
    shutil.copy(program, fresh)
    fresh.rename(program)
    assert 'added rule "New"' in _reload(daemon, {**BASE, "New": rule("162", "10.2.1.2")})
    assert _served(star, daemon, 162)


def test_only_what_is_wrong_is_reported(star, daemons):
    """All errors of a file, and none that is only a consequence of another."""
    own = star.receiver1.gateway(4)
    daemon = daemons(star)
    daemon.configure({
        "A": rule("514", f"{own}/600", BALANCE="x"), "B": rule("600", "10.64.0.1"),
        "C": rule("515", f"{own}/515", LISTENADDRESS="10.9.9.999"),
        "D": rule("516", {"ADDRESS": own, "PORT": "5140x"}),
        "E": rule("517", "10.64.0.1", ENABLED="no"), "F": rule("518", f"{own}/517")})
    done = command("check", "-c", daemon.config_path, namespace=star.appliance)
    errors = [line for line in done.stderr.splitlines() if "rule" in line]
    assert done.returncode == 3
    assert [re.search(r'rule "(.)"', line)[1] for line in errors] == list("ACDEA"), done.stderr
    assert "this machine itself" in errors[-1]


def test_samples_go_on(star, daemons):
    """A reload that changes another rule begins no new sample of this one."""
    sampled = rule("514", f"{star.receiver1.v4}/514", SAMPLE=4)
    daemon = daemons(star).start({"R": sampled})
    for round_ in range(1, 9):
        star.client1.inject(_packet(star))
        daemon.wait_received(round_)
        daemon.configure({"R": sampled, f"Other {round_}": rule("162", "10.2.1.2")})
        assert daemon.reload().returncode == 0
    assert status.rule(daemon.status(), "R")["duplicated_pkts"] == 2


STEADY_PORTS = (514, 2055, 6343)
RELOADS, RATE_PPS = 50, 20_000


def _steady():
    """Rules that stay as they are: by port, by client, and one that others overlap."""
    return {"By port": rule("514", "10.2.1.2/514"),
            "By client": rule("2055", "10.2.1.2/2055", SOURCEADDRESS=["10.1.0.0/16",
                                                                      "!10.1.2.0/24"]),
            "Turns": rule("6343", "10.2.1.2/6343", BALANCE="hash", INTERFACE="client1")}


def _changed(n):
    """What changes around them, back and forth: ports, clients, destinations, order, number."""
    moving = {"Moving": rule(str(600 + n % 3), f"10.2.2.2/{600 + n % 2}")}
    overlapping = {"Overlapping": rule(["514", "1000-2055"] if n % 2 else "500-7000",
                                       f"10.2.2.2/{5000 + n % 3}")}
    narrow = {f"Narrow {n % 4}": rule("2055", "10.2.2.2/9", INTERFACE="client2",
                                      SOURCEADDRESS=f"10.1.2.{n}")}
    return [{**_steady(), **moving}, {**overlapping, **_steady()}, {**moving, **narrow, **_steady()},
            {**narrow, **_steady(), **overlapping}, _steady()][n % 5]


@pytest.mark.alone
def test_fifty_reloads_while_packets_flow(star, daemons):
    """Of rules that did not change not one packet is lost or doubled.

    The kernel's queue is long enough for a machine that is busy with other things for a second.
    """
    if not RELEASE.exists():
        pytest.skip(f"there is no release build at {RELEASE}")
    receivers = {port: star.receiver1.receiver(port) for port in STEADY_PORTS}
    fixed = {"QUEUELENGTH": 65536}
    daemon = daemons(star, program=RELEASE).start(settings(_changed(0), **fixed))
    flow = Flow(star.client1, star.server.v4, STEADY_PORTS, RATE_PPS)
    took_s = []
    try:
        for n in range(1, RELOADS + 1):
            daemon.configure(settings(_changed(n), **fixed))
            begun = time.monotonic()
            done = daemon.reload()
            took_s.append(time.monotonic() - begun)
            assert done.returncode == 0, done
            for receiver in receivers.values():
                receiver.pull()
    finally:
        sent, rate_pps = flow.stop()
    print(f"{sum(sent.values())} packets at {rate_pps:.0f} packets/s; a reload took "
          f"{sorted(took_s)[len(took_s) // 2]:.3f} s, at most {max(took_s):.3f} s")
    daemon.wait_received(sum(sent.values()), timeout_s=30)
    found = daemon.status()
    assert found["queue"]["dropped_kernel_pkts"] == 0, "the machine is too slow for the rate"
    for name, port in zip(_steady(), STEADY_PORTS):
        got = [int.from_bytes(payload, "big") for payload, _, _ in
               receivers[port].wait(sent[port])]
        receivers[port].pull()
        twice = len(got) - len(set(got))
        lost = sorted(set(range(sent[port])) - set(got))
        assert (twice, len(lost)) == (0, 0), f"{name}: {twice} twice, lost {lost[:20]}"
        assert status.rule(found, name)["matched_pkts"] == sent[port]
        assert status.rule(found, name)["destinations"][0]["sent_pkts"] == sent[port]
    assert rate_pps > 0.5 * RATE_PPS, f"this machine sends only {rate_pps:.0f} packets/s"


def test_the_kernels_rules_change_in_place(star, daemons):
    """No chain is taken away in a reload: with one goes whatever waits in any queue."""
    daemon = daemons(star).start(_changed(0))
    objects = re.compile(r"\b(?:table|chain) .*# handle \d+", re.MULTILINE)

    def handles():
        text = star.appliance.run("nft", "-a", "list", "table", "inet", "trafficduplicator").stdout
        return sorted(objects.findall(text))
    before = handles()
    assert len(before) >= 4
    for n in range(1, 6):
        _reload(daemon, _changed(n))
        assert set(before) <= set(handles())
    assert _served(star, daemon)
