# SPDX-License-Identifier: MIT
"""Packets through the unit: copies, originals in transit, reload and the kernel's own counters."""

import copy
import signal

import pytest

from appliance import TO_TWO_RECEIVERS
from lib import status as numbers
from lib.waiting import wait_for

pytestmark = pytest.mark.vm


def _send(network, family, count, port=514, target=None):
    """Datagrams from client1 to the appliance; returns what each receiver must then have."""
    client = network.client1.socket(family)
    target = target or (network.client1.gateway_v4 if family == 4 else network.client1.gateway_v6)
    sent = [b"<13>message %d" % number for number in range(count)]
    for payload in sent:
        client.sendto(payload, (target, port))
    return [(payload, client.getsockname()[0], client.getsockname()[1]) for payload in sent]


@pytest.mark.parametrize("family, receivers", [(4, (("receiver1", 514), ("receiver2", 1514))),
                                               (6, (("receiver1", 514),))])
def test_copies_reach_every_receiver_from_the_true_client(network, running, family, receivers):
    listening = [getattr(network, role).receiver(port, family) for role, port in receivers]
    expected = _send(network, family, 50)
    for receiver in listening:
        assert sorted(receiver.wait(50)) == sorted(expected)
    status = running.wait_received(50)
    rule = numbers.rule(status, "DuplicateSyslog")
    assert (rule["matched_pkts"], rule["duplicated_pkts"]) == (50, 50)
    assert status["originals"] == {"forwarded_pkts": 0, "dropped_pkts": 50}
    assert [to["sent_pkts"] for to in rule["destinations"]] == (
        [50, 50, 0] if family == 4 else [0, 0, 50])


def test_reload_serves_a_new_port_with_the_same_process(network, running):
    receiver = network.receiver1.receiver(514)
    pid = running.pid
    config = copy.deepcopy(TO_TWO_RECEIVERS)
    config["DuplicateNetflow"] = {"SOURCEPORT": 2055, "DESTINATION": ["10.2.1.2/514"]}
    running.configure(config)
    running.call("reload")
    wait_for("the new rule", lambda: len(running.status()["rules"]) == 2, there=running.journal)
    running.wait_state("active", "running")
    expected = _send(network, 4, 10, port=2055)
    assert sorted(receiver.wait(10)) == sorted(expected)
    assert running.pid == pid


def test_reload_of_a_bad_config_fails_and_keeps_what_runs_and_says_so(network, running):
    receiver = network.receiver1.receiver(514)
    pid = running.pid
    running.configure('{\n "DuplicateSyslog" : {\n  "SOURCEPORT" : "0"\n }\n}\n')
    failed = running.call("reload", check=False)
    assert failed.returncode != 0 and "failed" in failed.stderr, failed
    journal = running.wait_journal("SOURCEPORT", "DESTINATION", "stay in force")
    assert "trafficduplicator.config:3: " in journal
    running.config = TO_TWO_RECEIVERS
    running.wait_state("active", "running")
    expected = _send(network, 4, 10)
    assert sorted(receiver.wait(10)) == sorted(expected)
    assert (running.pid, running.show("NRestarts")) == (pid, "0")
    running.configure(TO_TWO_RECEIVERS)
    running.call("reload")
    running.wait_journal("no change")


def test_kernel_drops_are_counted_for_the_daemons_user(network, unit):
    config = copy.deepcopy(TO_TWO_RECEIVERS)
    config["SETTINGS"] = {"WORKERS": 1, "QUEUELENGTH": 64}
    unit.configure(config)
    # A frozen daemon is what the watchdog looks for, and this test is slow.
    unit.drop_in("WatchdogSec=0")
    unit.call("start")
    receiver = network.receiver1.receiver(514)
    pid = unit.freeze()
    _send(network, 4, 200)
    assert unit.pid == pid
    unit.kill(signal.SIGCONT)

    def accounted():
        found = unit.status()
        return found["received_pkts"] + found["queue"]["dropped_kernel_pkts"]
    wait_for("200 packets accounted for", lambda: accounted() >= 200, there=unit.status)
    status = unit.status()
    assert status["queue"] == {"waiting_pkts": 0, "dropped_kernel_pkts": 200 - 64}
    assert status["received_pkts"] == 64
    assert len(receiver.wait(64)) == 64
