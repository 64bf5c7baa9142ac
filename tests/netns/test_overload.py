# SPDX-License-Identifier: MIT
"""More packets than can be served: once a queue is nearly full they are refused where they arrive,
which costs next to nothing, and every one of them is in the numbers. FASTPATH is off: the same
program does it.

The network is Star, drawn in lib/topology.py. Workers are slow since each packet has many copies.
"""

import errno
import multiprocessing
import os
import re
import time

import pytest

from lib import packets, status
from lib.configs import rule, settings
from lib.daemon import RELEASE
from lib.fastpath import OLD_KERNEL, filters, queued_pkts
from lib.waiting import wait_for

pytestmark = [pytest.mark.once, pytest.mark.alone]
COPIES, FLOOD, LENGTH = 60, 40_000, 1000
RULES = {"R": rule("514", *(f"10.64.0.{n}" for n in range(1, COPIES + 1)))}


@pytest.fixture
def start(star, daemons):
    """Starts a daemon whose queues take LENGTH packets each."""
    def start_(wrapper=(), **values):
        if not RELEASE.exists():
            pytest.skip(f"there is no release build at {RELEASE}")
        return daemons(star, program=RELEASE, wrapper=wrapper).start(
            settings(RULES, **{"FASTPATH": "off", "QUEUELENGTH": LENGTH, "WORKERS": 2, **values}))
    return start_


def _packet(star, client, n=0, port=514):
    return packets.udp_packet(client, star.server.v4, 1024 + n % 60000, port, b"x")


def _inject(host, packet):
    """Sends a packet; again where this machine's own backlog has dropped it."""
    while True:
        try:
            return host.inject(packet)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise


def _send(host, cpu, sent, count):
    os.sched_setaffinity(0, {cpu})
    for n in range(count):
        _inject(host, sent[n % len(sent)])


class Flood:
    """A process of its own that sends as fast as it can, all to one queue."""

    def __init__(self, star, client, count=FLOOD):
        star.client1.inject()  # opens the socket here
        sent = [_packet(star, client, n) for n in range(100)]
        self._process = multiprocessing.get_context("fork").Process(
            target=_send, args=(star.client1, max(os.sched_getaffinity(0)), sent, count))
        self._process.start()

    @property
    def running(self):
        """Whether it is still at it."""
        return self._process.is_alive()

    def wait(self):
        """Waits for its end."""
        self._process.join()
        assert self._process.exitcode == 0


def _last_ids(star):
    """{queue: the last packet's id} of the appliance."""
    with star.appliance.entered(), open("/proc/thread-self/net/netfilter/nfnetlink_queue",
                                        encoding="ascii") as file:
        return {int(line.split()[0]): int(line.split()[7]) for line in file}


def _queue_of(star, daemon, client):
    """The queue that the kernel has chosen for a client's packets."""
    before, received = _last_ids(star), daemon.status()["received_pkts"]
    star.client1.inject(_packet(star, client))
    daemon.wait_received(received + 1)
    after = _last_ids(star)
    return next(queue for queue in after if after[queue] > before[queue])


def _two_clients(star, daemon):
    """Two whose packets come to different queues."""
    by_queue = {}
    for last in range(20, 200):
        by_queue.setdefault(_queue_of(star, daemon, f"10.1.1.{last}"), f"10.1.1.{last}")
        if len(by_queue) == 2:
            return last - 19, *by_queue.values()
    raise AssertionError(f"all clients are in one queue: {by_queue}")


def test_refused_packets(star, start):
    """Are counted, exactly; what is taken is served to its end. Others are not concerned: not those
    that match no rule. And when the flood is over, all are taken again."""
    at_server = star.server.capture()
    daemon = start()
    flood = Flood(star, star.client1.v4)
    other = 0
    while flood.running:
        _inject(star.client1, _packet(star, star.client1.v4, other, port=9999))
        other += 1
    flood.wait()
    found = daemon.wait_received(FLOOD, timeout_s=60)
    queued = queued_pkts(star.appliance)
    dropped = found["queue"]["dropped_kernel_pkts"]
    assert found["received_pkts"] + dropped == FLOOD
    assert FLOOD / 2 < FLOOD - queued <= dropped, f"{FLOOD - queued} refused of {dropped} lost"
    at_server.wait(found["received_pkts"] + other)
    arrived = [packets.view(p).port for p in at_server.take_udp()]
    assert (arrived.count(514), arrived.count(9999)) == (found["received_pkts"], other)
    for to in found["rules"][0]["destinations"]:
        assert to["due_pkts"] == found["received_pkts"]
    print(f"{FLOOD} sent: {FLOOD - queued} refused, {dropped - FLOOD + queued} dropped by the "
          f"kernel, {found['received_pkts']} served")
    star.client1.inject(*(_packet(star, star.client1.v4, n) for n in range(100)))
    found = daemon.wait_received(FLOOD + 100)
    assert queued_pkts(star.appliance) == queued + 100
    assert found["queue"]["dropped_kernel_pkts"] == dropped
    wait_for("the log to tell", lambda: re.search(
        r"the kernel could not queue \d+ packets", daemon.stderr()), there=daemon.stderr)


def test_clients_of_another_worker(star, start):
    """Are served while one client's flood is refused."""
    daemon = start()
    tried, busy, calm = _two_clients(star, daemon)
    capture = star.server.capture()
    flood = Flood(star, busy)
    sent = 0
    wait_for("packets to be refused", lambda: daemon.status()["queue"]["dropped_kernel_pkts"])
    while flood.running:
        _inject(star.client1, _packet(star, calm, sent))
        sent += 1
        time.sleep(0.001)  # the pace of a client, not a wait for anything
    flood.wait()
    assert sent >= 30, "the flood was over too soon"
    found = daemon.wait_received(tried + FLOOD + sent, timeout_s=60)
    assert found["queue"]["dropped_kernel_pkts"] > FLOOD / 2
    served = [packets.view(p).source for p in capture.take_udp()]
    assert served.count(packets.packed(calm)) == sent


def test_whenfull_forward(star, start):
    """What is refused goes on without copies: not one original is lost."""
    at_server = star.server.capture()
    daemon = start(WHENFULL="forward")
    flood = Flood(star, star.client1.v4)
    flood.wait()
    found = daemon.wait_received(FLOOD, timeout_s=60)
    refused = FLOOD - queued_pkts(star.appliance)
    dropped = found["queue"]["dropped_kernel_pkts"]
    assert found["received_pkts"] + dropped == FLOOD and 0 < refused <= dropped
    assert status.destination(found, "R", "10.64.0.1")["due_pkts"] == found["received_pkts"]
    at_server.wait(FLOOD)
    assert len(at_server.take_udp()) == FLOOD


def test_on_an_old_kernel(star, start):
    """Without links the program comes when packets have been lost, and then refuses as well."""
    daemon = start(wrapper=OLD_KERNEL)
    assert filters(star.appliance, "client1") is None
    Flood(star, star.client1.v4).wait()
    daemon.wait_received(FLOOD, timeout_s=60)
    wait_for("the program", lambda: filters(star.appliance, "client1"))
    before = queued_pkts(star.appliance)
    Flood(star, star.client1.v4).wait()
    found = daemon.wait_received(2 * FLOOD, timeout_s=60)
    assert queued_pkts(star.appliance) - before < FLOOD / 2
    assert found["received_pkts"] + found["queue"]["dropped_kernel_pkts"] == 2 * FLOOD
