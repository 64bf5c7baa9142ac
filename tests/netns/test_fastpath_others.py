# SPDX-License-Identifier: MIT
"""The fast path among what administrators and others do at the same places: their marks and
priorities, their namespaces, their routes. The network is Star, drawn in lib/topology.py.
"""

import pytest

from lib import packets, status
from lib.configs import rule, settings, syslog
from lib.fastpath import FastPath, linked_programs
from lib.oracle import assert_copies, routed
from lib.waiting import wait_for

pytestmark = pytest.mark.once

NETDEV = """table netdev qos { chain in {
    type filter hook ingress device client1 priority 0
    %s
    }
    }"""
PREROUTING = """table inet qos { chain in {
    type filter hook prerouting priority -400
    %s
    }
    }"""


@pytest.mark.parametrize("what", ["meta priority set 1:10", "meta mark set 0x42"])
@pytest.mark.parametrize("where", [NETDEV, PREROUTING], ids=["ingress", "prerouting"])
def test_an_admin_who_classifies(star, daemons, where, what):
    """Sets the priority or the mark of what has been served, before our own chain sees it."""
    star.appliance.run("nft", "-f", "-", stdin=where % what)
    star.appliance.run("nft", "-f", "-", stdin="""table inet seen { chain c {
        type filter hook forward priority 0
        udp dport 514 meta mark & 0x20000000 != 0 counter
        }
        }""")
    captures = star.receiver1.capture(), star.server.capture()
    fast = FastPath(star, daemons(star), {"R": rule("514", "10.2.1.2/514")})
    sent = fast.plain(count=10)
    assert fast.send(*sent) == 0
    assert_copies(sent, captures[0].take_udp(), star.receiver1.v4)
    captures[1].wait(10)
    assert captures[1].take() == [routed(packet) for packet in sent]
    assert "packets 0" in star.appliance.run("nft", "list", "table", "inet", "seen").stdout


@pytest.mark.parametrize("original", ["auto", "drop"])
def test_packets_for_another_namespace(star, daemons, original):
    """What a macvlan device takes away never comes to this machine's prerouting."""
    star.appliance.ip("link add link client2 name inner type macvlan mode passthru",
                      f"link set inner netns {star.server.namespace.name}")
    star.server.namespace.ip("link set inner up", "addr add 10.1.2.9/24 dev inner")
    taken = star.server.receiver(514, address="10.1.2.9")
    fast = FastPath(star, daemons(star), {"R": rule("514", "10.2.1.2/514", ORIGINAL=original)})
    assert linked_programs(star.appliance, "client2") != []
    star.client2.inject(*[packets.udp_packet(star.client2.v4, "10.1.2.9", 5000, 514, bytes([n]))
                          for n in range(5)])
    assert len(taken.wait(5)) == 5
    assert fast.daemon.status()["received_pkts"] == 0
    assert fast.send(*fast.plain(count=3)) == 0


def test_ipv6_switched_off(star, daemons):
    """The kernel lets no such packet through to prerouting."""
    fast = FastPath(star, daemons(star), syslog(star.receiver1.v4, star.receiver1.v6))
    assert fast.send(*fast.plain(6, count=3)) == 0
    star.appliance.sysctl(ipv6__conf__client1__disable_ipv6=1)
    star.client1.inject(*fast.plain(6, count=3))
    assert fast.send(*fast.plain(4, count=3)) == 0
    assert fast.daemon.status()["received_pkts"] == 6


def test_a_nexthop_object_that_changes(star, daemons):
    """Where the kernel is told to say nothing of the routes that use it."""
    star.appliance.sysctl(ipv4__nexthop_compat_mode=0)
    star.appliance.ip("nexthop add id 8 via 10.2.2.2 dev receiver2",
                      "route replace 10.64.0.0/24 nhid 8")
    first, second = star.receiver1.capture(), star.receiver2.capture()
    fast = FastPath(star, daemons(star), {"R": rule("514", "10.64.0.9/514")})
    sent = fast.plain(count=3)
    assert fast.send(*sent) == 0
    assert_copies(sent, second.take_udp(), "10.64.0.9")
    star.appliance.ip("nexthop replace id 8 via 10.2.1.2 dev receiver1")

    def moved():
        fast.send(*fast.plain())
        return first.take_udp()
    wait_for("copies by the other wire", moved)


def test_the_admins_own_rules(star, daemons):
    """With --no-rules only the administrator knows what is to be queued."""
    daemon = daemons(star).start(settings(syslog(star.receiver1.v4), FASTPATH="auto"),
                                 "--no-rules")
    found = daemon.status()
    assert "--no-rules" in found["fastpath"] and found["fastpath"].startswith("unavailable: ")
    assert status.rule(found, "DuplicateSyslog")["fastpath"] == found["fastpath"]
    assert linked_programs(star.appliance, "client1") == []
    assert "no fast path: --no-rules" in daemon.stderr()
