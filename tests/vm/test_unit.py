# SPDX-License-Identifier: MIT
"""The unit from start to stop: order, rights, sandbox, and what it says when it cannot."""

import os
import pathlib
import pwd
import re
import stat
import subprocess

import pytest

from appliance import (CONTROL_SOCKET, PROGRAM, TO_TWO_RECEIVERS, UNIT, bound_queues, ruleset,
                       table_is_up)
from lib.namespaces import run
from lib.waiting import scaled

pytestmark = pytest.mark.vm

CAP_NET_ADMIN, CAP_NET_RAW, CAP_PERFMON, CAP_BPF = 1 << 12, 1 << 13, 1 << 38, 1 << 39
EXPOSURE_LIMIT = 2.0
ERR, WARNING, INFO = 3, 4, 6


def test_starts_with_queues_then_rules_then_ready_and_stops_in_reverse(unit, gate):
    starting = subprocess.Popen(["systemctl", "start", UNIT])
    gate.wait_for("up")
    assert bound_queues() == {7514, 7515}
    assert not table_is_up()
    assert unit.show("ActiveState") == "activating"
    gate.let_pass()
    assert starting.wait(scaled(15)) == 0
    assert table_is_up()

    stopping = subprocess.Popen(["systemctl", "stop", UNIT])
    gate.wait_for("down")
    assert bound_queues() == {7514, 7515}
    assert table_is_up()
    gate.let_pass()
    assert stopping.wait(scaled(15)) == 0
    assert not table_is_up()
    assert bound_queues() == set()


def test_chooses_nft_own_queue_and_says_so_once(running):
    said = [line for line in running.wait_journal("ready").splitlines()
            if "packets are queued by" in line]
    assert len(said) == 1 and "nft's queue statement" in said[0], said
    assert "queue flags bypass" in ruleset()
    assert "NFQUEUE" not in run("iptables-nft-save").stdout


def test_stop_leaves_the_rules_of_the_machine_as_they_were(unit):
    run("nft", "-f", "-", stdin="table inet admins {\n chain input {\n"
        "  type filter hook input priority filter; policy accept;\n  udp dport 9 drop\n }\n}\n")
    try:
        before = ruleset()
        unit.call("start")
        assert ruleset() != before
        unit.call("stop")
        assert ruleset() == before
        assert unit.show("Result") == "success"
    finally:
        run("nft", "delete", "table", "inet", "admins")


def test_runs_as_its_own_user_with_the_least_capabilities(running):
    fields = dict(line.split(":\t", 1) for line in
                  pathlib.Path(f"/proc/{running.pid}/status").read_text().splitlines())
    user = pwd.getpwnam("trafficduplicator")
    assert set(fields["Uid"].split()) == {str(user.pw_uid)}
    assert set(fields["Gid"].split()) == {str(user.pw_gid)}
    assert user.pw_uid != 0
    held = {name: int(fields[name], 16) for name in fields if name.startswith("Cap")}
    assert held == {"CapInh": 0, "CapPrm": CAP_NET_ADMIN, "CapEff": CAP_NET_ADMIN, "CapAmb": 0,
                    "CapBnd": CAP_NET_ADMIN | CAP_NET_RAW | CAP_PERFMON | CAP_BPF}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


def test_sandbox_scores_well(unit, capsys):
    report = run("systemd-analyze", "security", "--no-pager", UNIT).stdout
    verdict = re.search(r"Overall exposure level for \S+: ([0-9.]+).*", report)
    with capsys.disabled():
        print(f"\n{verdict[0]}")
    assert float(verdict[1]) <= EXPOSURE_LIMIT, report


def test_unit_file_has_no_fault():
    # The image has no manual pages.
    done = run("systemd-analyze", "verify", "--man=no", f"/lib/systemd/system/{UNIT}")
    assert UNIT not in done.stderr, done.stderr


def test_control_socket_is_for_root_and_the_daemons_user_only(running):
    found = CONTROL_SOCKET.stat()
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_uid == pwd.getpwnam("trafficduplicator").pw_uid
    assert running.status()["received_pkts"] == 0

    ask = [PROGRAM, "status", "--json"]
    assert run("setpriv", "--reuid=trafficduplicator", "--regid=trafficduplicator",
               "--clear-groups", *ask).returncode == 0
    refused = run("setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", *ask,
                  check=False)
    assert refused.returncode == 1
    assert refused.stdout == "" and str(CONTROL_SOCKET) in refused.stderr


def test_control_socket_refuses_others_even_when_its_mode_does_not(running):
    os.chmod(CONTROL_SOCKET, 0o666)
    refused = run("setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups",
                  PROGRAM, "status", "--json", check=False)
    assert refused.returncode == 1 and refused.stdout == ""
    running.status()


def test_bad_config_fails_the_start_with_every_error_in_the_journal(unit):
    unit.configure('{\n "DuplicateSyslog" : {\n  "SOURCEPORT" : "0",\n'
                   '  "DESTINATION" : ["127.0.0.1/514"]\n }\n}\n')
    assert unit.call("start", check=False).returncode != 0
    journal = unit.wait_journal("SOURCEPORT", "DESTINATION", "127.0.0.1")
    assert "trafficduplicator.config:3: " in journal
    unit.wait_state("failed")
    assert unit.show("ExecMainStatus") == "3"
    assert unit.show("NRestarts") == "0"
    assert not table_is_up()


def test_journal_has_the_levels(unit):
    """Each of the daemon's lines under its own priority, as syslog(3) numbers them, and without it
    in the text."""
    unit.configure('{ "DuplicateSyslog" : { "SOURCEPORT" : "0" } }')
    assert unit.call("start", check=False).returncode != 0
    assert {level for level, text in unit.journal_entries() if ".config:1: " in text} == {ERR}

    unit.configure(TO_TWO_RECEIVERS)
    unit.call("start")
    unit.configure('{ "DuplicateSyslog" : { "SOURCEPORT" : "0" } }')
    assert unit.call("reload", check=False).returncode != 0
    unit.wait_journal("stay in force")
    unit.call("stop")
    said = unit.journal_entries()
    assert [level for level, text in said if text.endswith("ready")] == [INFO]
    assert [level for level, text in said if "reload: refused" in text] == [WARNING]
    assert {level for level, text in said if ".config:1: " in text} == {ERR}, "of ExecReload, too"
    assert [level for level, text in said if text.endswith(": stopping")] == [INFO]
    assert not [text for _, text in said if re.match(r"<|trafficduplicator: ", text)]


def test_config_that_others_can_write_is_refused(unit):
    os.chmod("/etc/trafficduplicator/trafficduplicator.config", 0o666)
    assert unit.call("start", check=False).returncode != 0
    unit.wait_state("failed")
    assert unit.show("ExecMainStatus") == "3"


def test_rules_of_a_config_can_be_printed_without_a_daemon(unit):
    assert "514" in run(PROGRAM, "rules").stdout
    assert not table_is_up()
