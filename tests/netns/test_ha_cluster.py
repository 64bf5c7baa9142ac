# SPDX-License-Identifier: MIT
"""Four appliances behind a router, with BIRD and by the files of packaging/ha: all have the service
address, and the router spreads flows over those that announce it. The network is Cluster, drawn in
lib/appliance_networks.py. What the client loses is printed."""

import re
import signal

import pytest

from lib.appliance_networks import Cluster
from lib.appliances import PACKAGING, engine
from lib.numbered import Toll, wait_flowing
from lib.waiting import wait_for

BACK_WITHIN_S = 2
UNIT = PACKAGING / "trafficduplicator-announce.service"

pytestmark = pytest.mark.alone  # times are measured


@pytest.fixture(scope="module", name="made")
def _made():
    engine("bird")
    network = Cluster()
    try:
        yield network
    finally:
        network.remove()


@pytest.fixture(name="cluster")
def _cluster(made):
    made.ready()
    return made


def _flowing(cluster, **keywords):
    client = cluster.client(*cluster.SERVICE, **keywords)
    wait_flowing(client, cluster.collectors)
    return client


def _toll(what, client, cluster):
    """What it has cost, once all flows again; the client ends with it."""
    wait_flowing(client, cluster.collectors)
    toll = Toll(client, cluster.collectors)
    print(f"\n{what}: {toll}")
    assert not toll.twice
    return toll


def _received(cluster):
    return [machine.daemon.status()["received_pkts"] for machine in cluster.appliances]


def _gained(cluster, before):
    return [now - then for now, then in zip(_received(cluster), before)]


def test_one_of_four_is_drained_and_put_back(cluster):
    """Not one packet is lost, or comes twice, over all of it."""
    drained, *others = cluster.appliances
    before = _received(cluster)
    client = _flowing(cluster)
    assert all(_gained(cluster, before)), "each of them has its share"
    done = drained.drain("start", "2")
    assert done.returncode == 0, done.stderr
    drained.daemon.stop()
    assert [cluster.next_hops(address) for address in cluster.SERVICE] == 2 * [set(others)]
    wait_flowing(client, cluster.collectors)
    cluster.ready()
    toll = _toll("one of four is drained and put back", client, cluster)
    assert not toll.lost
    assert cluster.collectors[0].sources == {"10.1.1.10", "fd01:1::10"}


def test_a_daemon_dies_and_returns(cluster):
    client = _flowing(cluster)
    cluster.appliances[1].daemon.kill()
    cluster.wait_next_hops({*cluster.appliances} - {cluster.appliances[1]})
    toll = _toll("kill -9 of one of four daemons", client, cluster)
    assert toll.outage_s < BACK_WITHIN_S

    client = _flowing(cluster)
    cluster.ready()
    assert not _toll("its return", client, cluster).lost


def test_a_machine_dies_and_returns(cluster):
    client = _flowing(cluster)
    cluster.cut_off(cluster.appliances[2])
    cluster.wait_next_hops({*cluster.appliances} - {cluster.appliances[2]})
    toll = _toll("one of four machines dies", client, cluster)
    assert toll.outage_s < BACK_WITHIN_S

    client = _flowing(cluster)
    cluster.ready()
    assert not _toll("its return", client, cluster).lost


def _counted(cluster, before, count):
    gained = _gained(cluster, before)
    return gained if sum(gained) == count else None


@pytest.mark.parametrize("by", ["addresses", "addresses and ports"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_what_goes_to_which(cluster, by, pieces):
    """Fragments go by addresses, the first one too, whatever else goes by ports: so all those of a
    datagram reach the same appliance, which can put it together.

    Packets are sent as they are on a wire: out of a socket the router would get the sender's own
    hash with them, and use that.
    """
    cluster.hash_by(by)
    before = _received(cluster)
    sent = cluster.send_datagrams(64, pieces)

    def arrived():
        for collector in cluster.collectors:
            collector.pull()
        return [n for collector in cluster.collectors for n in sent if n not in collector.times]
    wait_for("every datagram at both collectors", lambda: not arrived(), there=arrived)
    gained = wait_for("the appliances to have counted them", lambda: _counted(
        cluster, before, len(sent)), there=lambda: _gained(cluster, before))
    print(f"\n{pieces} packets each, by {by}: {gained}")
    assert all(n == 1 for collector in cluster.collectors for n in collector.times.values())
    if pieces > 1 or by == "addresses":
        assert set(gained) <= {0, 64, 128}, "a family in one place"
    else:
        assert all(gained)
    cluster.hash_by("addresses and ports")


def test_the_watcher_dies(cluster):
    """What its unit does then is to withdraw the address: nobody would notice when the daemon dies
    as well. What still arrives meanwhile is duplicated."""
    client = _flowing(cluster)
    machine = cluster.appliances[3]
    machine.end("announcing", signal.SIGKILL)
    stop_post = re.search(r"^ExecStopPost=\S+/(\S+) (.*)$", UNIT.read_text(), re.MULTILINE)
    assert machine.script(stop_post[1], stop_post[2]).returncode == 0
    cluster.wait_next_hops({*cluster.appliances} - {machine})
    cluster.ready()
    machine.end("announcing")
    cluster.wait_next_hops({*cluster.appliances} - {machine})
    assert not _toll("the watcher dies, returns and is stopped", client, cluster).lost


def test_bird_is_restarted(cluster):
    """It announces nothing by itself; what it should the watcher tells it, again and again."""
    machine = cluster.appliances[0]
    machine.end("announcing")
    machine.end("bird")
    machine.start_bird("bird/appliance.conf")
    wait_for("both sessions", lambda: machine.birdc("show", "protocols").count("Established") == 2)
    cluster.wait_next_hops({*cluster.appliances} - {machine})
    cluster.ready()
    machine.end("bird")
    wait_for("the watcher to miss it", lambda: "no answer from BIRD" in machine.log())
    cluster.ready()
