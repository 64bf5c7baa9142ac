# SPDX-License-Identifier: MIT
"""The daemon under valgrind and ThreadSanitizer. The network is Star, drawn in lib/topology.py."""

import pathlib
import shutil
import signal

import pytest

from lib import packets
from lib.configs import rule, settings, syslog
from lib.daemon import RELEASE, TSAN
from lib.oracle import assert_copies

pytestmark = [pytest.mark.once, pytest.mark.long]
SUPPRESSIONS = pathlib.Path(__file__).with_name("valgrind.supp")


def test_valgrind_start_and_stop(star, daemons):
    """No error, no leak, no open question, from start to stop with some traffic between."""
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed")
    if not RELEASE.exists():
        pytest.skip(f"there is no release build at {RELEASE}")
    at_receiver = star.receiver1.capture()
    # It translates the program into code of its own, which the list of system calls is against.
    daemon = daemons(star, program=RELEASE, wrapper=(
        "env", "TRAFFICDUPLICATOR_CONFINE=off", "valgrind", "--quiet",
        # The helper ends without giving back what its parent had.
        "--child-silent-after-fork=yes", "--error-exitcode=99", "--leak-check=full",
        "--show-leak-kinds=definite,indirect,possible",
        "--errors-for-leak-kinds=definite,indirect,possible", f"--suppressions={SUPPRESSIONS}"))
    daemon.start(settings(syslog(star.receiver1.v4, star.receiver2.v6), WORKERS=2))
    sent = [packets.udp_packet(star.client1.v4, star.server.v4, 5000 + n, 514, bytes(n))
            for n in range(50)]
    star.client1.inject(*sent)
    daemon.wait_received(50, timeout_s=60)
    daemon.signal(signal.SIGHUP)
    star.client1.inject(*sent)
    daemon.wait_received(100, timeout_s=60)
    assert_copies(sent * 2, at_receiver.take_udp(), star.receiver1.v4)
    daemon.stop()
    assert "==" not in daemon.stderr(), daemon.stderr()


def test_thread_sanitizer(star, daemons):
    """Two workers, clients on both, status asked and rules reloaded all the while."""
    if not TSAN.exists():
        pytest.skip(f"there is no ThreadSanitizer build at {TSAN}")
    daemon = daemons(star, program=TSAN)
    to = star.receiver1.v4
    configs = [settings({"R": rule(["514", str(600 + n % 3)], to),
                         f"Extra{n % 3}": rule("700", to)}, WORKERS=2) for n in range(10)]
    daemon.start(configs[-1])
    sent = 0
    for number, config in enumerate(configs):
        daemon.configure(config)
        daemon.signal(signal.SIGHUP)
        for n in range(100):
            for client in (star.client1, star.client2):
                client.inject(*(packets.udp_packet(client.v4, end.v4, 5000 + n, 514, bytes(n * 14))
                                for end in (star.server, star.receiver2)))
            sent += 4
            if n % 25 == 0:
                daemon.status()
        daemon.wait_status("the reload", lambda s, n=number % 3: any(
            r["name"] == f"Extra{n}" for r in s["rules"]))
    daemon.wait_received(sent, timeout_s=60)
