# SPDX-License-Identifier: MIT
"""Inline as a bridge, seen by netfilter through br_netfilter; the network is Bridge, drawn in
lib/topology.py.

    client1 ──[ br0 appliance ]── server: the original, every byte of it
                      ├────────── receiver1: a copy, on the same wire
                      └────────── receiver2: a copy, on another
"""

import pytest

from lib import packets
from lib.configs import rule, syslog
from lib.oracle import assert_copies


def _bridged(bridge, family, port=514, count=1, size=20):
    return [packets.udp_packet(bridge.client1.address(family), bridge.server.address(family),
                               5000 + n, port, bytes([n]) * size) for n in range(count)]


@pytest.mark.parametrize("family", [pytest.param(4, marks=pytest.mark.vm), 6])
def test_the_original_reaches_its_own_server_untouched(bridge, daemons, family):
    at_server, at_client = bridge.server.capture(), bridge.client1.capture()
    receivers = bridge.receiver1, bridge.receiver2
    captures = [host.capture() for host in receivers]
    daemon = daemons(bridge).start(syslog(*(f"{h.address(family)}/514" for h in receivers)))
    sent = _bridged(bridge, family, count=50)
    bridge.client1.inject(*sent)
    found = daemon.wait_received(50)
    at_server.wait(50)
    assert at_server.take() == sent
    for host, capture in zip(receivers, captures):
        assert_copies(sent, capture.take_udp(), host.address(family), 514)
    assert found["originals"] == {"forwarded_pkts": 50, "dropped_pkts": 0}
    assert at_client.take() == []


def test_a_bridge_that_netfilter_does_not_see(bridge, daemons):
    """Said at the start, with the command that changes it, and not changed."""
    bridge.appliance.sysctl(**{"bridge__bridge-nf-call-iptables": 0})
    daemon = daemons(bridge).start(syslog(bridge.receiver2.v4))
    warnings = [line for line in daemon.stderr().splitlines() if "br0" in line]
    assert len(warnings) == 1 and "bridge-nf-call-iptables=1" in warnings[0], daemon.stderr()


@pytest.mark.parametrize("family", [4, 6])
def test_the_bridges_own_address(bridge, daemons, family):
    """What is sent to the appliance itself ends there, silently."""
    at_receiver, at_client = bridge.receiver2.capture(), bridge.client1.capture()
    own = "10.9.0.1" if family == 4 else "fd09::1"
    sent = [packets.udp_packet(bridge.client1.address(family), own, 5000 + n, 514, b"direct")
            for n in range(5)]
    wire = bridge.to_appliance(bridge.client1)
    wire.send(*sent)
    assert len(at_client.take_icmp_errors()) == 5
    daemon = daemons(bridge).start(syslog(bridge.receiver2.address(family)))
    wire.send(*sent)
    found = daemon.wait_received(5)
    assert_copies(sent, at_receiver.take_udp(), bridge.receiver2.address(family))
    assert found["originals"] == {"forwarded_pkts": 0, "dropped_pkts": 5}
    assert at_client.take_icmp_errors() == []


def test_drop_and_forward(bridge, daemons):
    at_server, at_receiver = bridge.server.capture(), bridge.receiver2.capture()
    daemon = daemons(bridge).start({
        "Forward": rule(1002, bridge.receiver2.v4, ORIGINAL="forward"),
        "Drop": rule(1003, bridge.receiver2.v4, ORIGINAL="drop"),
    })
    forwarded, dropped = _bridged(bridge, 4, 1002, 5), _bridged(bridge, 4, 1003, 5)
    bridge.client1.inject(*forwarded, *dropped)
    found = daemon.wait_received(10)
    at_server.wait(5)
    assert at_server.take() == forwarded
    assert_copies(forwarded + dropped, at_receiver.take_udp(), bridge.receiver2.v4)
    assert found["originals"] == {"forwarded_pkts": 5, "dropped_pkts": 5}


@pytest.mark.parametrize("family", [4, 6])
def test_fragments(bridge, daemons, family):
    """A fragmented datagram passes the bridge whole, and its copies arrive whole."""
    at_server = bridge.server.receiver(514, family)
    receivers = [h.receiver(514, family) for h in (bridge.receiver1, bridge.receiver2)]
    daemon = daemons(bridge).start(syslog(
        *(f"{h.address(family)}/514" for h in (bridge.receiver1, bridge.receiver2))))
    sent = _bridged(bridge, family, count=5, size=5000)
    for packet in sent:
        bridge.client1.inject(*packets.fragments(packet, 1500, ident=packets.view(packet).payload[0]
                                                 + 0x1000))
    expected = [(packets.view(p).payload, bridge.client1.address(family),
                 packets.view(p).source_port) for p in sent]
    for receiver in (at_server, *receivers):
        assert receiver.wait(5) == expected
    daemon.wait_received(5)
