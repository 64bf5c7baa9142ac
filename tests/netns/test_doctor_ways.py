# SPDX-License-Identifier: MIT
"""`doctor` on the way to every destination, and its test messages.

The network is Star, drawn in lib/topology.py; the appliance is the patient.
"""

import json
import re

import pytest

from lib.configs import rule, syslog
from lib.daemon import command
from lib.stream import Stream
from lib.visits import assert_only, examine, feed, mend
from lib.waiting import wait_for

pytestmark = pytest.mark.once


@pytest.mark.parametrize("kind", ["none", "blackhole", "unreachable", "prohibit"])
@pytest.mark.parametrize("to", ["10.99.0.1", "fd99::1"])
def test_no_route(star, daemons, visit, kind, to):
    if kind != "none":
        star.appliance.ip(f"route add {kind} {to}")
    daemon = daemons(star).start(syslog(f"{to}/514", f"{star.receiver1.v4}/514"))
    found = visit(daemon)
    assert_only(found, "no_route", "rule_idle", "rules_count_nothing")
    assert found.one("no_route")["about"] == f"{to}/514"


def test_silent_neighbours(star, daemons, visit):
    """On the link, by a gateway, and IPv6: all are asked at once, and none answers."""
    star.appliance.ip("route add 10.98.0.0/24 via 10.2.1.78")
    daemon = daemons(star).start(syslog("10.2.1.77/514", "10.98.0.1/514", "fd02:1::77/514",
                                        f"{star.receiver1.v4}/514"))
    found = visit(daemon)
    silent = {f["about"]: f["title"] for f in found.findings if f["id"] == "neighbour_unresolved"}
    assert set(silent) == {"10.2.1.77/514", "10.98.0.1/514", "fd02:1::77/514"}
    assert "10.2.1.78 does not answer on receiver1" in silent["10.98.0.1/514"]
    assert found.one("way", f"{star.receiver1.v4}/514") and found.code == 1


def test_a_neighbour_that_was_never_asked(star, two, visit):
    """It is asked by doctor, without a packet to it, and answers."""
    for host in (star.receiver1, star.receiver2):
        star.appliance.ip(f"neigh del {host.v4} dev {host.role}")
    at_receiver = star.receiver1.capture()
    assert_only(visit(two))
    assert not at_receiver.take_udp()


def test_name_without_an_address(star, daemons, visit):
    """RFC 6761 6.4: no name in .invalid ever has one."""
    # As text: without an address, what is due to a destination does not follow from the config.
    daemon = daemons(star).start(json.dumps(
        syslog("collector.invalid/514", f"{star.receiver1.v4}/514")))
    feed(star, daemon)
    found = visit(daemon)
    assert "getent ahosts collector.invalid" in found.one("name_unresolved")["mend"]
    assert found.one("way", f"{star.receiver1.v4}/514") and found.code == 1


def test_a_neighbour_that_was_not_heard_of_for_a_while(star, two, visit):
    """It is asked again; whether it has gone, moved to another card, or is still there."""
    old = f"neigh change {star.receiver1.v4} dev receiver1 lladdr {star.receiver1.mac} nud stale"
    star.appliance.ip(old)
    assert_only(visit(two))
    star.receiver1.namespace.ip("link set eth0 address 02:00:00:00:aa:01")
    star.appliance.ip(old)
    assert_only(visit(two))
    star.receiver1.namespace.ip(f"addr del {star.receiver1.v4}/24 dev eth0")
    star.appliance.ip(old)
    found = visit(two)
    assert_only(found, "neighbour_unresolved")
    assert found.one("neighbour_unresolved")["about"] == f"{star.receiver1.v4}/514"


def test_low_mtu(make_star, daemons):
    star = make_star(receiver1=1400)
    daemon = daemons(star).start({"A": rule("514", f"{star.receiver1.v4}/514"),
                                  "B": rule("515", f"{star.receiver1.v4}/515", OVERSIZE="drop")})
    found = examine(star, daemon)
    fragmented = found.one("mtu_low", f"{star.receiver1.v4}/514")
    assert fragmented["level"] == "warning" and "1400" in fragmented["title"]
    assert "fragmented" in fragmented["meaning"]
    assert "dropped" in found.one("mtu_low", f"{star.receiver1.v4}/515")["meaning"]


