# SPDX-License-Identifier: MIT
"""SEND link: copies leave by a packet socket while the next hop is known for certain, and else by
the IP raw socket; none is lost, sent to somebody else, or missing in the numbers.

The network is Star, drawn in lib/topology.py. Which socket a copy left by is seen in the output
hook of the appliance's own firewall, which knows the IP socket's only.
"""

import itertools
import json
import struct

import pytest

from lib import neighbours, packets, status
from lib.configs import rule, settings
from lib.oracle import assert_copies
from lib.stream import Stream, numbers
from lib.visits import examine
from lib.waiting import wait_for

pytestmark = pytest.mark.once
FAMILIES = pytest.mark.parametrize("family", [4, 6])
BEHIND = {4: "10.64.0.5", 6: "fd64::5"}


class Sender:
    """A daemon with one rule and SEND link, its client, and what left by the IP socket."""

    def __init__(self, star, daemons, family, *to, send="link", **keys):
        self._star, self._family = star, family
        self.rules = {"R": rule("514", *to, **keys)}
        star.appliance.run("nft", "-f", "-", stdin="""
            table inet watch {
                chain output {
                    type filter hook output priority 0;
                    udp dport 514 counter
                }
            }""")
        self.daemon = daemons(star).start(settings(self.rules, SEND=send))
        self._serial = itertools.count()

    def packets(self, count):
        """Packets that differ in their payload, which is a number."""
        return [packets.udp_packet(self._star.client1.address(self._family),
                                   self._star.server.address(self._family), 5000, 514,
                                   struct.pack("!Q", next(self._serial))) for _ in range(count)]

    def send(self, count=1):
        """Sends packets, waits until the daemon has dealt with them, and returns them."""
        before = self.daemon.status()["received_pkts"]
        sent = self.packets(count)
        self._star.client1.inject(*sent)
        self.daemon.wait_status(f"{count} more packets",
                                lambda s: s["received_pkts"] == before + count)
        return sent

    def by_ip(self):
        """How many copies have left by the IP socket."""
        text = self._star.appliance.run("nft", "-j", "list", "table", "inet", "watch").stdout
        return next(e["counter"]["packets"] for item in json.loads(text)["nftables"]
                    if "rule" in item for e in item["rule"]["expr"] if "counter" in e)

    def goes(self, way):
        """Sends packets until one leaves that way, "ip" or "link"; then the next ones do too."""
        def probe():
            before = self.by_ip()
            self.send()
            return (self.by_ip() > before) == (way == "ip")
        wait_for(f"copies to leave by {way}", probe)

    def destination(self, address):
        """The destination's numbers."""
        return status.destination(self.daemon.status(), "R", address)


@FAMILIES
def test_known_neighbours(star, daemons, family):
    """From the first packet on no copy is seen by the local firewall."""
    to = star.receiver1.address(family), star.receiver2.address(family)
    captures = star.receiver1.capture(), star.receiver2.capture()
    sender = Sender(star, daemons, family, *to)
    sent = sender.send(20)
    for address, capture in zip(to, captures):
        assert_copies(sent, capture.take_udp(), address)
    assert sender.by_ip() == 0


@FAMILIES
def test_the_default_is_ip(star, daemons, family):
    sender = Sender(star, daemons, family, star.receiver1.address(family), send="ip")
    sender.send(20)
    assert sender.by_ip() == 20


@FAMILIES
def test_a_neighbour_that_has_to_be_asked_for(star, daemons, family):
    """The first copies have the kernel ask, and wait for the answer there; the rest do without."""
    to, at_receiver = star.receiver1.address(family), star.receiver1.capture()
    neighbours.forget(star, star.receiver1, family)
    sender = Sender(star, daemons, family, to)
    sent = sender.send(3)
    assert 1 <= sender.by_ip() <= 3
    at_receiver.wait(3)
    assert_copies(sent, at_receiver.take_udp(), to)
    sender.goes("link")
    at_receiver.take()
    before = sender.by_ip()
    sent = sender.send(20)
    assert sender.by_ip() == before
    assert_copies(sent, at_receiver.take_udp(), to)


