# SPDX-License-Identifier: MIT
"""Two appliances with keepalived, by the files of packaging/ha: one has the service address, and
the other takes it over. The network is Pair, drawn in lib/appliance_networks.py. What the client loses
is printed."""

import pytest

from lib.appliance_networks import CONFIG, Pair
from lib.appliances import engine
from lib.numbered import Collector, Toll, wait_flowing
from lib.waiting import wait_for

BACK_WITHIN_S = 3

pytestmark = pytest.mark.alone  # times are measured


def _used(network):
    try:
        yield network
    finally:
        network.remove()


@pytest.fixture(scope="module", name="pair")
def _pair():
    engine("keepalived")
    yield from _used(Pair())


@pytest.fixture(name="gateway")
def _gateway():
    """The appliances as the client's way to the server, where originals go."""
    engine("keepalived")
    network = Pair()
    network.collectors.append(network.keep(
        Collector("server", network.namespaces["server"], *Pair.SERVER)))
    yield from _used(network)


def _flowing(network, *addresses):
    client = network.client(*addresses or network.SERVICE)
    wait_flowing(client, network.collectors)
    return client


def _toll(what, client, network):
    """What it has cost, once all flows again; the client ends with it."""
    wait_flowing(client, network.collectors)
    toll = Toll(client, network.collectors)
    print(f"\n{what}: {toll}")
    assert not toll.twice
    return toll


def test_the_daemon_dies_and_returns(pair):
    active, standby = pair.ready()
    client = _flowing(pair)
    active.daemon.kill()
    toll = _toll("kill -9 of the active daemon", client, pair)
    assert toll.outage_s < BACK_WITHIN_S
    assert pair.collectors[0].sources == {"192.0.2.10", "2001:db8:1::10"}

    client = _flowing(pair)
    assert pair.ready() == [standby, active], "it must not move back"
    assert not _toll("its return", client, pair).lost


def test_the_machine_dies_and_returns(pair):
    active, standby = pair.ready()
    client = _flowing(pair)
    pair.cut_off(active)
    toll = _toll("the active machine dies", client, pair)
    assert toll.outage_s < BACK_WITHIN_S

    client = _flowing(pair)
    assert pair.ready() == [standby, active], "it must not move back"
    assert not _toll("its return", client, pair).lost


def test_planned_switch_over(pair):
    active, standby = pair.ready()
    client = _flowing(pair)
    done = active.drain("start", "2")
    assert done.returncode == 0, done.stderr
    assert pair.holder() == [standby, active]
    active.daemon.stop()
    wait_flowing(client, pair.collectors)
    assert pair.ready() == [standby, active], "it must not move back"
    assert not _toll("a planned switch-over", client, pair).lost


def test_keepalived_is_stopped(pair):
    """What still arrives at the former holder is duplicated there, and nowhere else: forwarded to
    the new one, it would be doubled."""
    active, standby = pair.ready()
    client = _flowing(pair)
    active.end("keepalived")
    assert not _toll("keepalived is stopped", client, pair).lost
    assert pair.ready() == [standby, active], "it must not move back"


def test_neither_is_healthy(pair):
    """Who is no worse than the other keeps the service address."""
    pair.ready()
    client = _flowing(pair)
    for machine in pair.appliances:
        machine.drain("start", "0")
    wait_for("keepalived to notice", lambda: not any(m.is_rated_healthy() for m in pair.appliances))
    pair.holder()
    assert not _toll("neither is healthy", client, pair).lost


def _unicast(own, other):
    """The file with its lines for unicast in force."""
    def edit(text):
        begin = text.index("# unicast_src_ip")
        lines = text[begin:].replace("# ", "")
        for word, address in (("192.0.2.2", "OWN"), ("192.0.2.3", other), ("OWN", own)):
            lines = lines.replace(word, address)
        return text[:begin] + lines
    return edit


def test_as_a_gateway(gateway):
    """Originals arrive at the server, and copies at the collectors, each once. The two talk to each
    other by unicast."""
    auto = {"Syslog": {k: v for k, v in CONFIG["Syslog"].items() if k != "ORIGINAL"}}
    edits = _unicast("192.0.2.2", "192.0.2.3"), _unicast("192.0.2.3", "192.0.2.2")
    settings = {"keepalived": "gateway.conf", "config": auto, "edits": edits}
    active, standby = gateway.ready(**settings)
    assert all("unicast, address" in machine.log() for machine in gateway.appliances)
    client = _flowing(gateway, *Pair.SERVER)
    gateway.set_ports("down", gateway.ports_of(active.name)[1])
    toll = _toll("the active gateway loses its link to the servers", client, gateway)
    assert toll.outage_s < BACK_WITHIN_S

    assert gateway.ready(**settings) == [standby, active], "it must not move back"
    client = _flowing(gateway, *Pair.SERVER)
    done = standby.drain("start", "2")
    assert done.returncode == 0, done.stderr
    assert gateway.holder() == [active, standby]
    assert not _toll("a planned switch-over of gateways", client, gateway).lost