def test_low_mtu_of_one_place_in_two_rules(make_star, daemons):
    """Each rule has its own way with large packets."""
    star = make_star(receiver1=1400)
    place = f"{star.receiver1.v4}/514"
    daemon = daemons(star).start({"A": rule("514", place), "B": rule("515", place),
                                  "C": rule("516", place, OVERSIZE="drop")})
    found = examine(star, daemon)
    meanings = [f["meaning"] for f in found.findings if f["id"] == "mtu_low"]
    assert len(meanings) == 2 and "fragmented" in meanings[0] and "dropped" in meanings[1]
    assert "rule C" in meanings[1]


@pytest.mark.parametrize("low", [
    "link set receiver1 mtu 1400", "route add 10.2.1.2/32 dev receiver1 mtu 1300",
    "route add 10.2.1.2/32 via 10.2.1.2 dev receiver1 onlink mtu lock 1300"])
def test_low_mtu_is_mended(star, two, visit, low):
    """Where it is low: the interface's, or a route's."""
    star.appliance.ip(low)
    found = visit(two)
    assert_only(found, "mtu_low")
    mend(star, found.one("mtu_low"))
    assert_only(visit(two))


@pytest.mark.parametrize("low", ["route add fd02:1::2/128 dev receiver1 mtu 1300",
                                 "sysctl"])
def test_low_mtu_of_ipv6_is_mended(star, daemons, visit, low):
    daemon = daemons(star).start(syslog(f"{star.receiver1.v6}/514"))
    feed(star, daemon, family=6)
    if low == "sysctl":
        star.appliance.sysctl(ipv6__conf__receiver1__mtu=1300)
    else:
        star.appliance.ip(low)
    found = visit(daemon)
    assert_only(found, "mtu_low")
    mend(star, found.one("mtu_low"))
    assert_only(visit(daemon))


def test_own_link_down(star, two, visit):
    """Of the appliance's own end."""
    star.appliance.ip("link set receiver1 down")
    found = visit(two)
    assert_only(found, "no_route")
    assert found.one("no_route")["mend"] == "ip link set receiver1 up"
    mend(star, found.one("no_route"))
    wait_for("the link to carry", lambda: not visit(two).of("problem", "warning"))


def test_commands_for_many_ports(star, daemons, visit):
    """They name all, and are complete."""
    ports = range(20000, 20040)
    daemon = daemons(star).start({"A": rule("514", *(f"{star.receiver1.v4}/{p}" for p in ports))})
    found = visit(daemon)
    for name in ("receiver_arrival", "receiver_listens"):
        command_ = found.one(name)["mend"]
        assert re.findall(r"\d{5}", command_) == [str(p) for p in ports]
    star.appliance.run("sh", "-c", found.one("receiver_listens")["mend"])
    star.appliance.run("sh", "-c", found.one("receiver_arrival")["mend"].replace(
        "-ni any", "-d -ni eth0"), check=False)


def test_link_down(star, two, visit):
    star.receiver1.namespace.ip("link set eth0 down")
    assert_only(visit(two), "link_down")


def test_link_that_is_not_running_but_carries(star, two, visit):
    """As where 802.1X has not finished."""
    star.appliance.ip("link set receiver1 state dormant")
    wait_for("the state", lambda: "state DORMANT" in star.appliance.run(
        "ip", "link", "show", "receiver1").stdout)
    assert_only(visit(two))


@pytest.mark.vm
@pytest.mark.parametrize("family", [4, 6])
def test_send_test(star, daemons, visit, family):
    """A real collector gets one message from the client's address, with the token."""
    daemon = daemons(star).start(syslog(f"{star.receiver1.address(family)}/1514",
                                        star.receiver2.address(family)))
    client = star.client2.address(family)
    collectors = [star.receiver1.receiver(1514, family), star.receiver2.receiver(514, family)]
    found = visit(daemon, "--send-test", client)
    said = [f for f in found.findings if f["id"] == "send_test"]
    token = re.search(r"td-[0-9a-f]{16}", said[0]["title"])[0]
    assert len(said) == 2 and all(f"grep -r {token}" in f["mend"] for f in said)
    for collector in collectors:
        (message, *source), = collector.wait(1)
        assert source == [client, 514]
        assert re.fullmatch(rb"<13>1 \S+T\S+Z \S+ trafficduplicator \d+ doctor - .*test message.*"
                            + token.encode(), message), message
        assert collector.pull() == 0


@pytest.mark.parametrize("source, seen", [("appliance", "10.2.1.1"), ("192.0.2.7", "192.0.2.7")])
def test_send_test_as_the_destination_has_it(star, daemons, visit, source, seen):
    """A destination with a source of its own sees that one, as with copies."""
    daemon = daemons(star).start(syslog(
        {"ADDRESS": star.receiver1.v4, "PORT": 514, "SOURCE": source}))
    collector = star.receiver1.receiver(514)
    visit(daemon, "--send-test", star.client1.v4)
    assert [message[1:] for message in collector.wait(1)] == [(seen, 514)]


