# SPDX-License-Identifier: MIT
"""The admin adds NAT while packets are in transit through Star (tests/netns/lib/topology.py):
copies keep the client's address, originals go on as they came, whatever way copies leave by."""

import pytest

from lib.configs import syslog
from lib.packets import packed, view
from lib.stream import Stream, numbers

COPIED_PORT = 1514
NAT = {
    "masquerade": "iptables-nft -t nat -A POSTROUTING -j MASQUERADE",
    "source": "iptables-nft -t nat -A POSTROUTING -p udp -j SNAT --to-source 10.3.1.1",
    "destination": "iptables-nft -t nat -A PREROUTING -p udp --dport 514 -j DNAT "
                   "--to-destination 10.2.2.2:9999",
    "redirect": "iptables-nft -t nat -A PREROUTING -p udp -j REDIRECT --to-ports 9999",
    "of what is sent": "iptables-nft -t nat -A OUTPUT -p udp -j DNAT "
                       "--to-destination 10.2.2.2:9999",
    "by nft": "nft add table ip nat; nft add chain ip nat p "
              "'{ type nat hook postrouting priority srcnat; }'; nft add rule ip nat p masquerade",
}


def _ends(data):
    """Source, destination and their ports."""
    at = view(data)
    return at.source, at.destination, at.source_port, at.port


@pytest.mark.parametrize("what", NAT)
def test_nat(star, daemons, what):
    at_receiver, at_server = star.receiver1.capture(), star.server.capture()
    at_other = star.receiver2.capture()
    daemon = daemons(star).start(syslog(f"{star.receiver1.v4}/{COPIED_PORT}"))
    stream = Stream(star.client1, star.server.v4, rate_pps=500)
    at_receiver.wait(20)
    star.appliance.run("sh", "-c", NAT[what])
    daemon.wait_status("more to be sent", lambda found, now=daemon.status()["received_pkts"]:
                       found["received_pkts"] > now + 100)
    count = stream.stop()
    daemon.wait_received(count)
    copies, originals = at_receiver.take_udp(), at_server.take_udp()
    client, server = packed(star.client1.v4), packed(star.server.v4)
    assert {_ends(p) for p in copies} == {(client, packed(star.receiver1.v4), 5000, COPIED_PORT)}
    assert {_ends(p) for p in originals} == {(client, server, 5000, 514)}
    assert sorted(numbers(copies)) == sorted(numbers(originals)) == list(range(count))
    assert at_other.take_udp() == []


@pytest.mark.once
def test_nat_while_the_rules_are_away(star, daemons):
    """Without our table nothing is queued, and so nothing is sent that NAT could change, but for
    what is just on its way; the connections that NAT knows by then do not matter afterwards."""
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start(syslog(f"{star.receiver1.v4}/{COPIED_PORT}"))
    star.appliance.run("sh", "-c", NAT["masquerade"])
    stream = Stream(star.client1, star.server.v4, rate_pps=500)
    at_receiver.wait(20)
    star.appliance.run("nft", "delete", "table", "inet", "trafficduplicator")
    daemon.wait_status("the rules", lambda found: found["rules_restored"] == 1)
    wrong = [p for p in at_receiver.take_udp() if view(p).source != packed(star.client1.v4)]
    assert len(wrong) <= 20
    at_receiver.wait(20)
    stream.stop()
    assert {view(p).source for p in at_receiver.take_udp()} == {packed(star.client1.v4)}
