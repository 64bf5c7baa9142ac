# SPDX-License-Identifier: MIT
"""`doctor` on other people's firewall and NAT rules, and whether the kernel agrees with it.

The network is Star, drawn in lib/topology.py; the appliance is the patient.
"""

import pytest

from lib import packets
from lib.configs import syslog
from lib.visits import assert_only, examine, feed, mend, nft, rules_held


pytestmark = pytest.mark.once
TO_ONE = "ip daddr 10.2.1.2"
FIREWALLS = {
    "drop": (f"{TO_ONE} udp dport 514 drop", "firewall_blocks"),
    "counted": (f"{TO_ONE} counter drop", "firewall_blocks"),
    "by set": ("ip daddr { 10.2.1.0/30, 192.0.2.1 } udp dport { 53, 500-600 } drop",
               "firewall_blocks"),
    "by named set": ("ip daddr @some drop", "firewall_blocks"),
    "by interface": ('oifname "receiver1" drop', "firewall_blocks"),
    "in another chain": (f"{TO_ONE} jump other", "firewall_blocks"),
    "untracked": (f"{TO_ONE} ct state untracked drop", "firewall_blocks"),
    "by mark": (f"{TO_ONE} meta mark & 0xff == 0x64 drop", "firewall_blocks"),
    "by client": (f"{TO_ONE} ip saddr 10.1.1.0/24 drop", "firewall_may_block"),
    "at times": (f"{TO_ONE} limit rate over 10/second drop", "firewall_may_block"),
    "after what may accept": (f"ip saddr 10.1.1.2 accept; {TO_ONE} drop", "firewall_may_block"),
    "after what may return": (f"ip saddr 10.1.0.0/16 return; {TO_ONE} drop", "firewall_may_block"),
    "after what may go away": (f"ip saddr 10.1.0.0/16 goto nothing; {TO_ONE} drop",
                               "firewall_may_block"),
    "in a chain that some leave": (f"{TO_ONE} jump some_leave", "firewall_may_block"),
    "after what some leave": (f"jump some_end; {TO_ONE} drop", "firewall_may_block"),
    "by verdict map": (f"{TO_ONE} udp dport vmap {{ 53 : accept, 514 : drop }}",
                       "firewall_blocks"),
    "by named map": (f"{TO_ONE} udp dport vmap @verdicts", "firewall_blocks"),
    "by map to a chain": ('oifname vmap { "receiver1" : jump other, "client1" : accept }',
                          "firewall_blocks"),
    "by map of clients": (f"{TO_ONE} ip saddr vmap {{ 10.1.1.2 : drop }}", "firewall_may_block"),
    "by map of both": ("ip daddr . udp dport vmap { 10.2.1.2 . 514 : drop }", "firewall_blocks"),
    "after a map that may accept": (f"ip saddr vmap {{ 10.1.1.2 : accept }} {TO_ONE} drop",
                                    "firewall_may_block"),
    "by comparison": (f"{TO_ONE} udp dport >= 514 udp dport < 515 drop", "firewall_blocks"),
    "by both": ("ip daddr . udp dport { 10.2.1.0/24 . 500-600 } drop", "firewall_blocks"),
    "by changed mark": (f"{TO_ONE} meta mark set 5; {TO_ONE} meta mark 5 drop",
                        "firewall_may_block"),
    "rewritten": (f"{TO_ONE} ip dscp set cs1", "firewall_rewrites"),
    "another protocol": (f"{TO_ONE} tcp dport 514 drop", None),
    "another port": (f"{TO_ONE} udp dport != 514 drop", None),
    "another address": ("ip daddr 10.2.3.0/24 drop", None),
    "another family": ("ip6 daddr fd00::/8 drop", None),
    "another interface": ('oifname "client1" drop', None),
    "accepted before": (f"{TO_ONE} accept; {TO_ONE} drop", None),
    "by state": ("ct state invalid,new drop", None),
    "returned before": (f"{TO_ONE} jump returning; ip daddr 10.9.9.9 drop", None),
    "another arrival": (f'iifname "client1" {TO_ONE} drop', None),
    "accepted by map": ("policy drop; ip daddr 10.2.2.2 accept; "
                        "udp dport vmap { 514 : accept, 515 : drop }", None),
    "accepted by state map": ("policy drop; ct state vmap { invalid : drop, untracked : accept }",
                              None),
    "accepted by all else": ("policy drop; ip daddr vmap { 10.9.9.9 : drop, * : accept }", None),
    "accepted either way": ("policy drop; ip saddr 10.1.1.2 accept; accept", None),
    "accepted in a chain": ("policy drop; jump accepting", None),
}


