# SPDX-License-Identifier: MIT
"""Loops of a daemon that has taken over from another."""

import signal

import pytest

from lib import status
from lib.configs import rule, settings
from lib.daemon import command
from lib.manager import Manager
from lib.waiting import scaled, wait_for

from test_loops import STORM_S, _is_looped, _payloads, _send, _sends_back, _storm_s


@pytest.fixture(name="manager")
def _manager():
    made = Manager()
    yield made
    made.close()


def _hand_over(daemon):
    asked = command("handover", "-c", daemon.config_path, "--socket", daemon.socket,
                    program=daemon.program)
    assert asked.returncode == 0, asked.stderr
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == 0


def _copies_come_back(star):
    _sends_back(star.receiver1, f"""
        table ip back {{
            chain prerouting {{
                type filter hook prerouting priority -300
                udp dport 514 ip daddr set {star.receiver1.gateway_v4}
            }}
        }}""")


def _assert_found(star, daemon):
    storm_s = _storm_s(star.receiver1, lambda: _send(star, 4, _payloads(b"storm", 20)))
    assert storm_s < scaled(STORM_S)
    wait_for("the loop to be known", lambda: _is_looped(daemon, star.receiver1.v4),
             there=lambda: status.shown(daemon.status()))


@pytest.mark.once
@pytest.mark.parametrize("fast_path", ["off", "auto"])
def test_loops_are_found(star, daemons, manager, fast_path):
    """One that begins after a restart; and after another restart it is found again."""
    config = settings({"R": rule("514", {"ADDRESS": star.receiver1.v4, "PORT": 514, "TTL": 64})},
                      FASTPATH=fast_path)
    daemon = manager.start(daemons(star), config)
    _hand_over(daemon)
    daemon = manager.start(daemons(star), config)
    _copies_come_back(star)
    for _ in range(2):
        _assert_found(star, daemon)
        _hand_over(daemon)
        _send(star, 4, _payloads(b"between", 20))
        daemon = manager.start(daemons(star), config)
    _assert_found(star, daemon)
