# SPDX-License-Identifier: MIT
"""A restart by systemd, which keeps the queues meanwhile: nothing is lost, and a restart that comes
to nothing leaves nothing behind. Packets are in transit, and so go on whatever happens."""

import subprocess

import pytest

from appliance import CONFIG, DROP_INS, TO_TWO_RECEIVERS, UNIT, bound_queues, table_is_up
from lib.arrivals import Traffic
from lib.namespaces import run
from lib.waiting import scaled, wait_for

pytestmark = pytest.mark.vm

RATE_PPS = 100
WITH_FAST_PATH = {**TO_TWO_RECEIVERS, "SETTINGS": {"WORKERS": 2, "FASTPATH": "auto"}}


def _jobs():
    return run("systemctl", "list-jobs", "--no-legend", UNIT).stdout


def _stored():
    return int(run("systemctl", "show", "-P", "NFileDescriptorStore", UNIT).stdout)


@pytest.mark.parametrize("config", [TO_TWO_RECEIVERS, WITH_FAST_PATH], ids=["queue", "fastpath"])
def test_restart_loses_nothing(network, unit, config):
    unit.configure(config)
    unit.call("start")
    traffic = Traffic(network, RATE_PPS)
    pid = unit.pid
    unit.call("restart")
    assert unit.pid != pid
    assert "took over" in unit.journal()
    assert _stored() == 0, "what was taken over ends with the daemon, however that ends"
    traffic.wait_more(50)
    sent = traffic.end()
    found = unit.wait_received(sent)
    assert found["received_pkts"] == found["matched_by_any_pkts"] == sent
    assert found["queue"] == {"waiting_pkts": 0, "dropped_kernel_pkts": 0}
    if config is WITH_FAST_PATH:
        assert found["rules"][0]["fastpath"] == "in the kernel"


def test_two_restarts_and_a_stop(network, running):
    """The one that was taken over can be so again, and ends as clean as any other."""
    traffic = Traffic(network, RATE_PPS)
    for _ in range(2):
        running.call("restart")
        assert table_is_up()
    traffic.end()
    running.call("stop")
    assert not table_is_up() and not bound_queues() and _stored() == 0
    assert "rules and queues stay" not in running.journal().rpartition("took over")[2]


def test_restart_with_a_bad_file_is_a_stop(network, running):
    """The check comes first: nobody waits for a daemon that cannot start."""
    server = network.server.receiver(514)
    client = network.client1.socket()
    CONFIG.write_text("{")
    assert running.call("restart", check=False).returncode != 0
    assert running.show("ActiveState") == "failed"
    assert not table_is_up() and not bound_queues() and _stored() == 0
    client.sendto(b"on its way", (network.server.v4, 514))
    assert server.wait(1) == [(b"on its way", *client.getsockname())]
    assert "rules and queues stay" not in running.journal()


def test_next_daemon_that_does_not_come(network, running):
    """Its program fails at once, though that could not be foreseen."""
    server = network.server.receiver(514)
    client = network.client1.socket()
    running.drop_in("ExecStart=", "ExecStart=/bin/false", "Restart=no")
    assert running.call("restart", check=False).returncode != 0
    assert "rules and queues stay" in running.journal(), "it was handed over"
    wait_for("the rules to go, and the queues", lambda: not table_is_up() and not bound_queues(),
             there=running.journal)
    client.sendto(b"on its way", (network.server.v4, 514))
    assert server.wait(1) == [(b"on its way", *client.getsockname())]


def test_no_handover_to_one_that_would_have_to_wait(network, running):
    """Here for a unit that it comes after, which takes its time to start."""
    slow = DROP_INS.parent / "slow.service"
    slow.write_text(f"[Unit]\nBefore={UNIT}\n[Service]\nType=oneshot\n"
                    "ExecStart=/bin/sh -c 'read -r word </run/slow'\n")
    run("mkfifo", "/run/slow")
    try:
        run("systemctl", "daemon-reload")
        run("systemctl", "start", "--no-block", "slow.service")
        restart = subprocess.Popen(["systemctl", "restart", UNIT])
        wait_for("the rules to go, and the queues",
                 lambda: not table_is_up() and not bound_queues(), there=running.journal)
        run("tee", "/run/slow", stdin="go\n")
        assert restart.wait(scaled(30)) == 0
        assert table_is_up()
        assert "other units are to be started first" in running.journal()
    finally:
        run("systemctl", "stop", "slow.service", check=False)
        slow.unlink()
        run("rm", "/run/slow")
        run("systemctl", "daemon-reload")