@pytest.mark.parametrize("hook", ["output", "postrouting"])
@pytest.mark.parametrize("what", FIREWALLS)
def test_firewall(star, two, visit, what, hook):
    """The finding, and that the kernel agrees: a copy gets through where doctor says so."""
    rules, expected = FIREWALLS[what]
    nft(star, "table inet others {", "set some { type ipv4_addr; elements = { 10.2.1.2 } }",
        "chain other { udp dport 514 goto last", "}", "chain last { drop", "}",
        "chain returning { return; drop", "}", "chain nothing { }",
        "chain some_leave { ip saddr 10.1.0.0/16 return; drop", "}",
        "chain some_end { ip saddr 10.1.0.0/16 accept", "}",
        "chain everybody { accept", "}",
        "chain accepting { ip saddr 10.9.1.2 goto everybody; accept", "}",
        "map verdicts { type inet_service : verdict; elements = { 514 : drop }", "}",
        f"chain out {{ type filter hook {hook} priority 0; {rules}", "}", "}")
    found = visit(two)
    assert_only(found, *([expected] if expected else []))
    if expected:
        finding = found.one(expected)
        assert finding["about"] == f"{star.receiver1.v4}/514"
    if expected in ("firewall_blocks", None):
        at_receiver = star.receiver1.capture()
        feed(star, two, 3)
        assert len(at_receiver.take_udp()) == (0 if expected else 3)
    if expected == "firewall_blocks":
        mend(star, finding)
        assert_no_firewall_finding(visit(two))
        feed(star, two, 3)
        assert len(at_receiver.take_udp()) == 3


def assert_no_firewall_finding(found):
    """What doctor says of the firewall is that all is right."""
    assert {f["id"] for f in found.findings if f["subject"] == "firewall"} == {
        "firewall", "arrivals", "nat"}


def test_firewall_that_rejects(star, two, visit):
    nft(star, "table inet others {", "chain out { type filter hook output priority 0;",
        f"{TO_ONE} reject with icmpx admin-prohibited", "}", "}")
    assert_only(visit(two), "firewall_blocks")


@pytest.mark.vm
def test_firewall_of_policy_drop(star, two, visit):
    nft(star, "table ip others {", "chain out { type filter hook output priority 0; policy drop;",
        "ip daddr 10.2.2.2 udp dport 514 accept", "}", "}")
    found = visit(two)
    assert_only(found, "firewall_blocks")
    finding = found.one("firewall_blocks")
    assert finding["about"] == f"{star.receiver1.v4}/514" and "policy" in finding["meaning"]
    mend(star, finding)
    assert_no_firewall_finding(visit(two))


def test_firewall_of_iptables(star, two, visit):
    star.appliance.run("iptables-nft", "-A", "OUTPUT", "-p", "udp", "--dport", "514", "-d",
                       star.receiver1.v4, "-j", "REJECT")
    found = visit(two)
    assert_only(found, "firewall_blocks")
    mend(star, found.one("firewall_blocks"))
    assert_no_firewall_finding(visit(two))


def test_legacy_iptables(star, two, visit):
    if star.appliance.run("iptables-legacy", "-A", "OUTPUT", "-p", "tcp", check=False).returncode:
        pytest.skip("this kernel has no legacy iptables")
    assert_only(visit(two), "iptables_legacy")