def test_send_test_to_a_port_where_nobody_listens(star, two, visit):
    """The receiver's refusal goes to the client, by the appliance, which sees it."""
    star.receiver1.namespace.ip("route add default via 10.2.1.1")
    listening = star.receiver2.receiver(514)
    found = visit(two, "--send-test", star.client1.v4)
    assert_only(found, "port_unreachable")
    assert found.one("port_unreachable")["about"] == f"{star.receiver1.v4}/514"
    assert found.one("send_test")["about"] == f"{star.receiver2.v4}/514"
    assert len(listening.wait(1)) == 1


def _refuse(host, how):
    host.namespace.run("nft", "-f", "-", stdin=f"""
        table inet refusing {{
            chain in {{
                type filter hook input priority 0;
                udp dport 514 reject with {how}
            }}
        }}""")


@pytest.mark.parametrize("how, words", [
    ("icmp type host-prohibited", "a firewall prohibits the host"),
    ("icmp type net-prohibited", "a firewall prohibits the network"),
    ("icmp type admin-prohibited", "a firewall prohibits it"),
    ("icmp type host-unreachable", "the host does not answer"),
    ("icmp type net-unreachable", "no route to the network"),
    ("icmp type prot-unreachable", "does not take UDP"),
    ("icmpv6 type admin-prohibited", "a firewall prohibits it"),
    ("icmpv6 type no-route", "no route to the network"),
    ("icmpv6 type addr-unreachable", "the host does not answer"),
    ("icmpv6 type policy-fail", "a firewall prohibits the client's address"),
    ("icmpv6 type reject-route", "rejected")])
def test_send_test_that_is_refused(star, daemons, visit, how, words):
    """By a firewall at the receiver."""
    family = 6 if "v6" in how else 4
    star.receiver1.namespace.ip("route add default via 10.2.1.1", "route add ::/0 via fd02:1::1")
    _refuse(star.receiver1, how)
    daemon = daemons(star).start(syslog(f"{star.receiver1.address(family)}/514"))
    feed(star, daemon, count=3, family=family)  # fewer than the host's burst of ICMP errors
    found = visit(daemon, "--send-test", star.client1.address(family))
    assert_only(found, "refused")
    title = found.one("refused")["title"]
    assert words in title and f"{star.receiver1.address(family)} refuses" in title


def test_send_test_that_is_refused_among_many(star, two, visit):
    """Hosts send so many ICMP errors a second and no more: most are about copies then."""
    star.receiver1.namespace.ip("route add default via 10.2.1.1")
    star.receiver2.receiver(514)
    stream = Stream(star.client1, star.server.v4, rate_pps=200)
    wait_for("copies that are refused", lambda: stream.count > 100)
    visits = [visit(two, "--send-test", star.client1.v4) for _ in range(3)]
    two.wait_received(two.expected_received_pkts + stream.stop())
    for found in visits:
        assert_only(found, "port_unreachable")


def test_send_test_from_each_source(star, daemons, visit):
    """One place in two rules that send from different addresses: a message from each."""
    place = {"ADDRESS": star.receiver1.v4, "PORT": 514}
    daemon = daemons(star).start({"A": rule("514", place),
                                  "B": rule("515", {**place, "SOURCE": "192.0.2.7"}),
                                  "C": rule("516", place, OVERSIZE="drop")})
    collector = star.receiver1.receiver(514)
    visit(daemon, "--send-test", star.client1.v4)
    assert {message[1] for message in collector.wait(2)} == {star.client1.v4, "192.0.2.7"}
    assert collector.pull() == 0


def test_send_test_that_cannot_be_sent(star, daemons, visit):
    daemon = daemons(star).start(syslog("10.99.0.1/514", f"{star.receiver1.v6}/514"))
    found = visit(daemon, "--send-test", star.client1.v4)
    assert "no_route" in found.one("send_test_failed", "10.99.0.1/514")["meaning"]
    assert found.one("send_test_family", f"{star.receiver1.v6}/514")["level"] == "warning"


@pytest.mark.parametrize("client", ["nobody", "10.1.1.2/514", "127.0.0.1", "224.0.0.1", ""])
def test_send_test_of_nobody(client):
    done = command("doctor", "--send-test", client)
    assert done.returncode == 2 and done.stderr and not done.stdout
