# SPDX-License-Identifier: MIT
"""Other services of the machine, and a second daemon, in the way of the service's rules."""

import pytest

from appliance import UNIT, table_is_up
from lib.namespaces import run
from lib.waiting import wait_for

pytestmark = pytest.mark.vm


def _sends(network):
    """Whether a copy of what is sent now arrives."""
    receiver, client = network.receiver1.receiver(514), network.client1.socket()
    client.sendto(b"now", (network.client1.gateway_v4, 514))
    assert receiver.wait(1) == [(b"now", *client.getsockname())]


def test_a_firewall_service_flushes_the_ruleset(network, running):
    """Debian's nftables.service begins with `flush ruleset`."""
    pid = running.pid
    run("systemctl", "restart", "nftables")
    try:
        wait_for("the rules", lambda: running.status()["rules_restored"] == 1,
                 there=running.journal)
        running.wait_journal("was taken away by nft", "putting it back")
        assert running.status()["health"] == "ok" and running.pid == pid
        assert " queue " in run("nft", "list", "table", "inet", "trafficduplicator").stdout
        _sends(network)
    finally:
        run("systemctl", "stop", "nftables")


def test_a_daemon_that_was_started_by_hand(network, unit):
    """The service is refused, says why, and leaves alone what is the other one's."""
    run("systemd-run", "--unit=by-hand", "--service-type=notify", "/usr/sbin/trafficduplicator",
        "run", "--socket", "/run/by-hand.sock")
    try:
        unit.drop_in("RestartSec=100ms")
        assert unit.call("start", check=False).returncode != 0
        unit.wait_journal("another trafficduplicator, process ", "Scheduled restart job")
        unit.call("stop")
        assert table_is_up(), UNIT
        _sends(network)
        journal = run("journalctl", "-u", "by-hand", "-o", "cat").stdout
        assert "putting it back" not in journal, journal
    finally:
        run("systemctl", "stop", "by-hand")
