# SPDX-License-Identifier: MIT
"""Another process on our queue: in Star (tests/netns/lib/topology.py), client1 ──> server."""

import errno
import os
import pathlib

import pytest

from lib import nfqueue
from lib.configs import settings, syslog
from lib.stream import Stream, numbers
from lib.waiting import wait_for
from lib.web import ask

pytestmark = pytest.mark.once
QUEUE = 7514
LOST_MAX = 60  # what waited in the queue when it went, and came before it was there again


@pytest.fixture
def other(star):
    """Another program that wants the queue: this very process."""
    made = nfqueue.Queue(star.appliance)
    yield made
    made.close()


def _one_queue(star, **more):
    return settings(syslog(star.receiver1.v4), WORKERS=1, **more)


def _own_name():
    return pathlib.Path("/proc/self/comm").read_text(encoding="utf-8").strip()


def test_at_the_start(star, daemons, other):
    """Says who has it and what to do; and a number of its own mends it."""
    assert other.ask(QUEUE, nfqueue.BIND) == 0
    daemon = daemons(star)
    daemon.spawn(config=_one_queue(star))
    assert daemon.wait_exit() == 1
    assert daemon.stderr() == (
        f"trafficduplicator: error: queue {QUEUE} belongs to another process, {_own_name()} "
        f"(pid {os.getpid()}): stop that one, or choose other numbers with SETTINGS.QUEUE\n")
    daemon.start(_one_queue(star, QUEUE=7600))


def test_it_cannot_be_taken(star, daemons, other):
    """The kernel keeps it for its owner, whatever another one asks for."""
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start(_one_queue(star))
    stream = Stream(star.client1, star.server.v4, rate_pps=500)
    at_receiver.wait(10)
    assert other.ask(QUEUE, nfqueue.BIND) == errno.EPERM
    assert other.ask(QUEUE, nfqueue.UNBIND) == errno.EPERM
    assert other.ask(0, nfqueue.PF_UNBIND) == 0  # without effect since Linux 3.8
    at_receiver.wait(100)
    count = stream.stop()
    daemon.wait_received(count)
    assert sorted(numbers(at_receiver.take_udp())) == list(range(count))
    assert daemon.status()["health"] == "ok"


@pytest.mark.parametrize("when_full", ["drop", "forward"])
def test_it_is_lost(star, daemons, when_full):
    """Bound by nobody any more: noticed and bound again within two seconds; originals pass
    meanwhile."""
    at_receiver, at_server = star.receiver1.capture(), star.server.capture()
    daemon = daemons(star).start(_one_queue(star, WHENFULL=when_full))
    stream = Stream(star.client1, star.server.v4, rate_pps=500)
    for _ in range(2):
        at_receiver.wait(20)
        nfqueue.unbind_by_owner(star.appliance, daemon.process.pid, QUEUE)
        said = daemon.stderr().count("bound again")
        wait_for("it to be bound again", lambda: daemon.stderr().count("bound again") > said,
                 there=daemon.stderr)
        at_receiver.take()
    at_receiver.wait(20)
    count = stream.stop()
    went_on = numbers(at_server.take_udp())
    assert len(went_on) == len(set(went_on)) and count - len(went_on) <= LOST_MAX
    found = daemon.status()
    assert found["health"] == "ok" and found["queue"]["dropped_kernel_pkts"] <= LOST_MAX, found
    assert found["received_pkts"] > 40


def test_it_is_lost_to_another(star, daemons, other):
    """As long as the other one has it, /healthz says so."""
    daemon = daemons(star).start(_one_queue(star))

    def taken():
        nfqueue.unbind_by_owner(star.appliance, daemon.process.pid, QUEUE)
        return other.ask(QUEUE, nfqueue.BIND) == 0
    wait_for("the queue to be taken in time", taken)
    # Without its rights of the start it sees the other one's socket, and not whose that is.
    port = nfqueue.port_of(star.appliance, QUEUE)
    reason = f"queue {QUEUE} belongs to another process (netlink port {port} in /proc/net/netlink)"
    wait_for("/healthz to say so", lambda: ask(star.appliance, "/healthz").status == 503)
    assert ask(star.appliance, "/healthz").body == reason + "\n"
    assert daemon.status()["health"] == reason and f"error: {reason}: " in daemon.stderr()
    other.close()
    daemon.wait_status("all to be well", lambda found: found["health"] == "ok")
    at_receiver = star.receiver1.capture()
    stream = Stream(star.client1, star.server.v4)
    at_receiver.wait(20)
    stream.stop()
