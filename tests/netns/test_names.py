# SPDX-License-Identifier: MIT
"""Destinations by name, with a real DNS server that answers, changes its mind, and dies.

The network is Star, drawn in lib/topology.py; dnsmasq runs on its server. The program asks again
after five seconds at the earliest, whatever the TTL: that is where the time goes here.
"""

import time

import pytest

from lib import packets, status, visits
from lib.configs import rule
from lib.daemon import PROGRAM, command, environment
from lib.dns import DnsServer, files_in_etc
from lib.namespaces import run
from lib.oracle import assert_copies
from lib.waiting import wait_for

pytestmark = pytest.mark.long
NAME = "collector.test"
LIMIT_S = 30  # to notice a change: a TTL, or the pause after a failure


@pytest.fixture
def dns(star):
    return star.keep(DnsServer(star.server)).start()


@pytest.fixture
def etc(star):
    """The appliance's own /etc/resolv.conf, with the server in it, and an empty /etc/hosts."""
    with files_in_etc(star.appliance, resolv_conf=f"nameserver {star.server.v4}\n",
                      hosts="") as folder:
        yield folder


def _to(daemon, name=f"{NAME}/514"):
    return next(d for r in daemon.status()["rules"] for d in r["destinations"]
                if d["name"] == name)


def _wait_address(daemon, address, name=f"{NAME}/514"):
    wait_for(f"{name} to be {address}", lambda: _to(daemon, name)["address"] == address, LIMIT_S,
             lambda: f"{_to(daemon, name)}\n{daemon.stderr()}")


def _lines(daemon, *words):
    return [line for line in daemon.stderr().splitlines() if all(word in line for word in words)]


def _packets(star, count, family=4):
    return [packets.udp_packet(star.client1.address(family), star.server.address(family), 5000 + n,
                               514, b"by name %d" % n) for n in range(count)]


def test_an_address_changes(star, daemons, etc, dns):
    """Copies follow the name; the log says each change once; counters stay with the name."""
    dns.set(collector__test="10.64.0.1")
    capture = star.receiver1.capture()
    daemon = daemons(star).start({"R": rule("514", f"{NAME}/514")})
    sent, addresses = _packets(star, 10), ["10.64.0.1", "10.64.0.2", "10.64.0.1"]
    for round_, address in enumerate(addresses, 1):
        dns.set(collector__test=address)
        _wait_address(daemon, address)
        star.client1.inject(*sent)
        found = daemon.wait_received(10 * round_)
        assert_copies(sent, capture.take_udp(), address)
    to = found["rules"][0]["destinations"][0]
    assert (to["name"], to["port"], to["sent_pkts"]) == (f"{NAME}/514", 514, 30)
    assert len(_lines(daemon, NAME, "10.64.0.1")) == 3 and len(_lines(daemon, NAME)) == 3, \
        daemon.stderr()


def test_the_last_good_address_is_kept(star, daemons, etc, dns):
    """While the server is dead; and a dead server is complained of once, however often asked."""
    dns.set(collector__test="10.64.0.1")
    capture = star.receiver1.capture()
    daemon = daemons(star).start({"R": rule("514", NAME)})
    _wait_address(daemon, "10.64.0.1", NAME)
    dns.stop()
    wait_for("the complaint", lambda: _lines(daemon, NAME, "cannot be resolved"), LIMIT_S,
             daemon.stderr)
    sent = _packets(star, 20)
    star.client1.inject(*sent)
    daemon.wait_received(20)
    assert_copies(sent, capture.take_udp(), "10.64.0.1")
    dns.set(collector__test="10.64.0.2")
    dns.start()
    _wait_address(daemon, "10.64.0.2", NAME)
    assert len(_lines(daemon, NAME, "cannot be resolved")) == 1, daemon.stderr()


