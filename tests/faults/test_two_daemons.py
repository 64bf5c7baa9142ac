# SPDX-License-Identifier: MIT
"""Two daemons on one appliance: there is one table, so that one of them has the rules."""

import subprocess

import pytest

from lib import machine
from lib.configs import rule, settings, syslog
from lib.stream import Stream, numbers
from lib.waiting import wait_for

pytestmark = pytest.mark.once


def _first(star, **more):
    return settings(syslog(star.receiver1.v4), WORKERS=1, **more)


def _second(star):
    """Nothing of it is in the first one's way but the rules."""
    return settings({"Other": rule("2055", star.receiver2.v4)}, QUEUE=7600, WORKERS=1, HTTP="off")


def test_the_second_is_refused(star, daemons):
    """With a reason and what to do; the first one notices nothing."""
    at_receiver = star.receiver1.capture()
    first, second = daemons(star).start(_first(star)), daemons(star)
    rules = machine.rulesets(star.appliance)
    stream = Stream(star.client1, star.server.v4, rate_pps=500)
    at_receiver.wait(10)
    second.spawn(config=_second(star))
    assert second.wait_exit() == 1
    assert second.stderr() == (
        f"trafficduplicator: error: another trafficduplicator, process {first.process.pid}, has "
        "the rules of this network namespace: stop it, or add your rules to its configuration; "
        "with --no-rules and other QUEUE numbers this one can run beside it\n")
    assert not second.socket.exists()
    at_receiver.wait(100)
    count = stream.stop()
    first.wait_received(count)
    assert sorted(numbers(at_receiver.take_udp())) == list(range(count))
    assert machine.rulesets(star.appliance) == rules
    assert first.status()["rules_restored"] == 0


def test_the_same_socket(star, daemons):
    first, second = daemons(star).start(_first(star)), daemons(star)
    second.spawn("--socket", first.socket, config=_second(star))
    assert second.wait_exit() == 1
    assert second.stderr() == ("trafficduplicator: error: another trafficduplicator is running: it "
                               f"answers on {first.socket}\n")
    assert first.status()["health"] == "ok"


def test_after_the_first(star, daemons):
    """Nothing stays behind, however the first one ends."""
    first, second = daemons(star).start(_first(star)), daemons(star)
    first.kill()
    second.start(_second(star))
    second.stop()
    first.start()


def test_beside_it_without_rules(star, daemons):
    """Those whose rules the admin installs are as many as one likes."""
    daemons(star).start(_first(star))
    daemons(star).start(_second(star), "--no-rules")
    third = settings({"Third": rule("2056", star.receiver2.v4)}, QUEUE=7700, WORKERS=1, HTTP="off")
    daemons(star).start(third, "--no-rules")


def test_at_the_same_moment(star, daemons):
    """One of them gets it."""
    both = [daemons(star).spawn(config=config) for config in (_first(star), _second(star))]

    def decided():
        ended = [d for d in both if not d.running]
        return len(ended) == 1 and "rules are up" in next(
            d for d in both if d.running).stderr() and ended[0]
    loser = wait_for("one of them to give way", decided, there=lambda: [d.stderr() for d in both])
    assert loser.wait_exit() == 1
    assert "another trafficduplicator" in loser.stderr()
    winner = next(d for d in both if d.running)
    winner.wait_status("it to work", lambda found: found["health"] == "ok")


def test_asked_again_and_again(star, daemons):
    """As by a service manager that starts it each time anew: each is told who it is."""
    first, second = daemons(star).start(_first(star)), daemons(star)
    for number in range(1, 21):
        second.spawn(config=_second(star))
        assert second.wait_exit() == 1
        assert second.stderr().count(f", process {first.process.pid},") == number, second.stderr()


_HOLD = """
import socket, sys
held = socket.socket(socket.AF_UNIX)
held.bind("\\0trafficduplicator")
if sys.argv[1] == "listens":
    held.listen(16)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["listens", "is silent"])
def test_a_user_who_takes_the_address(star, daemons, how):
    """Any user may: that does not keep the daemon from starting."""
    with star.appliance.entered():
        user = subprocess.Popen(
            ["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps=-all", "--pdeathsig",
             "KILL", "/usr/bin/python3", "-c", _HOLD, how], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
    try:
        assert user.stdout.readline() == "held\n"
        daemon = daemons(star).start(_first(star))
        who = f"process {user.pid}" if how == "listens" else "some process"
        assert f"warning: {who} of another user has the address" in daemon.stderr()
        assert daemon.status()["health"] == "ok"
    finally:
        user.kill()
        user.communicate()