@FAMILIES
def test_a_neighbour_that_is_lost(star, daemons, family):
    """Forgotten again and again in mid-stream: every copy arrives once."""
    to, at_receiver = star.receiver1.address(family), star.receiver1.capture()
    sender = Sender(star, daemons, family, to)
    stream = Stream(star.client1, star.server.address(family), rate_pps=1000)
    for _ in range(5):
        neighbours.forget(star, star.receiver1, family)
        neighbours.wait_state(star, star.receiver1, family, "REACHABLE")
    count = stream.stop()
    sender.daemon.wait_status("all", lambda s: s["received_pkts"] == count)
    at_receiver.wait(count)
    assert sorted(numbers(at_receiver.take_udp())) == list(range(count))
    assert sender.by_ip() > 0
    found = sender.destination(to)
    assert (found["due_pkts"], found["sent_pkts"]) == (count, count)


@FAMILIES
def test_a_stale_neighbour_is_asked_without_any_traffic(star, daemons, family):
    host = star.receiver1
    Sender(star, daemons, family, host.address(family))
    neighbours.set_state(star, host, family, "stale")
    neighbours.wait_state(star, host, family, "REACHABLE")


@FAMILIES
@pytest.mark.parametrize("when", ["before the start", "in mid-stream"])
def test_a_stale_neighbour_that_does_not_answer(star, daemons, family, when):
    """No copy goes by the link until the neighbour has answered; then they do again."""
    host = star.receiver1
    neighbours.silence(host)
    if when == "before the start":
        neighbours.set_state(star, host, family, "stale")
    sender = Sender(star, daemons, family, host.address(family))
    if when == "in mid-stream":
        sender.goes("link")
        neighbours.set_state(star, host, family, "stale")
        neighbours.wait_state(star, host, family, "PROBE")
        sender.goes("ip")
    before = sender.by_ip()
    sender.send(20)
    assert sender.by_ip() >= before + 20  # one that finds a full queue is seen at each try
    neighbours.let_speak(host)
    sender.goes("link")
    neighbours.wait_state(star, host, family, "REACHABLE")


@FAMILIES
def test_another_machine_takes_the_address(star, daemons, family):
    """The next hop has a new link-layer address, as after a failover: copies follow."""
    host, mac = star.receiver1, "02:00:00:00:77:77"
    to = host.address(family)
    sender = Sender(star, daemons, family, to)
    sender.goes("link")
    host.namespace.ip(f"link set eth0 address {mac}")
    receiver = host.receiver(514, family)
    neighbours.set_state(star, host, family, "reachable", mac)
    wait_for("copies to arrive", lambda: sender.send() and receiver.pull())
    sender.goes("link")
    receiver.wait(1)
    before = sender.by_ip()
    sender.send(20)
    assert len(receiver.wait(20)) == 20 and sender.by_ip() == before


@FAMILIES
def test_behind_gateways(star, daemons, family):
    """The next hop is the gateway, and then another one on another wire."""
    to, one, two = BEHIND[family], star.receiver1, star.receiver2
    at_one, at_two = one.capture(), two.capture()
    sender = Sender(star, daemons, family, to)
    sent = sender.send(10)
    assert_copies(sent, at_one.take_udp(), to)
    bits = 32 if family == 4 else 128
    star.appliance.ip(f"route add {to}/{bits} via {two.address(family)}")
    wait_for("copies by the other gateway", lambda: sender.send() and at_two.take_udp())
    at_one.take()
    sent = sender.send(10)
    assert_copies(sent, at_two.take_udp(), to)
    assert at_one.take_udp() == [] and sender.by_ip() == 0