@pytest.mark.parametrize("how", ["silent", "refusing", "none"])
def test_the_start_waits_for_no_server(star, daemons, how):
    """Ready at once; other destinations are served; copies for the name are counted as down."""
    servers = {"silent": "nameserver 10.3.1.99\n", "refusing": f"nameserver {star.server.v4}\n",
               "none": ""}
    capture = star.receiver1.capture()
    with files_in_etc(star.appliance, resolv_conf=servers[how], hosts=""):
        plain = daemons(star)
        begun = time.monotonic()
        plain.start({"R": rule("514", "10.64.0.1")})
        usual_s = time.monotonic() - begun
        plain.stop()
        daemon = daemons(star)
        begun = time.monotonic()
        daemon.start({"R": rule("514", f"{NAME}/514", "10.64.0.1")})
        took_s = time.monotonic() - begun
        assert took_s < usual_s + 1
        sent = _packets(star, 10)
        star.client1.inject(*sent)
        found = daemon.wait_received(10)
        assert_copies(sent, capture.take_udp(), "10.64.0.1")
        to = found["rules"][0]["destinations"][0]
        assert (to["state"], to["due_pkts"], to["dropped"]["down"]) == ("unresolved", 10, 10)
        wait_for("the complaint", lambda: _lines(daemon, NAME, "cannot be resolved"), LIMIT_S,
                 daemon.stderr)
        people = command("status", "--socket", daemon.socket)
        assert people.returncode == 0 and "unresolved" in people.stdout


def test_a_server_that_comes_later(star, daemons, etc):
    """The name is found when the server is; and resolv.conf may change meanwhile."""
    daemon = daemons(star).start({"R": rule("514", f"{NAME}/514")})
    wait_for("the complaint", lambda: _lines(daemon, NAME, "cannot be resolved"), LIMIT_S,
             daemon.stderr)
    dns = star.keep(DnsServer(star.server)).start()
    dns.set(collector__test="10.64.0.1")
    _wait_address(daemon, "10.64.0.1")


def test_both_families(star, daemons, etc, dns):
    """IPv4 where a name has it, else IPv6: and a packet of the other family matches not."""
    dns.set(both__test=["fd64::1", "10.64.0.1"], six__test="fd64::2", local__test="127.0.0.1",
            several__test=["10.64.0.9", "10.64.0.5", "10.64.0.7"])
    capture = star.receiver1.capture()
    daemon = daemons(star).start({
        "Both": rule("514", "both.test/1"), "Six": rule("514", "six.test/2"),
        "Local": rule("514", "local.test/3"), "Several": rule("514", "several.test/4")})
    for name, address in (("both.test/1", "10.64.0.1"), ("six.test/2", "fd64::2"),
                          ("several.test/4", "10.64.0.5")):
        _wait_address(daemon, address, name)
    wait_for("a word on 127.0.0.1", lambda: _lines(daemon, "local.test", "127.0.0.1"), LIMIT_S,
             daemon.stderr)
    four, six = _packets(star, 5), _packets(star, 5, 6)
    star.client1.inject(*four, *six)
    found = daemon.wait_received(10)
    copies = capture.take_udp()
    for sent, address, port in ((four, "10.64.0.1", 1), (six, "fd64::2", 2),
                                (four, "10.64.0.5", 4)):
        assert_copies(sent, [c for c in copies if packets.view(c).port == port], address, port)
    assert len(copies) == 15
    assert [status.rule(found, name)["duplicated_pkts"] for name in ("Both", "Six", "Several")] == \
        [5, 5, 5]


def test_explain_resolves_as_the_daemon_does(star, daemons, etc, dns):
    """Of a name with several addresses it shows the one that the daemon has."""
    dns.set(both__test=["fd64::1", "10.64.0.1"], several__test=["10.64.0.9", "10.64.0.5"])
    daemon = daemons(star).start({"R": rule("514", "both.test/1", "several.test/4")})
    for name, address in (("both.test/1", "10.64.0.1"), ("several.test/4", "10.64.0.5")):
        _wait_address(daemon, address, name)
    done = run(*star.appliance.command(PROGRAM, "explain", "-c", daemon.config_path, "10.1.1.2",
                                       "10.3.1.2/514"), env=environment())
    for words in ("both.test/1: 10.64.0.1 port 1", "several.test/4: 10.64.0.5 port 4"):
        assert words in done.stdout