@pytest.mark.parametrize("way", ["nft", "iptables"])
def test_masquerade(star, two, visit, way):
    """Copies escape it as long as our rules are there; originals do too."""
    if way == "nft":
        nft(star, "table ip others {",
            "chain out { type nat hook postrouting priority 100; masquerade", "}", "}")
    else:
        star.appliance.run("iptables-nft", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")
    assert_only(visit(two), "nat_present")
    at_receiver = star.receiver1.capture()
    feed(star, two, 3)
    assert {packets.view(p).source for p in at_receiver.take_udp()} == {
        packets.packed(star.client1.v4)}
    with rules_held(two):
        star.appliance.run("nft", "flush", "chain", "inet", "trafficduplicator", "copies")
        assert_only(visit(two), "nat_rewrites", "rules_changed")


def test_iptables_that_lets_some_return(star, two, visit):
    """The client is one of those that the chain returns, which doctor cannot know."""
    for arguments in ("-N EG", "-A OUTPUT -j EG", "-A EG -s 10.0.0.0/8 -j RETURN",
                      "-A EG -p udp -j DROP"):
        star.appliance.run("iptables-nft", *arguments.split())
    found = visit(two)
    assert_only(found, "firewall_may_block")
    assert "chain ip filter EG" in found.one(
        "firewall_may_block", f"{star.receiver1.v4}/514")["meaning"]
    at_receiver = star.receiver1.capture()
    feed(star, two, 3)
    assert len(at_receiver.take_udp()) == 3


def test_a_source_that_the_configuration_fixes(star, daemons, visit):
    """Of copies with an address of their own more is known."""
    daemon = daemons(star).start(syslog(
        {"ADDRESS": star.receiver1.v4, "PORT": 514, "SOURCE": "192.0.2.7"},
        {"ADDRESS": star.receiver2.v4, "PORT": 514, "SOURCE": "appliance"}))
    feed(star, daemon)
    nft(star, "table inet others {", "chain out { type filter hook output priority 0;",
        "ip saddr 192.0.2.0/24 drop", "}", "}")
    found = visit(daemon)
    assert_only(found, "firewall_blocks")
    assert found.one("firewall_blocks")["about"] == f"{star.receiver1.v4}/514"


def test_egress(star, two, visit):
    """nft's JSON may not say at which device: then it is a may."""
    nft(star, "table netdev others {",
        'chain out { type filter hook egress device "receiver1" priority 0;', "udp dport 514 drop",
        "}", "}")
    found = visit(two)
    bad = found.of("warning", "problem")
    assert bad and {f["id"] for f in bad} <= {"firewall_blocks", "firewall_may_block"}
    first = [f for f in bad if f["about"] == f"{star.receiver1.v4}/514"][0]
    assert "chain netdev others out" in first["meaning"]
    at_receiver = star.receiver1.capture()
    feed(star, two, 3)
    assert not at_receiver.take_udp()
    mend(star, first)
    feed(star, two, 3)
    assert len(at_receiver.take_udp()) == 3
    assert_only(visit(two), "copies_dropped")  # earlier


def _through(bridge, daemon, count):
    bridge.client1.inject(*(packets.udp_packet(bridge.client1.v4, bridge.server.v4, 5000 + n, 514,
                                               b"x") for n in range(count)))
    daemon.wait_received((daemon.expected_received_pkts or 0) + count)


def test_bridge(bridge, daemons):
    """Healthy first; then with rules of the bridge's own, which copies to its ports meet."""
    daemon = daemons(bridge).start(syslog(f"{bridge.receiver1.v4}/514",
                                          f"{bridge.receiver2.v4}/514"))
    _through(bridge, daemon, 3)
    assert_only(examine(bridge, daemon))
    nft(bridge, "table bridge others {", "chain out { type filter hook output priority 0;",
        f"ip daddr {bridge.receiver1.v4} udp dport 514 drop", "}", "}")
    found = examine(bridge, daemon)
    assert_only(found, "firewall_blocks")
    finding = found.one("firewall_blocks")
    assert finding["about"] == f"{bridge.receiver1.v4}/514"
    at_receiver = bridge.receiver1.capture()
    _through(bridge, daemon, 3)
    assert not at_receiver.take_udp()
    mend(bridge, finding)
    _through(bridge, daemon, 3)
    assert len(at_receiver.take_udp()) == 3
    assert not [f for f in examine(bridge, daemon).of("problem") if f["subject"] == "firewall"]


ARRIVALS = {
    "prerouting": ("table inet others {\nchain in {\ntype filter hook prerouting priority -400\n"
                   "udp dport 500-600 drop\n}\n}\n", "arrivals_dropped"),
    "ingress": ('table netdev others {\nchain in {\ntype filter hook ingress device "client1" '
                "priority 0\nudp dport 514 drop\n}\n}\n", "arrivals_may_be_dropped"),
    "some clients": ("table ip others {\nchain in {\ntype filter hook prerouting priority -400\n"
                     "ip saddr 10.1.0.0/16 drop\n}\n}\n", "arrivals_may_be_dropped"),
}


@pytest.mark.parametrize("what", [
    pytest.param(w, marks=[pytest.mark.vm] if w == "prerouting" else []) for w in ARRIVALS])
def test_packets_dropped_ahead_of_ours(star, daemons, visit, what):
    rules, expected = ARRIVALS[what]
    daemon = daemons(star).start(syslog(f"{star.receiver1.v4}/514"))
    feed(star, daemon)
    star.appliance.run("nft", "-f", "-", stdin=rules)
    star.client1.inject(packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, b"x"))
    found = visit(daemon)
    assert_only(found, expected)
    assert "others in" in found.one(expected)["meaning"]
    mend(star, found.one(expected))
    feed(star, daemon)  # and not one more: the one above was dropped
    assert_only(visit(daemon))