@FAMILIES
def test_a_route_that_comes_and_goes(star, daemons, family):
    """Within moments, and every copy counted as what became of it."""
    to, at_receiver = BEHIND[family], star.receiver1.capture()
    net = "10.64.0.0/24" if family == 4 else "fd64::/64"
    sender = Sender(star, daemons, family, to)
    star.appliance.ip(f"route del {net}")

    def gone():
        sender.send()
        return sender.destination(to)["dropped"]["no_route"]
    wait_for("copies to have no route", gone)
    before = sender.destination(to)
    sender.send(10)
    found = sender.destination(to)
    assert found["dropped"]["no_route"] == before["dropped"]["no_route"] + 10
    assert len(at_receiver.take_udp()) == found["sent_pkts"] == before["sent_pkts"]
    star.appliance.ip(f"route add {net} via {star.receiver1.address(family)}")
    sent = sender.send(10)
    assert_copies(sent, at_receiver.take_udp(), to)


@FAMILIES
def test_a_wire_that_is_cut(star, daemons, family):
    """One receiver's interface goes down and comes back in mid-stream: its copies are counted, the
    other's arrive."""
    one, two = star.receiver1, star.receiver2
    at_two = two.capture()
    sender = Sender(star, daemons, family, one.address(family), two.address(family))
    stream = Stream(star.client1, star.server.address(family), rate_pps=1000)
    sender.daemon.wait_status("copies", lambda s: s["received_pkts"] > 100)
    star.appliance.ip("link set receiver1 down")

    def lost():
        return status.dropped(sender.destination(one.address(family)))
    wait_for("copies to be counted as lost", lambda: lost() > 100)
    star.appliance.ip(
        "link set receiver1 up",
        *([f"addr add {one.gateway_v6}/64 dev receiver1 nodad"] if family == 6 else ()))
    received = one.receiver(514, family)
    wait_for("copies to arrive again", received.pull)
    count = stream.stop()
    found = sender.daemon.wait_status("all", lambda s: s["received_pkts"] == count)
    there, other = (status.destination(found, "R", host.address(family)) for host in (one, two))
    assert there["due_pkts"] == count
    assert other["sent_pkts"] == count, other
    at_two.wait(count)
    assert sorted(numbers(at_two.take_udp())) == list(range(count))
    reasons = {reason for reason, n in there["dropped"].items() if n}
    assert reasons <= {"unreachable", "no_route"}, reasons


@FAMILIES
def test_a_wire_that_is_cut_where_another_leads_there(star, daemons, family):
    """Copies take the other way at once, though the change is told a tenth of a second later than
    the one just before it. In pieces, too: none is lost for want of one that went the old way."""
    to, two = BEHIND[family], star.receiver2
    net = "10.64.0.0/24" if family == 4 else "fd64::/64"
    star.appliance.ip(f"route add {net} via {two.address(family)} metric 4000",
                      "link set receiver1 mtu 1300", "link set receiver2 mtu 1300")
    at_two = two.capture()
    sender = Sender(star, daemons, family, to)
    sent = [packets.udp_packet(star.client1.address(family), star.server.address(family), 5000,
                               514, struct.pack("!Q", number).ljust(1400, b"."))
            for number in range(100)]
    sender.send()
    assert sender.by_ip() == 0
    star.appliance.ip("addr add 10.99.99.99/32 dev lo")
    star.appliance.ip("link set receiver1 down")
    star.client1.inject(*sent)
    sender.daemon.wait_status("all", lambda s: s["received_pkts"] == 101)
    at_two.wait(200)
    assert_copies(sent, packets.reassemble(at_two.take_udp(), 1300), to, fragmented=True)
    assert sender.destination(to)["sent_pkts"] == 101


