# SPDX-License-Identifier: MIT
"""Clients address the appliance itself; the network is Star, drawn in lib/topology.py.

    client1 ── 10.1.1.1 [ appliance ] ──> receiver1, receiver2: copies, as if from client1
"""

import pytest

from lib import packets, status
from lib.capture import Receiver
from lib.configs import rule, syslog
from lib.oracle import assert_copies


def _to_appliance(host, family=4, port=514, count=1, first=5000, payload=b"<13>message"):
    """Packets from host to the appliance's own address, each from a source port of its own."""
    return [packets.udp_packet(host.address(family), host.gateway(family), first + n, port,
                               payload + b"%d" % n) for n in range(count)]


@pytest.mark.vm
@pytest.mark.parametrize("family", [4, 6])
def test_two_receivers_see_the_true_client(star, daemons, family):
    first, second = star.receiver1, star.receiver2
    captures = {host: host.capture() for host in (first, second)}
    sockets = {first: first.receiver(514, family), second: second.receiver(5514, family)}
    at_client = star.client1.capture()
    daemon = daemons(star).start(syslog(f"{first.address(family)}/514",
                                        f"{second.address(family)}/5514"))
    sent = _to_appliance(star.client1, family, count=50)
    star.client1.inject(*sent)
    for host, port in ((first, 514), (second, 5514)):
        expected = [(b"<13>message%d" % n, star.client1.address(family), 5000 + n)
                    for n in range(50)]
        assert sockets[host].wait(50) == expected
        assert_copies(sent, captures[host].take_udp(), host.address(family), port)
    daemon.wait_received(50)
    assert at_client.take_icmp_errors() == [], "the original must end at the appliance in silence"
    found = daemon.status()
    assert found["originals"] == {"forwarded_pkts": 0, "dropped_pkts": 50}
    one = status.rule(found, "DuplicateSyslog")
    assert (one["matched_pkts"], one["duplicated_pkts"]) == (50, 50)
    assert [d["sent_pkts"] for d in one["destinations"]] == [50, 50]
    assert found["unmatched_pkts"] == found["malformed_pkts"] == found["truncated_pkts"] == 0


@pytest.mark.parametrize("family", [4, 6])
def test_without_the_daemon_the_stack_answers(star, daemons, family):
    """Before the start and after the stop the appliance is an ordinary machine."""
    at_client = star.client1.capture()
    daemon = daemons(star)
    sent = _to_appliance(star.client1, family, count=5)
    star.client1.inject(*sent)
    assert len(at_client.take_icmp_errors()) == 5
    daemon.start(syslog(star.receiver1.address(family)))
    star.client1.inject(*sent)
    daemon.wait_received(5)
    assert at_client.take_icmp_errors() == []
    daemon.stop()
    star.client1.inject(*sent)
    assert len(at_client.take_icmp_errors()) == 5


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("count", [1, 2, 64])
def test_as_many_copies_as_destinations(star, daemons, family, count):
    prefix = "10.64.0." if family == 4 else "fd64::"
    addresses = [f"{prefix}{n}" for n in range(1, count + 1)]
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start(syslog(*(f"{address}/514" for address in addresses)))
    sent = _to_appliance(star.client1, family, count=20)
    star.client1.inject(*sent)
    daemon.wait_received(20)
    at_receiver.wait(20 * count)
    copies = at_receiver.take_udp()
    for address in addresses:
        target = packets.packed(address)
        assert_copies(sent, [c for c in copies if packets.view(c).destination == target], address,
                      514)
    assert len(copies) == 20 * count


def test_ports_lists_ranges_and_kept_ports(star, daemons):
    """A destination without a port keeps the packet's own."""
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start({
        "Flows": rule(["2055-2060", 4739, "9995"], star.receiver1.v4),
        "Moved": rule("514", f"{star.receiver1.v4}/10514"),
    })
    matched = [2055, 2057, 2060, 4739, 9995]
    sent = [_to_appliance(star.client1, port=port, first=port)[0]
            for port in matched + [2054, 2061, 4738, 513, 515, 9996]]
    moved = _to_appliance(star.client1, port=514)
    star.client1.inject(*sent, *moved)
    daemon.wait_received(len(matched) + 1)
    copies = at_receiver.take_udp()
    assert_copies(sent[:len(matched)], copies[:-1], star.receiver1.v4)
    assert_copies(moved, copies[-1:], star.receiver1.v4, 10514)


def test_two_rules_share_a_destination(star, daemons):
    """One copy of a packet per destination; the first rule in the file that sends there counts."""
    one, two = star.receiver1, star.receiver2
    captures = one.capture(), two.capture()
    daemon = daemons(star).start({
        "First": rule("514", f"{one.v4}/514"),
        "Second": rule("500-520", f"{one.v4}", f"{two.v4}/514"),
    })
    sent = _to_appliance(star.client1, count=10)
    only_second = _to_appliance(star.client1, port=515, count=3, first=6000)
    star.client1.inject(*sent, *only_second)
    daemon.wait_received(13)
    assert_copies(sent, captures[0].take_udp()[:10], one.v4, 514)
    assert_copies(sent + only_second, captures[1].take_udp(), two.v4, 514)
    found = daemon.status()
    assert found["matched_by_any_pkts"] == 13
    assert status.rule(found, "First")["duplicated_pkts"] == 10
    assert status.rule(found, "Second")["duplicated_pkts"] == 13
    assert status.destination(found, "First", one.v4)["due_pkts"] == 10
    assert status.destination(found, "Second", one.v4)["due_pkts"] == 3
    assert status.destination(found, "Second", two.v4)["due_pkts"] == 13


