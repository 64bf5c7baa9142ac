# SPDX-License-Identifier: MIT
"""Everything the daemon can do works within the unit's sandbox, as its user. The fast path is in
test_service_fastpath.py, what systemd does in test_recovery.py."""

import pathlib
import re
import shutil
import time

import pytest

from appliance import REPOSITORY, ruleset, table_is_up
from lib import web
from lib.dns import DnsServer
from lib.namespaces import run
from lib.waiting import wait_for

pytestmark = pytest.mark.vm
MODPROBE_LINE = pathlib.Path("/etc/modprobe.d/no-nft-queue.conf")


def _config(*destinations, **settings):
    return {"DuplicateSyslog": {"SOURCEPORT": "514", "DESTINATION": list(destinations)},
            "SETTINGS": {"WORKERS": 2, **settings}}


def _states(unit):
    return [to["state"] for to in unit.status()["rules"][0]["destinations"]]


def _send(network, unit, payload=b"<13>message"):
    """One datagram to the appliance; waits until the daemon has it."""
    before = unit.status()["received_pkts"]
    client = network.client1.socket()
    client.sendto(payload, (network.client1.gateway_v4, 514))
    unit.wait_received(before + 1)
    return payload, *client.getsockname()


def test_checks(network, unit):
    """ICMP by the raw socket that was opened at the start, TCP by new ones."""
    listening = network.receiver2.namespace
    with listening.entered():
        server = network.keep(web.socket.create_server(("10.2.2.2", 9)))
    unit.configure(_config(
        {"ADDRESS": "10.2.1.2", "PORT": 514, "CHECK": "icmp"},
        {"ADDRESS": "10.2.1.77", "PORT": 514, "CHECK": "icmp"},
        {"ADDRESS": "10.2.2.2", "PORT": 514, "CHECK": "tcp/9"},
        {"ADDRESS": "10.2.2.2", "PORT": 515, "CHECK": "tcp/10"}))
    unit.call("start")
    wait_for("the two to be down", lambda: _states(unit) == ["up", "down", "up", "down"], 30,
             lambda: _states(unit))
    server.close()
    wait_for("the third to be down", lambda: _states(unit)[2] == "down", 30,
             lambda: _states(unit))
    assert "Operation not permitted" not in unit.journal()


def test_names(network, unit):
    """From /etc/hosts and by DNS, and again when an address changes."""
    kept = {name: pathlib.Path(name).read_bytes() if pathlib.Path(name).exists() else None
            for name in ("/etc/hosts", "/etc/resolv.conf")}
    dns = network.keep(DnsServer(network.server)).start()
    dns.set(two__test="10.2.2.2")
    try:
        with open("/etc/hosts", "a", encoding="ascii") as hosts:
            hosts.write("10.2.1.2 one.test\n")
        pathlib.Path("/etc/resolv.conf").write_text(f"nameserver {network.server.v4}\n")
        unit.configure(_config("one.test/514", "two.test/514"))
        unit.call("start")
        first, second = network.receiver1.receiver(514), network.receiver2.receiver(514)

        def addresses():
            return [to["address"] for to in unit.status()["rules"][0]["destinations"]]
        wait_for("both addresses", lambda: addresses() == ["10.2.1.2", "10.2.2.2"],
                 there=unit.journal)
        sent = _send(network, unit)
        assert first.wait(1) == second.wait(1) == [sent]
        dns.set(two__test="10.2.1.2")
        wait_for("the new address", lambda: addresses() == ["10.2.1.2"] * 2, 30, unit.journal)
    finally:
        for name, data in kept.items():
            pathlib.Path(name).unlink()
            if data is not None:
                pathlib.Path(name).write_bytes(data)


def test_the_file_is_followed(network, unit):
    """AUTORELOAD, with the file written in place and renamed over it."""
    unit.configure(_config("10.2.1.2/514", AUTORELOAD=True))
    unit.call("start")
    for count in (2, 3):
        unit.configure(_config(*(f"10.2.1.2/{514 + n}" for n in range(count)), AUTORELOAD=True))
        wait_for(f"{count} destinations", lambda n=count: len(_states(unit)) == n,
                 there=unit.journal)


def test_http(network, unit):
    unit.configure(_config("10.2.1.2/514", HTTP="0.0.0.0:9514"))
    unit.call("start")
    for path in ("/healthz", "/metrics", "/status.json", "/history.json", "/"):
        assert web.ask(network.appliance, path).status == 200, path
    assert web.answers(network.client1.namespace, network.client1.gateway_v4)
    unit.configure(_config("10.2.1.2/514", HTTP="127.0.0.1:9515"))
    unit.call("reload")
    assert web.ask(network.appliance, "/healthz", port=9515).status == 200


def test_a_port_that_no_user_can_take(network, unit):
    """With the drop-in of docs/security.md, HTTP listens below 1024; the right is given up."""
    page = (REPOSITORY / "docs/security.md").read_text(encoding="utf-8")
    lines = re.search(r"```ini\n(.*?)```", page, re.DOTALL)[1].split()
    assert lines[0] == "[Service]"
    unit.drop_in(*lines[1:])
    unit.configure(_config("10.2.1.2/514", HTTP="127.0.0.1:914"))
    unit.call("start")
    assert web.ask(network.appliance, "/healthz", port=914).status == 200
    status = pathlib.Path(f"/proc/{unit.pid}/status").read_text()
    assert re.search(r"^CapEff:\t0*1000$", status, re.MULTILINE), "CAP_NET_ADMIN alone"


