# SPDX-License-Identifier: MIT
"""The rules script: what it puts up it takes away, and it touches nobody else's rules.

Most of these need only the appliance of Star, drawn in lib/topology.py; the script finds out by
itself whether the kernel has nft's queue statement or needs iptables-nft's NFQUEUE target.
"""

import json
import os
import re

import pytest

from lib import machine, packets
from lib.configs import rule, settings, syslog
from lib.daemon import PROGRAM, RULES_SCRIPT, command, rules_script
from lib.oracle import assert_copies, routed

FOREIGN_NFT = """
    table inet filter {
        set admins { type ipv4_addr; elements = { 10.1.1.2, 10.1.2.2 } }
        chain input { type filter hook input priority 0; policy accept; ip saddr @admins accept; }
        chain forward { type filter hook forward priority 0; policy accept; }
    }
    table ip admin_raw {
        chain early { type filter hook prerouting priority -300; tcp dport 22 notrack; }
    }
"""
ADMIN_RAW = """*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:ADMIN - [0:0]
-A PREROUTING -p udp -m udp --dport 53 -j ADMIN
-A ADMIN -j ACCEPT
COMMIT
"""
# iptables-nft makes only the chains that it needs.
ADMIN_RAW_OUTPUT = """*raw
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p udp -m udp --dport 53 -j CT --notrack
COMMIT
"""
# Two tables of these names with what iptables-nft cannot read, list or say.
UNREADABLE = """
    table ip raw {
        set admins { type ipv4_addr; elements = { 10.1.1.2 } }
        chain mine { type filter hook input priority 7; policy accept; }
        chain PREROUTING {
            type filter hook prerouting priority raw; policy accept;
            numgen random mod 2 0 counter
        }
    }
    table ip6 raw {
        chain mine {
            numgen random mod 2 0 accept
        }
    }
"""
# What `docker run -p 514:514/udp` leaves, shortened.
DOCKER = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -d 10.1.1.1/32 -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 514 -j DNAT --to-destination 172.17.0.2:514
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p udp -m udp --dport 514 -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
"""


def _load(namespace, *loads):
    for load in loads:
        tool = ("nft", "-f", "-") if "table" in load else ("iptables-restore", "--noflush")
        namespace.run(*tool, stdin=load)


def _script(verb, daemon, *more, config=True):
    return rules_script(verb, daemon.config_path if config else None, daemon.namespace, *more)


def _worked(done):
    assert done.returncode == 0, f"{done.args}: exit {done.returncode}\n{done.stderr}"
    return done


@pytest.fixture
def box(star, daemons):
    """An appliance with a config, and no daemon running."""
    daemon = daemons(star)
    daemon.configure(syslog(star.receiver1.v4, star.receiver2.v6))
    return daemon


@pytest.mark.parametrize("loads", [
    pytest.param((), id="alone"), pytest.param((FOREIGN_NFT,), id="nft tables"),
    pytest.param((ADMIN_RAW,), id="iptables raw"), pytest.param((DOCKER,), id="Docker"),
    pytest.param((ADMIN_RAW_OUTPUT,), id="raw without PREROUTING"),
    pytest.param((UNREADABLE,), id="raw that only nft can read"),
    pytest.param((FOREIGN_NFT, ADMIN_RAW, DOCKER), id="all together", marks=pytest.mark.vm)])
def test_up_down_up_leaves_no_trace(box, loads):
    namespace = box.namespace
    _load(namespace, *loads)
    before, sysctls = machine.rulesets(namespace), machine.settings(namespace)
    for _ in range(2):
        _worked(_script("up", box))
        assert machine.rulesets(namespace) != before
        _worked(_script("down", box))
        assert machine.rulesets(namespace) == before
        assert machine.changed_settings(sysctls, machine.settings(namespace)) == {}


@pytest.mark.parametrize("loads", [(), (FOREIGN_NFT, ADMIN_RAW, DOCKER)], ids=["alone", "together"])
def test_up_twice_is_up_once(box, loads):
    _load(box.namespace, *loads)
    _worked(_script("up", box))
    once = machine.rulesets(box.namespace)
    _worked(_script("up", box))
    assert machine.rulesets(box.namespace) == once
    _worked(_script("reload", box))
    assert machine.rulesets(box.namespace) == once


def test_others_rules_stay_while_ours_are_up(box):
    """All that was there is still there, in its place; the one table of ours is added."""
    _load(box.namespace, FOREIGN_NFT, DOCKER)
    before = {t: box.namespace.run("nft", "-s", "list", "table", *t.split()).stdout
              for t in ("inet filter", "ip admin_raw", "ip nat", "ip filter")}
    _worked(_script("up", box))
    for table, text in before.items():
        assert box.namespace.run("nft", "-s", "list", "table", *table.split()).stdout == text
    tables = box.namespace.run("nft", "list", "tables").stdout.splitlines()
    ours = {"table inet trafficduplicator", "table ip raw", "table ip6 raw"}
    assert set(tables) - {f"table {t}" for t in before} <= ours
    assert "table inet trafficduplicator" in tables


def test_somebody_else_moves_into_raw_meanwhile(box):
    """A rule that the admin adds to iptables raw while ours are up survives `down`."""
    _worked(_script("up", box))
    mine = ("-p", "udp", "--dport", "53", "-j", "ACCEPT")
    box.namespace.run("iptables", "-t", "raw", "-A", "PREROUTING", *mine)
    _worked(_script("down", box))
    assert box.namespace.run("iptables", "-t", "raw", "-S", "PREROUTING").stdout.splitlines() == [
        "-P PREROUTING ACCEPT", "-A PREROUTING -p udp -m udp --dport 53 -j ACCEPT"]
    assert "trafficduplicator" not in box.namespace.run("nft", "list", "ruleset").stdout.lower()


@pytest.mark.parametrize("text", ["chain mine {\n numgen random mod 2 0 accept\n }\n",
                                  "set mine {\n type ipv4_addr\n elements = { 10.1.1.2 }\n }\n"],
                         ids=["chain", "set"])
def test_what_only_nft_shows_moves_into_raw_meanwhile(box, text):
    """Into the table that was made by iptables, for us. It stays, and nothing else does."""
    text = f"table ip raw {{ {text} }}"
    _load(box.namespace, text)
    alone = machine.rulesets(box.namespace)
    box.namespace.run("nft", "delete table ip raw")
    _worked(_script("up", box))
    _load(box.namespace, text)
    _worked(_script("down", box))
    assert machine.rulesets(box.namespace) == alone


def test_down_without_our_table(box):
    """Somebody has deleted it, and with it what it said of others."""
    before = machine.rulesets(box.namespace)
    _worked(_script("up", box))
    box.namespace.run("nft", "delete table inet trafficduplicator")
    _worked(_script("down", box))
    assert machine.rulesets(box.namespace) == before


def test_somebody_else_jumps_to_our_chain(box):
    """It cannot be removed then: `down` says so, does the rest, and the next one finishes it."""
    before = machine.rulesets(box.namespace)
    _worked(_script("up", box))
    if "table ip raw" not in box.namespace.run("nft", "list", "tables").stdout:
        pytest.skip("this kernel has nft's queue statement: there is no chain of ours in raw")
    theirs = ("-t", "raw", "{}", "PREROUTING", "-i", "lo", "-j", "TRAFFICDUPLICATOR")
    box.namespace.run("iptables", *(a.format("-A") for a in theirs))
    done = _script("down", box)
    assert done.returncode == 1
    assert "delete that one first: nft -a list table ip raw\n" in done.stderr
    assert "cannot take back what is ours in table raw of: IPv4\n" in done.stderr
    left = box.namespace.run("nft", "list", "ruleset").stdout
    assert re.sub(r"\s+", " ", left) == (
        "table ip raw { chain TRAFFICDUPLICATOR { } chain PREROUTING { type filter hook prerouting "
        'priority raw; policy accept; iifname "lo" counter packets 0 bytes 0 '
        "jump TRAFFICDUPLICATOR } } table inet trafficduplicator { chain made_ip_raw { } } ")
    box.namespace.run("iptables", *(a.format("-D") for a in theirs))
    _worked(_script("down", box))
    assert machine.rulesets(box.namespace) == before


def _with_nft(box, verb, line):
    """Runs the script with a line of shell before each call of nft."""
    folder = box.directory / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "nft").write_text(f'''#!/bin/sh
        nft=/usr/sbin/nft count={box.directory}/count
        {line}
        exec $nft "$@"
        ''')
    (folder / "nft").chmod(0o755)
    return box.namespace.run(RULES_SCRIPT, verb, "-c", box.config_path, check=False, env={
        **os.environ, "TRAFFICDUPLICATOR": PROGRAM, "PATH": f"{folder}:{os.environ['PATH']}"})


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 6])
def test_the_ruleset_is_flushed_in_the_middle(box, star, nth):
    """Between two transactions: what a reload had to do is done all the same."""
    _worked(_script("up", box))
    box.configure({"Flows": rule("2055-2060", star.receiver1.v4)})
    (box.directory / "count").write_text("")
    done = _worked(_with_nft(box, "up", f"""if [ "$*" = "-f -" ] && text=$(cat); then
            case $text in '# transaction'*) echo >>$count ;; esac
            [ $(wc -l <$count) != {nth} ] || case $text in '# transaction'*)
                $nft flush ruleset ;; esac
            printf '%s\\n' "$text" | $nft -f -
            exit
        fi"""))
    flushed = machine.rulesets(box.namespace)
    assert ("once more" in done.stderr) == (nth > 1)
    _worked(_script("up", box))
    _, ports = _objects(box.namespace)
    assert any("2055" in port and "2060" in port for port in ports)
    if nth > 1:
        assert machine.rulesets(box.namespace) == flushed


def test_a_program_of_another_version(box):
    """What it writes is not loaded, nor is half of it."""
    before = machine.rulesets(box.namespace)
    newer = box.directory / "newer"
    newer.write_text(f"""#!/bin/sh
        {PROGRAM} "$@" && echo '# transaction 7: what nobody knows yet'
        """)
    newer.chmod(0o755)
    done = rules_script("up", box.config_path, box.namespace, program=newer)
    assert done.returncode == 1 and "another version of this script" in done.stderr
    assert machine.rulesets(box.namespace) == before


def _objects(namespace):
    """Handles of our table and chains, and the ports in the sets: {kind name: ...}."""
    shown = json.loads(
        namespace.run("nft", "-j", "list", "table", "inet", "trafficduplicator").stdout)
    handles, elements = {}, []
    for entry in shown["nftables"]:
        for kind, value in entry.items():
            if kind in ("table", "chain"):
                handles[kind, value["name"]] = value["handle"]
            elif kind == "set":
                elements += [json.dumps(e, sort_keys=True) for e in value.get("elem", [])]
    return handles, elements


def test_reload_changes_ports_in_place(box, star):
    """Deleting a chain would drop all packets that wait in any queue: table and chains stay."""
    _worked(_script("up", box))
    handles, ports = _objects(box.namespace)
    assert any("514" in port for port in ports)
    box.configure({"Flows": rule("2055-2060", star.receiver1.v4)})
    _worked(_script("reload", box))
    new_handles, new_ports = _objects(box.namespace)
    assert new_handles == handles
    assert not any("514" in port for port in new_ports)
    assert any("2055" in port and "2060" in port for port in new_ports)


@pytest.mark.parametrize("verb", ["up", "reload"])
def test_no_waiting_packet_is_lost_by_it(star, daemons, verb):
    """Packets wait in the queue of a frozen daemon while the rules are brought up to date."""
    at_server = star.server.capture()
    config = settings(syslog(star.receiver1.v4), WORKERS=1)
    daemon = daemons(star).start(config)
    sent = [packets.udp_packet(star.client1.v4, star.server.v4, 5000 + n, 514, b"wait")
            for n in range(50)]
    daemon.freeze()
    star.client1.inject(*sent)
    daemon.configure({**config, "Flows": rule("2055-2060", star.receiver1.v4)})
    _worked(_script(verb, daemon))
    daemon.thaw()
    found = daemon.wait_received(50)
    assert found["queue"]["dropped_kernel_pkts"] == 0
    at_server.wait(50)
    assert at_server.take() == [routed(packet) for packet in sent]
    daemon.config = None  # the file has a rule more than the daemon


def test_show_and_rules(box):
    """`show` changes nothing; both name the ports."""
    box.configure({"A": rule(["514", "2055-2060"], "10.2.1.2")})
    before = machine.rulesets(box.namespace)
    shown = _worked(_script("show", box)).stdout
    assert machine.rulesets(box.namespace) == before
    listed = command("rules", "-c", box.config_path, namespace=box.namespace)
    assert listed.returncode == 0, listed.stderr
    for text in (shown, listed.stdout):
        for word in ("table inet trafficduplicator", "514", "2055-2060", "queue"):
            assert word in text or (word == "queue" and "NFQUEUE" in shown), text


def _load_at_once(box, config):
    box.configure(config)
    shown = _worked(_script("show", box)).stdout
    _load(box.namespace, shown.partition("# for iptables-nft")[0])


def _our_table(box):
    """Without the empty chains in which the script notes what it has made elsewhere."""
    text = box.namespace.run("nft", "-s", "list", "table", "inet", "trafficduplicator").stdout
    return re.sub(r"\n\tchain made_\w+ {\n\t}\n", "", text)


def test_the_text_may_be_loaded_at_once(box):
    """By `nft -f` it comes to the same as transaction by transaction, whatever there was before."""
    configs = [{"A": rule(["514", "2055-2060"], "10.2.1.2", SOURCEADDRESS="10.0.0.0/8")},
               {"A": rule("515", "10.2.1.3", INTERFACE="eth0"), "B": rule("514", "fd02:1::2")}]
    wanted = []
    for config in configs:
        box.configure(config)
        _worked(_script("up", box))
        wanted.append(_our_table(box))
    assert wanted[0] != wanted[1]
    for number in (0, 0, 1):
        _load_at_once(box, configs[number])
        assert _our_table(box) == wanted[number]
    _worked(_script("down", box))
    _load_at_once(box, configs[0])
    assert _our_table(box) == wanted[0]


def test_up_says_the_way_in_one_line(box):
    said = _worked(_script("up", box)).stderr.splitlines()
    assert len([line for line in said if "queue" in line]) == 1, said


def test_down_when_nothing_is_up(box):
    before = machine.rulesets(box.namespace)
    _worked(_script("down", box))
    _worked(_script("down", box, config=False))
    assert machine.rulesets(box.namespace) == before


@pytest.mark.parametrize("arguments", [[], ["sideways"], ["up", "down"], ["up", "--nonsense"],
                                       ["up", "-c"]])
def test_bad_arguments(box, arguments):
    before = machine.rulesets(box.namespace)
    done = rules_script(arguments[0] if arguments else "--", None, box.namespace, *arguments[1:])
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip() and not done.stdout
    assert machine.rulesets(box.namespace) == before


@pytest.mark.parametrize("verb", ["up", "reload"])
def test_bad_config_changes_nothing(box, verb):
    before = machine.rulesets(box.namespace)
    box.configure('{"A": {"SOURCEPORT": "0", "DESTINATION": ["10.2.1.2/514"]}}')
    done = _script("up", box)
    assert done.returncode == 3 and "SOURCEPORT" in done.stderr, done.stderr
    assert machine.rulesets(box.namespace) == before
    box.configure(syslog("10.2.1.2"))
    _worked(_script("up", box))
    up = machine.rulesets(box.namespace)
    box.configure("{")
    done = _script(verb, box)
    assert done.returncode == 3, done.stderr
    assert machine.rulesets(box.namespace) == up


def test_no_rules_leaves_them_to_the_admin(star, daemons):
    """`run --no-rules`: the daemon touches no ruleset, the admin's `up` makes it work."""
    at_receiver = star.receiver1.capture()
    daemon = daemons(star)
    before = machine.rulesets(star.appliance)
    daemon.start(syslog(star.receiver1.v4), "--no-rules")
    assert machine.rulesets(star.appliance) == before
    _worked(_script("up", daemon))
    up = machine.rulesets(star.appliance)
    sent = [packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, b"mine")]
    star.client1.inject(*sent)
    daemon.wait_received(1)
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.v4)
    daemon.stop()
    assert machine.rulesets(star.appliance) == up


def test_a_run_leaves_no_trace(star, daemons):
    """Start and stop of the daemon beside everybody else's rules."""
    _load(star.appliance, FOREIGN_NFT, ADMIN_RAW, DOCKER)
    before, sysctls = machine.rulesets(star.appliance), machine.settings(star.appliance)
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    assert machine.rulesets(star.appliance) != before
    daemon.stop()
    assert machine.rulesets(star.appliance) == before
    assert machine.changed_settings(sysctls, machine.settings(star.appliance)) == {}