def test_same_host_on_two_ports_is_two_destinations(star, daemons):
    at_receiver = star.receiver1.capture()
    daemon = daemons(star).start(syslog(f"{star.receiver1.v4}/514", f"{star.receiver1.v4}/1514"))
    sent = _to_appliance(star.client1, count=5)
    star.client1.inject(*sent)
    daemon.wait_received(5)
    copies = at_receiver.take_udp()
    for port in (514, 1514):
        assert_copies(sent, [c for c in copies if packets.view(c).port == port],
                      star.receiver1.v4, port)


def test_what_becomes_of_the_original(star, daemons):
    """`auto` ends it here, `forward` lets the appliance's own service have it, `drop` ends it;
    of several rules drop wins over forward, and forward over auto."""
    to = star.receiver1.v4
    daemon = daemons(star).start({
        "Auto": rule([1001, 1004, 1006], f"{to}/1"),
        "Forward": rule([1002, 1004, 1005, 1006], f"{to}/2", ORIGINAL="forward"),
        "Drop": rule([1003, 1005, 1006], f"{to}/3", ORIGINAL="drop"),
    })
    services = {port: star.keep(Receiver(star.appliance, star.client1.gateway_v4, port))
                for port in range(1001, 1007)}
    for port in services:
        star.client1.inject(*_to_appliance(star.client1, port=port, count=4))
    found = daemon.wait_received(24)
    for port in (1002, 1004):
        assert len(services[port].wait(4)) == 4
    assert not any(service.pull() for service in services.values())
    assert found["originals"] == {"forwarded_pkts": 8, "dropped_pkts": 16}


def test_mixed_families_in_one_rule(star, daemons):
    """A destination takes packets of its own family; a rule without one does not match."""
    captures = {4: star.receiver1.capture(), 6: star.receiver2.capture()}
    daemon = daemons(star).start({
        "Both": rule("514", f"{star.receiver1.v4}/514", f"{star.receiver2.v6}/514"),
        "OnlyV4": rule("515", f"{star.receiver1.v4}/515"),
    })
    v4, v6 = (_to_appliance(star.client1, family, count=n) for family, n in ((4, 5), (6, 7)))
    stray = _to_appliance(star.client1, 6, port=515, count=3)
    star.client1.inject(*v4, *v6, *stray)
    # Whether the kernel hands over what no rule of its family matches is left to the rules.
    found = daemon.wait_status("both families", lambda s: s["matched_by_any_pkts"] == 12)
    assert_copies(v4, captures[4].take_udp(), star.receiver1.v4, 514)
    assert_copies(v6, captures[6].take_udp(), star.receiver2.v6, 514)
    assert status.rule(found, "Both")["duplicated_pkts"] == 12
    assert status.destination(found, "Both", star.receiver1.v4)["due_pkts"] == 5
    assert status.destination(found, "Both", star.receiver2.v6)["due_pkts"] == 7
    assert status.rule(found, "OnlyV4")["matched_pkts"] == 0
    assert found["unmatched_pkts"] in (0, 3)


def test_neighbours_are_found_first(star, daemons):
    """The first copies wait in the kernel while ARP and neighbour discovery do their work."""
    at_receiver = star.receiver1.capture()
    star.appliance.ip(*(f"neigh del {address} dev receiver1"
                        for address in (star.receiver1.v4, star.receiver1.v6)))
    daemon = daemons(star).start({
        "V4": rule("514", star.receiver1.v4), "V6": rule("515", star.receiver1.v6)})
    sent = {f: _to_appliance(star.client1, f, 514 if f == 4 else 515, count=5) for f in (4, 6)}
    star.client1.inject(*sent[4], *sent[6])
    daemon.wait_received(10)
    at_receiver.wait(10)
    copies = at_receiver.take_udp()
    for family in (4, 6):
        assert_copies(sent[family],
                      [c for c in copies if packets.view(c).version == family],
                      star.receiver1.address(family))


@pytest.mark.parametrize("to", ["10.1.1.255", "255.255.255.255", "239.1.2.3", "ff02::114"])
def test_broadcast_and_multicast(star, daemons, to):
    """A client that shouts instead of naming the appliance is heard too."""
    family = 6 if ":" in to else 4
    at_receiver, at_client = star.receiver1.capture(), star.client1.capture()
    daemon = daemons(star).start(syslog(star.receiver1.address(family)))
    sent = [packets.udp_packet(star.client1.address(family), to, 5000 + n, 514, b"everybody")
            for n in range(5)]
    star.client1.inject(*sent)
    daemon.wait_received(5)
    assert_copies(sent, at_receiver.take_udp(), star.receiver1.address(family))
    assert at_client.take() == []


def test_clients_by_ordinary_sockets(star, daemons):
    """Two clients that use the kernel's own UDP, and collectors that do."""
    receivers = [star.receiver1.receiver(514), star.receiver2.receiver(514)]
    daemon = daemons(star).start(syslog(f"{star.receiver1.v4}/514", f"{star.receiver2.v4}/514"))
    clients = {host: host.socket() for host in (star.client1, star.client2)}
    for host, sender in clients.items():
        sender.sendto(f"from {host.v4}".encode(), (host.gateway_v4, 514))
    expected = {(f"from {h.v4}".encode(), *s.getsockname()) for h, s in clients.items()}
    for receiver in receivers:
        assert set(receiver.wait(2)) == expected
    daemon.wait_received(2)