@pytest.mark.parametrize("rules", [
    "table inet others {\nchain in {\ntype filter hook prerouting priority -400\n"
    "udp dport 515 drop\ntcp dport 514 drop\n}\n}\n",
    "table inet others {\nchain in {\ntype filter hook prerouting priority -200\n"
    "udp dport 514 drop\n}\n}\n",
    "table inet others {\nchain in {\ntype filter hook input priority 0; policy drop\n}\n}\n",
])
def test_packets_not_dropped_ahead_of_ours(star, two, visit, rules):
    """Other ports, or after they were duplicated."""
    star.appliance.run("nft", "-f", "-", stdin=rules)
    found = visit(two)
    assert_only(found)
    assert found.one("arrivals")


def test_packets_dropped_in_the_chain_of_our_jump(star, two, visit):
    """Where iptables queues, rules of raw PREROUTING stand before our jump."""
    if star.appliance.run("nft", "list", "table", "ip", "raw", check=False).returncode:
        pytest.skip("this kernel queues by nft")
    star.appliance.run("iptables-nft", "-t", "raw", "-A", "PREROUTING", "-p", "udp", "--dport",
                       "514", "-j", "DROP")
    assert_only(visit(two))
    star.appliance.run("iptables-nft", "-t", "raw", "-I", "PREROUTING", "-p", "udp", "--dport",
                       "514", "-j", "DROP")
    found = visit(two)
    assert_only(found, "arrivals_dropped")
    mend(star, found.one("arrivals_dropped"))


def test_originals_in_transit(star, two, visit):
    nft(star, "table inet others {", "chain f { type filter hook forward priority 0;",
        "udp dport 514 drop", "}", "}")
    found = visit(two)
    assert_only(found, "originals_dropped")
    at_server = star.server.capture()
    feed(star, two, 3)
    assert not at_server.take_udp()
    mend(star, found.one("originals_dropped"))
    feed(star, two, 3)
    assert len(at_server.take_udp()) == 3
    assert_only(visit(two))


def _cluster(services, copies):
    """Rules as kube-proxy makes them, and chains that double at each jump."""
    yield "table ip others {"
    for n in range(services):
        yield f"chain svc{n} {{ meta mark and 0x4000 == 0x4000 counter; counter jump sep{n}"
        yield "}"
        yield f"chain sep{n} {{ counter; ip saddr 10.244.0.{n % 250} drop"
        yield "}"
    for n in range(copies):
        yield f"chain double{n} {{ ip saddr 10.9.0.1 jump double{n + 1}; ip saddr 10.9.0.2 jump " \
              f"double{n + 1}"
        yield "}"
    yield f"chain double{copies} {{ counter"
    yield "}"
    yield "chain services {"
    for n in range(services):
        yield f"ip daddr 10.96.{n // 250}.{n % 250} udp dport 53 jump svc{n}"
    yield "}"
    yield "chain out { type filter hook output priority 0; jump services;"
    if copies:
        yield "jump double0"
    yield "}"
    yield "}"


def test_thousands_of_chains(star, two, visit):
    nft(star, *_cluster(2000, 0))
    assert_only(visit(two))


def test_rules_without_an_end(star, two, visit):
    """Too many ways through them: that is said, and not that all is well."""
    nft(star, *_cluster(0, 14), "table ip others {",
        *(line for n in range(14) for line in (f"chain double{n} {{",
          *(f"ip saddr 10.9.{n}.{m} jump double{n + 1}" for m in range(4)), "}")), "}")
    found = visit(two)
    assert_only(found, "firewall_unfinished", "arrivals_unfinished")
    assert not [f for f in found.findings if f["id"] in ("firewall", "arrivals")]