def test_a_full_device_queue(star, daemons):
    """What the device's queue drops is counted, and what is counted as sent has arrived."""
    to, at_receiver = star.receiver1.v4, star.receiver1.capture()
    star.appliance.run("tc", "qdisc", "add", "dev", "receiver1", "root", "tbf", "rate", "400kbit",
                       "burst", "3000", "limit", "3000")
    sender = Sender(star, daemons, 4, to)
    sender.send(1000)
    found = sender.destination(to)
    assert found["dropped"]["no_buffer"] > 0 and sender.by_ip() == 0
    assert found["sent_pkts"] + found["dropped"]["no_buffer"] == found["due_pkts"] == 1000
    at_receiver.wait(found["sent_pkts"])
    assert len(at_receiver.take_udp()) == found["sent_pkts"]


@FAMILIES
def test_copies_in_fragments(make_star, daemons, rng, family):
    """Pieces leave by the link as well, and can be put together."""
    star = make_star(client1=9000, receiver1=1300)
    to, at_receiver = star.receiver1.address(family), star.receiver1.capture()
    sender = Sender(star, daemons, family, to)
    sent = [packets.udp_packet(star.client1.address(family), star.client1.gateway(family),
                               5000 + n, 514, rng.randbytes(size))
            for n, size in enumerate((100, 1300, 2600, 8000))]
    star.client1.inject(*sent)
    sender.daemon.wait_received(4)
    at_receiver.wait(2 + 3 + 7)
    assert_copies(sent, packets.reassemble(at_receiver.take_udp(), 1300), to, fragmented=True)
    assert sender.by_ip() == 0 and sender.destination(to)["sent_pkts"] == 4


@FAMILIES
def test_an_interface_without_neighbours(star, daemons, family):
    """Where nobody is asked for an address, as in a tunnel, copies are the IP socket's; those to
    another destination are not."""
    star.appliance.ip("link set receiver1 arp off")
    to = star.receiver1.address(family), star.receiver2.address(family)
    captures = star.receiver1.capture(), star.receiver2.capture()
    sender = Sender(star, daemons, family, *to)
    sent = sender.send(10)
    for address, capture in zip(to, captures):
        assert_copies(sent, capture.take_udp(), address)
    assert sender.by_ip() == 10


def test_reload(star, daemons):
    """SEND can be changed while packets come, and none is lost."""
    to, at_receiver = star.receiver1.v4, star.receiver1.capture()
    sender = Sender(star, daemons, 4, to, send="ip")
    stream = Stream(star.client1, star.server.v4, rate_pps=1000)
    for send in ("link", "ip", "link"):
        sender.daemon.configure(settings(sender.rules, SEND=send))
        done = sender.daemon.reload()
        assert done.returncode == 0 and f"+ send {send}" in " ".join(done.stdout.split())
    count = stream.stop()
    sender.daemon.wait_status("all", lambda s: s["received_pkts"] == count)
    assert sorted(numbers(at_receiver.take_udp())) == list(range(count))
    before = sender.by_ip()
    sender.send(10)
    assert 0 < before == sender.by_ip()
    sender.daemon.configure(settings(sender.rules, SEND="ip"))
    assert sender.daemon.reload().returncode == 0
    sender.send(10)
    assert sender.by_ip() == before + 10


def test_doctor(star, daemons):
    """Which way each destination has, and that a firewall concerns some copies only."""
    star.appliance.ip("link set receiver2 arp off")
    one, two = f"{star.receiver1.v4}/514", f"{star.receiver2.v4}/514"
    sender = Sender(star, daemons, 4, one, two)
    star.appliance.run("nft", "-f", "-", stdin="""
        table inet admin_firewall {
            chain output {
                type filter hook output priority 0;
                ip daddr { 10.2.1.2, 10.2.2.2 } udp dport 514 drop
            }
        }""")
    found = examine(star, sender.daemon)
    assert found.one("way", one)["title"].endswith("SEND link applies")
    assert "SEND link does not apply" in found.one("way", two)["title"]
    assert "SEND link" in found.one("firewall_may_block", one)["meaning"]
    assert "SEND link" not in found.one("firewall_blocks", two)["meaning"]
