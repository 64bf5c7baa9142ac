# SPDX-License-Identifier: MIT
"""Rules that anybody on the Internet can send to: who is warned of them, and who is not.

The network is Star, drawn in lib/topology.py, whose addresses are private: public ones are added to
the appliance here. Nothing leaves the namespaces.
"""

import re

import pytest

from lib import packets, visits
from lib.configs import rule, syslog
from lib.daemon import command
from lib.waiting import wait_for

pytestmark = pytest.mark.once
PUBLIC4, PUBLIC6, ELSEWHERE4 = "20.0.0.1", "2a00:1::1", "20.9.9.9"
WARNING = "takes packets from any client at"
FOUR, SIX = "10.2.1.2/514", "fd02:1::2/514"

# Rules by name, with the ports 1, 2, ...; in the order of the file. True: open.
RULES = {
    "any": (True, FOUR, {}),
    "any, by both families": (True, SIX, {}),
    "everybody": (True, FOUR, {"SOURCEADDRESS": "0.0.0.0/0"}),
    "everybody in halves": (True, FOUR, {"SOURCEADDRESS": ["0.0.0.0/1", "128.0.0.0/1"]}),
    "all but a few": (True, FOUR, {"SOURCEADDRESS": ["!10.0.0.0/8", "!21.0.0.0/8"]}),
    "everybody by IPv6": (True, SIX, {"SOURCEADDRESS": ["::/0"]}),
    "at the address": (True, FOUR, {"LISTENADDRESS": "20.0.0.0/8"}),
    "at the interface": (True, FOUR, {"INTERFACE": ["server", "client1"]}),
    "at the way out": (True, FOUR, {"INTERFACE": "client2"}),
    "limited": (True, FOUR, {"RATELIMIT": 10}),
    "listed": (False, FOUR, {"SOURCEADDRESS": ["20.0.0.0/8", "10.0.0.0/8"]}),
    "listed by IPv6": (False, SIX, {"SOURCEADDRESS": "2a00:1::/32"}),
    "everybody less all": (False, FOUR, {"SOURCEADDRESS": ["0.0.0.0/0", "!0.0.0.0/1",
                                                           "!128.0.0.0/2"]}),
    "elsewhere": (False, FOUR, {"LISTENADDRESS": "10.1.1.1"}),
    "inside": (False, FOUR, {"INTERFACE": "receiver1"}),
    "disabled": (False, FOUR, {"ENABLED": False}),
}


def _rules():
    return {name: rule(number, to, **keys)
            for number, (name, (_, to, keys)) in enumerate(RULES.items(), 1)}


@pytest.fixture
def public(star):
    """Public addresses at client1, and the way to the Internet by client2."""
    star.appliance.ip(f"addr add {PUBLIC4}/24 dev client1",
                      f"addr add {PUBLIC6}/64 dev client1 nodad",
                      f"route add default via {star.client2.v4} dev client2")
    return star


def _warned(text):
    return set(re.findall(rf'rule "([^"]+)": {WARNING}', text))


def _check(star, daemon):
    """What check says to stderr; in any case it accepts the file."""
    done = command("check", "-c", daemon.config_path, namespace=star.appliance)
    assert done.returncode == 0 and "DESTINATION" not in done.stderr
    return done.stderr


def test_who_is_open(public, daemons):
    """One warning for each, with its line of the file, and exit code 0."""
    daemon = daemons(public)
    daemon.configure(_rules())
    said = _check(public, daemon)
    assert _warned(said) == {name for name, case in RULES.items() if case[0]}, said
    lines = re.findall(rf'{re.escape(str(daemon.config_path))}:(\d+): rule "', said)
    assert len(lines) == len(set(lines)) == len(_warned(said))
    assert f"{WARNING} {PUBLIC4} (client1), a public address" in said
    assert f"{WARNING} {PUBLIC6} (client1)" in said


def test_a_machine_without_public_addresses(star, daemons):
    """As inside a company, behind NAT, or where the file is only written: silence."""
    star.appliance.ip(f"route add default via {star.client2.v4} dev client2",
                      "addr add 203.0.113.7/24 dev client1", "addr add 100.64.1.1/10 dev client1")
    daemon = daemons(star).start({**_rules(), **syslog(FOUR)})
    assert _check(star, daemon) == ""
    assert WARNING not in daemon.stderr()
    assert not visits.examine(star, daemon).has("rule_open")


def test_where_no_route_leads_out(star, daemons):
    """The address of another interface is not one of the rule's; that of its own is."""
    star.appliance.ip(f"addr add {PUBLIC4}/24 dev client1")
    daemon = daemons(star)
    daemon.configure(_rules())
    assert {"any", "at the interface"} < _warned(_check(star, daemon))
    assert "at the way out" not in _warned(_check(star, daemon))


def test_a_port_of_a_bridge(star, daemons):
    """It is the bridge that has the address, and the port by which packets come to it."""
    star.appliance.ip("link add br0 type bridge", "link set client1 master br0",
                      "link set br0 up", f"addr add {PUBLIC4}/24 dev br0")
    daemon = daemons(star)
    daemon.configure({"Port": rule(1, FOUR, INTERFACE="client1"),
                      "Bridge": rule(2, FOUR, INTERFACE="br0"),
                      "Inside": rule(3, FOUR, INTERFACE="receiver1")})
    assert _warned(_check(star, daemon)) == {"Port", "Bridge"}


def test_start_reload_and_doctor_say_so(public, daemons):
    """Once each, and no more when it is mended."""
    daemon = daemons(public).start({**_rules(), **syslog(FOUR)})
    count = sum(case[0] for case in RULES.values())
    lines = [line for line in daemon.stderr().splitlines() if WARNING in line]
    assert len(lines) == 1 and f"({count} more rules likewise" in lines[0], lines
    found = visits.examine(public, daemon)
    assert sum(f["id"] == "rule_open" for f in found.findings) == count + 1
    assert found.one("rule_open", "DuplicateSyslog")["level"] == "warning"
    daemon.configure(syslog(FOUR, SOURCEADDRESS="10.1.0.0/16"))
    assert WARNING not in daemon.reload().stdout
    assert not visits.examine(public, daemon).has("rule_open")
    daemon.configure(syslog(FOUR))
    done = daemon.reload()
    assert done.returncode == 0
    assert f'warning: rule "DuplicateSyslog": {WARNING} {PUBLIC4}' in done.stdout
    assert "more rules" not in done.stdout


def test_the_machines_own_input_rules_come_too_late(public, daemons):
    """What docs/security.md says of firewalls: copies are made before. So it has to stand before
    the machine, or drop by a rule that comes before ours."""
    daemon = daemons(public).start(syslog(FOUR))
    visits.nft(public, "table inet admins {", "chain input { type filter hook input priority 0; ",
               "udp dport 514 drop", "}", "}")
    receiver = public.receiver1.receiver(514)
    stranger = packets.udp_packet(ELSEWHERE4, PUBLIC4, 5000, 514, b"anything")
    public.client1.inject(stranger)
    assert receiver.wait(1) == [(b"anything", ELSEWHERE4, 5000)]
    visits.nft(public, "table inet early {",
               "chain early { type filter hook prerouting priority -310;",
               "udp dport 514 counter drop", "}", "}")
    public.client1.inject(stranger)
    wait_for("the packet to be dropped", lambda: "packets 1 " in public.appliance.run(
        "nft", "list", "table", "inet", "early").stdout)
    assert daemon.wait_received(1)["received_pkts"] == 1