def test_explain_asks_the_daemon(star, daemons, etc, dns):
    """Which keeps an address that the name server no longer has."""
    dns.set(collector__test="10.64.0.1")
    daemon = daemons(star).start({"R": rule("514", f"{NAME}/514")})
    _wait_address(daemon, "10.64.0.1")
    dns.set(collector__test="10.64.0.9")
    done = command("explain", "-c", daemon.config_path, "--socket", daemon.socket, "10.1.1.2",
                   "10.3.1.2/514", namespace=star.appliance)
    assert f"{NAME}/514: {_to(daemon)['address']} port 514" in done.stdout


def test_explain_chooses_as_the_daemon_does(star, daemons, etc, dns):
    """Where none runs: not loopback, nor this machine itself, nor what a disabled rule has."""
    dns.set(mixed__test=["127.0.0.1", "10.64.0.7"], self__test="10.2.1.1", local__test="127.0.0.1",
            off__test="10.64.0.8")
    daemon = daemons(star)
    daemon.configure({"R": rule("514", "mixed.test/1", "self.test/514", "local.test/3"),
                      "S": rule("514", "off.test/4", ENABLED=False),
                      "T": rule("515", "mixed.test/5")})
    before = dns.log()
    done = run(*star.appliance.command(PROGRAM, "explain", "-c", daemon.config_path, "10.1.1.2",
                                       "10.3.1.2/514"), env=environment())
    assert "mixed.test/1: 10.64.0.7 port 1" in done.stdout
    for name in ("self.test/514", "local.test/3"):
        assert f"copy to {name}: dropped as down" in done.stdout
    asked = dns.log()[len(before):]
    assert "off.test" not in asked and asked.count("query[A] mixed.test") == 1


def test_doctor_knows_what_names_are(star, daemons, etc, dns):
    """The addresses of names are in the rules too."""
    dns.set(collector__test="10.64.0.1", other__test=["127.0.0.1", "10.64.0.2"])
    daemon = daemons(star)
    daemon.start({"R": rule("514", f"{NAME}/514", "10.2.2.2/514", f"{NAME}/515"),
                  "S": rule("514", "other.test/514")}, *visits.holdable(daemon))
    _wait_address(daemon, "10.64.0.1")
    _wait_address(daemon, "10.64.0.2", "other.test/514")
    visits.feed(star, daemon)
    wait_for("rules as they should be", lambda: not visits.examine(star, daemon).of("problem"))
    visits.assert_only(visits.examine(star, daemon))
    with visits.rules_held(daemon):
        star.appliance.run("nft", "flush", "chain", "inet", "trafficduplicator", "own_errors")
        found = visits.examine(star, daemon)
    visits.assert_only(found, "rules_changed")
    visits.mend(star, found.one("rules_changed"))
    visits.assert_only(visits.examine(star, daemon))


def test_hosts_file_comes_first(star, daemons, etc, dns):
    (etc / "hosts").write_text(f"10.64.0.3 other.test {NAME}\n")
    dns.set(collector__test="10.64.0.1")
    daemon = daemons(star).start({"R": rule("514", f"{NAME}/514")})
    _wait_address(daemon, "10.64.0.3")


def test_two_names_for_one_address(star, daemons, etc, dns):
    """One place, one copy: counted by the first."""
    dns.set(one__test="10.64.0.1", two__test="10.64.0.1")
    capture = star.receiver1.capture()
    daemon = daemons(star).start({"R": rule("514", "one.test/514", "two.test/514"),
                                  "S": rule("514", "10.64.0.1")})
    for name in ("one.test/514", "two.test/514"):
        _wait_address(daemon, "10.64.0.1", name)
    sent = _packets(star, 10)
    star.client1.inject(*sent)
    found = daemon.wait_received(10)
    assert_copies(sent, capture.take_udp(), "10.64.0.1")
    assert [d["due_pkts"] for r in found["rules"] for d in r["destinations"]] == [10, 0, 0]