def test_a_narrower_way(network, unit):
    """A change of the MTU is heard of, and larger copies leave as fragments, by either way of
    sending."""
    receiver, capture = network.receiver1.receiver(514), network.receiver1.capture()
    for send in ("ip", "link"):
        unit.configure(_config("10.2.1.2/514", SEND=send))
        unit.call("start")
        for mtu, pieces in ((1300, 2), (1500, 1)):
            network.appliance.ip(f"link set receiver1 mtu {mtu}")

            def in_pieces():
                sent = _send(network, unit, bytes(1400))
                assert receiver.wait(1)[-1] == sent
                return len(capture.take_udp())
            wait_for(f"copies in {pieces} pieces", lambda n=pieces: in_pieces() == n,
                     there=unit.journal)
        unit.call("stop")


def test_a_kernel_without_the_queue_statement(network, unit):
    """The rules script queues by iptables-nft then, and takes all of it away again."""
    MODPROBE_LINE.write_text("install nft_queue /bin/false\n")
    run("modprobe", "-r", "nft_queue", check=False)
    try:
        before = run("iptables-nft-save").stdout
        unit.call("start")
        assert "NFQUEUE" in run("iptables-nft-save").stdout, unit.journal()
        receiver = network.receiver1.receiver(514)
        sent = _send(network, unit)
        assert receiver.wait(1) == [sent]
        config = _config("10.2.1.2/514", "10.2.2.2/514")
        config["More"] = {"SOURCEPORT": 2055, "DESTINATION": ["10.2.1.2/2055"]}
        unit.configure(config)
        unit.call("reload")
        unit.call("stop")
        assert "NFQUEUE" not in run("iptables-nft-save").stdout
        assert not table_is_up() and "trafficduplicator" not in ruleset().lower()
        assert "NFQUEUE" not in before
    finally:
        MODPROBE_LINE.unlink()
        run("modprobe", "nft_queue", check=False)


def test_hung(network, unit):
    """SIGSTOP: systemd's watchdog ends it and starts another; the rules stay, and the fresh daemon
    counts from nothing. Originals that wait for a hung daemon are dropped by the kernel with its
    queue; those that come after the kill go on. The times are printed."""
    unit.call("start")
    server, receiver = network.server.receiver(514), network.receiver1.receiver(514)
    client, target = network.client1.socket(), (network.server.v4, 514)
    rules = ruleset()
    pid, begun = unit.freeze(), time.monotonic()
    for number in range(20):
        client.sendto(b"held %d" % number, target)
    number, arrived = 0, []
    while not arrived:
        client.sendto(b"later %d" % number, target)
        number += 1
        wait_for("a moment, or a packet", lambda: server.pull() or time.monotonic() >
                 begun + number / 10, 60)
        arrived = server.wait(0)
    passed = time.monotonic() - begun
    unit.wait_another_than(pid)
    ready = time.monotonic() - begun
    print(f"{number} originals and {passed:.1f} s after SIGSTOP one passed, "
          f"ready again after {ready:.1f} s")
    unit.wait_journal("Watchdog timeout")
    assert unit.show("NRestarts") == "1"
    assert ruleset().count("bypass") == rules.count("bypass") > 0
    assert not [got for got in arrived if got[0].startswith(b"held")]
    before = unit.status()
    assert before["queue"]["dropped_kernel_pkts"] == 0
    client.sendto(b"after", target)
    assert unit.wait_received(before["received_pkts"] + 1)["received_pkts"] == \
        before["received_pkts"] + 1
    wait_for("its copy", lambda: any(got[0] == b"after" for got in receiver.wait(1)))
    wait_for("the original", lambda: any(got[0] == b"after" for got in server.wait(1)))


def test_the_announcer_in_its_sandbox(unit):
    """BIRD is told what to do by the shipped unit, and told otherwise when the daemon goes."""
    if not shutil.which("birdc"):
        pytest.skip("bird2 is not installed")
    name = "trafficduplicator-announce.service"
    source = REPOSITORY / "packaging/ha" / name
    place = pathlib.Path("/run/systemd/system") / name
    bird = pathlib.Path("/etc/bird/bird.conf")
    shipped = bird.read_bytes()
    bird.write_text("router id 10.0.0.1;\nprotocol device { }\nprotocol static service4 {\n"
                    " disabled;\n ipv4;\n route 192.0.2.1/32 via \"lo\";\n}\n")
    shutil.copy(source, place)
    run("systemctl", "daemon-reload")
    try:
        run("systemctl", "restart", "bird")
        unit.call("start")
        run("systemctl", "start", name)

        def announced():
            return " up " in run("birdc", "show", "protocols", "service4").stdout

        def said():
            return run("journalctl", "-u", name, "-o", "cat", "--no-pager").stdout
        wait_for("the address to be announced", announced, 30, said)
        unit.call("stop")
        wait_for("the address to be withdrawn", lambda: not announced(), 30, said)
        run("systemctl", "stop", name)
        assert "Operation not permitted" not in said()
    finally:
        run("systemctl", "stop", name, "bird", check=False)
        place.unlink()
        bird.write_bytes(shipped)
        run("systemctl", "daemon-reload")
