# SPDX-License-Identifier: MIT
"""The fast path in the service: its program is loaded with the unit's rights, attached as this
kernel, which has no tcx links, can have it, and serves packets."""

import json
import pathlib

import pytest

from appliance import TO_TWO_RECEIVERS
from lib.fastpath import filters, queued_pkts
from lib.namespaces import run
from lib.waiting import wait_for

pytestmark = pytest.mark.vm
ROLES = ("client1", "client2", "receiver1", "receiver2", "server")
OURS = "pref 29796 bpf"  # INGRESS_PRIORITY of include/control/ingress.h


def _config(**settings):
    return {**TO_TWO_RECEIVERS, "SETTINGS": {**TO_TWO_RECEIVERS["SETTINGS"], **settings}}


def _places(network):
    return {role for role in ROLES if OURS in (filters(network.appliance, role) or "")}


def _start(network, unit, **settings):
    unit.configure(_config(**settings))
    unit.call("start")
    assert [unit.status()["rules"][0]["name"]] == ["DuplicateSyslog"]
    return network.receiver1.receiver(514)


def _send(network, unit, count=20):
    """Returns how many of them were queued."""
    before = queued_pkts(network.appliance), unit.status()["received_pkts"]
    client = network.client1.socket()
    for n in range(count):
        client.sendto(b"<13>message %d" % n, (network.client1.gateway_v4, 514))
    assert unit.wait_received(before[1] + count)["received_pkts"] == before[1] + count
    return queued_pkts(network.appliance) - before[0]


def test_it_serves(network, unit):
    """At every interface, reload included; with the stop nothing is left."""
    receiver = _start(network, unit, FASTPATH="auto")
    found = unit.status()
    assert found["fastpath"] == "on", unit.journal()
    assert found["rules"][0]["fastpath"] == "in the kernel"
    assert _places(network) == set(ROLES)
    assert "fast path" not in unit.journal()
    assert _send(network, unit) == 0
    assert len(receiver.wait(20)) == 20
    config = _config(FASTPATH="auto")
    config["More"] = {"SOURCEPORT": 2055, "DESTINATION": ["10.2.1.2/514"]}
    unit.configure(config)
    unit.call("reload")
    assert _send(network, unit) == 0
    assert len(receiver.wait(20)) == 20
    unit.call("stop")
    assert _places(network) == set()
    assert "clsact" not in run("tc", "qdisc", "show").stdout


def test_an_interface_that_appears_later(network, unit):
    """The rights to load programs are given up by then; those to attach one are not."""
    _start(network, unit, FASTPATH="auto")
    run("ip", "link", "add", "late", "type", "veth", "peer", "name", "later")
    try:
        wait_for("the program", lambda: OURS in (filters(network.appliance, "late") or ""),
                 there=unit.journal)
    finally:
        run("ip", "link", "del", "late")


def test_off(network, unit):
    """The program is loaded, for the day when there is too much, and is attached nowhere."""
    _start(network, unit)
    assert unit.status()["fastpath"] == "off"
    assert _places(network) == set()
    assert "no program" not in unit.journal()
    assert _has_program(unit.pid)
    assert _send(network, unit) == 20


def _has_program(pid):
    """Whether a process holds a BPF program, by what the kernel says of its descriptors."""
    return any("prog_type:" in info.read_text() for info in
               pathlib.Path(f"/proc/{pid}/fdinfo").iterdir())


def test_with_the_rights_of_former_versions(network, unit):
    """As where an administrator's drop-in has pinned them: one line says so, and all is queued."""
    rights = "CAP_NET_ADMIN CAP_NET_RAW"
    unit.drop_in("AmbientCapabilities=", f"AmbientCapabilities={rights}",
                 "CapabilityBoundingSet=", f"CapabilityBoundingSet={rights}")
    receiver = _start(network, unit, FASTPATH="auto")
    assert unit.status()["fastpath"].startswith("unavailable: Operation not permitted")
    said = [line for line in unit.journal().splitlines() if "fast path" in line]
    assert len(said) == 1 and "all packets are queued" in said[0], json.dumps(said)
    assert _send(network, unit) == 20
    assert len(receiver.wait(20)) == 20