def test_a_reload_keeps_what_is_known(star, daemons, etc, dns):
    """Names that stay need no new answer; new ones are asked for at once."""
    dns.set(collector__test="10.64.0.1", new__test="10.64.0.2")
    capture = star.receiver1.capture()
    daemon = daemons(star).start({"R": rule("514", f"{NAME}/514")})
    _wait_address(daemon, "10.64.0.1")
    dns.stop()
    daemon.configure({"R": rule("514", f"{NAME}/514"), "S": rule("515", f"{NAME}/515")})
    assert daemon.reload().returncode == 0
    sent = _packets(star, 10)
    star.client1.inject(*sent)
    found = daemon.wait_received(10)
    assert_copies(sent, capture.take_udp(), "10.64.0.1")
    assert status.rule(found, "S")["destinations"][0]["address"] == "10.64.0.1"
    dns.start()
    daemon.configure({"T": rule("514", "new.test/514")})
    assert daemon.reload().returncode == 0
    _wait_address(daemon, "10.64.0.2", "new.test/514")


def test_a_name_of_the_machine_itself(star, daemons, etc, dns):
    """An address of the machine's own, at a port that a rule listens to, is never used."""
    dns.set(collector__test="10.2.1.1")
    daemon = daemons(star).start({"R": rule("514", f"{NAME}/514")})
    words = (NAME, "10.2.1.1", "this machine itself")
    wait_for("the complaint", lambda: _lines(daemon, *words), LIMIT_S, daemon.stderr)
    star.client1.inject(*_packets(star, 5))
    to = daemon.wait_received(5)["rules"][0]["destinations"][0]
    assert (to["state"], to["dropped"]["down"]) == ("unresolved", 5)
    dns.set(collector__test="10.64.0.1")
    _wait_address(daemon, "10.64.0.1")
    dns.set(collector__test="10.2.1.1")
    wait_for("another complaint", lambda: len(_lines(daemon, *words)) == 2, LIMIT_S, daemon.stderr)
    assert daemon.reload().stdout == "no change\n"
    assert _to(daemon)["address"] == "10.64.0.1"
    assert len(_lines(daemon, *words)) == 2


@pytest.mark.way("ip", reason="the local firewall sees what the IP socket sends")
@pytest.mark.parametrize("family", [4, 6])
def test_the_client_hears_of_no_name(star, daemons, etc, dns, family):
    """What this machine has to say about copies to a name's address, it says to nobody."""
    address = {4: "10.64.0.5", 6: "fd64::5"}[family]
    dns.set(collector__test=address)
    star.appliance.run("nft", "-f", "-", stdin=f"""
        table inet admin_firewall {{
            chain output {{
                type filter hook output priority 0;
                ip daddr 10.64.0.5 reject
                ip6 daddr fd64::5 reject
            }}
        }}""")
    at_client = star.client1.capture()
    daemon = daemons(star).start({"R": rule("514", f"{NAME}/514")})
    _wait_address(daemon, address)
    for round_ in (1, 2):
        star.client1.inject(*_packets(star, 10, family))
        daemon.wait_received(10 * round_)
        assert _to(daemon)["dropped"].get("rejected") == 10 * round_
        assert at_client.take_icmp_errors() == []
        assert daemon.reload().returncode == 0


def test_a_name_is_checked(star, daemons, etc, dns):
    """CHECK asks the address that the name has."""
    dns.set(collector__test=star.receiver1.v4)
    daemon = daemons(star).start(
        {"R": rule("514", {"ADDRESS": NAME, "PORT": 514, "CHECK": "icmp"})})
    _wait_address(daemon, star.receiver1.v4)
    assert _to(daemon)["state"] == "up"
    dns.set(collector__test="10.2.1.99")
    _wait_address(daemon, "10.2.1.99")
    wait_for("it to be down", lambda: _to(daemon)["state"] == "down", LIMIT_S, daemon.stderr)
    dns.set(collector__test=star.receiver1.v4)
    _wait_address(daemon, star.receiver1.v4)
    wait_for("it to be up", lambda: _to(daemon)["state"] == "up", LIMIT_S, daemon.stderr)
