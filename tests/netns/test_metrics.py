# SPDX-License-Identifier: MIT
"""/metrics says what `status --json` says, in a form that promtool has nothing against; and the
documentation lists what there is. The network is Star, drawn in lib/topology.py."""

import os
import re

import pytest

from lib import metrics, packets
from lib.configs import rule, settings
from lib.daemon import REPOSITORY
from lib.prometheus import FILES, program, promtool
from lib.waiting import wait_for

pytestmark = pytest.mark.once
NAMES = ['Syslog "ä" \\', "Flows", "off"]


def _busy(star, daemons, **more):
    """A daemon with something to count in nearly every family."""
    clients = [f"10.1.1.{n}" for n in range(2, 12)]
    config = settings({
        NAMES[0]: rule("514", f"{star.receiver1.v4}/514", "198.51.100.9/514",  # no route there
                       {"ADDRESS": star.receiver2.v4, "NAME": 'the "2nd"\\', "SAMPLE": 2}),
        NAMES[1]: rule(["2055-2057", 9995], f"{star.receiver1.v4}/514",
                       {"ADDRESS": star.receiver2.v4, "CHECK": "icmp"},
                       "collector.invalid/2055", BALANCE="hash"),
        NAMES[2]: rule("515", star.receiver1.v4, ENABLED=False),
    }, WORKERS=1, **more)
    daemon = daemons(star).start(config)
    for port in (514, 2056):
        star.client1.inject(*(packets.udp_packet(client, star.server.v4, 5000, port, b"counted")
                              for client in clients))
    daemon.wait_received(2 * len(clients))
    return daemon


def _samples(families):
    return {(name, labels): value for name, family in families.items()
            for labels, value in family.samples.items()}


def _agree(daemon):
    """Waits until both say the same, as the text may be a second old; returns both."""
    seen = {}

    def differences():
        status, families = daemon.status(), metrics.read(metrics.fetch(daemon))
        expected, found = metrics.expected(status), _samples(families)
        seen.update(status=status, families=families)
        # What the status has no number for.
        found = {one: value for one, value in found.items()
                 if one[0] not in {"rule_enabled", "destination_info"}}
        return {one: (expected.get(one), found.get(one)) for one in expected.keys() | found.keys()
                if expected.get(one) != found.get(one)}
    wait_for("/metrics to say what the status says", lambda: not differences(), 5,
             lambda: f"{{one: (status, metrics)}}: {differences()}")
    return seen["status"], seen["families"]


def test_numbers_are_those_of_the_status(star, daemons):
    daemon = _busy(star, daemons)
    status, families = _agree(daemon)
    assert families["received_packets_total"].samples[()] == 20
    lost = families["destination_dropped_packets_total"].samples
    assert lost[metrics.key(rule=NAMES[0], destination="198.51.100.9/514", reason="no_route")] == 10
    assert families["rule_enabled"].samples == {metrics.key(rule=name): int(name != "off")
                                                for name in NAMES}
    places = [dict(labels) for labels in families["destination_info"].samples]
    assert [(one["destination"], one["address"], int(one.get("port", 0))) for one in places] == \
        [(to["name"], to["address"], to["port"]) for r in status["rules"]
         for to in r["destinations"]]
    assert not families["last_reload_timestamp_seconds"].samples


def test_a_reload_shows(star, daemons):
    daemon = _busy(star, daemons)
    good = daemon.config_path.read_text(encoding="utf-8")
    assert daemon.reload().returncode == 0
    assert _agree(daemon)[1]["last_reload_success"].samples == {(): 1}
    daemon.configure("{")
    assert daemon.reload().returncode == 3
    assert _agree(daemon)[1]["last_reload_success"].samples == {(): 0}
    daemon.configure(good)
    assert daemon.reload().returncode == 0
    assert _agree(daemon)[1]["last_reload_success"].samples == {(): 1}


def test_promtool_has_nothing_against_it(star, daemons):
    text = metrics.fetch(_busy(star, daemons))
    done = promtool("check", "metrics", stdin=text)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    wrong = text.replace("received_packets_total", "receivedPackets")
    assert promtool("check", "metrics", stdin=wrong).returncode != 0


def test_the_fast_path_shows(star, daemons):
    daemon = daemons(star).start(settings({
        "Fast": rule("514", star.receiver1.v4),
        "Slow": rule("515", star.receiver1.v4, INTERFACE="client1")}, FASTPATH="auto"))
    status, families = _agree(daemon)
    if status["fastpath"] != "on":
        pytest.skip(f"the fast path is {status['fastpath']}")
    assert families["rule_fastpath_on"].samples == {metrics.key(rule="Fast"): 1,
                                                    metrics.key(rule="Slow"): 0}


def test_the_documentation_lists_what_there_is(star, daemons):
    """Name, labels, and in its own words what it means."""
    page = (REPOSITORY / "docs/monitoring.md").read_text(encoding="utf-8")
    listed = {}
    for name, labels, about in re.findall(r"^\| `([a-z_]+)` \| ([^|]*) \| ([^|]*) \|$",
                                          page.partition("## Metrics")[2], re.MULTILINE):
        listed[name] = set(re.findall(r"`(\w+)`", labels)), about
    daemon = _busy(star, daemons)
    assert daemon.reload().returncode == 0
    families = metrics.read(metrics.fetch(daemon))
    assert all(family.samples for family in families.values())
    assert listed == {name: (family.labels(), family.help) for name, family in families.items()}
    counters = {name for name, family in families.items() if family.kind == "counter"}
    assert counters == {name for name in families if name.endswith("_total")}


def test_what_the_documentation_says_to_type(two, tmp_path):
    """All but the service's reload; /etc/prometheus and what is installed are elsewhere here."""
    page = (REPOSITORY / "docs/monitoring.md").read_text(encoding="utf-8")
    places = {"/usr/share/doc/trafficduplicator/": f"{REPOSITORY}/packaging/",
              "/etc/prometheus/": f"{tmp_path}/", "sudo ": ""}
    path = f"{os.path.dirname(program('promtool'))}:{os.environ['PATH']}"
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)).splitlines()
    typed = [line for line in lines if "systemctl" not in line]
    assert len(typed) >= 4
    for line in typed:
        for place, here in places.items():
            line = line.replace(place, here)
        done = two.namespace.run("sh", "-euc", line, env={**os.environ, "PATH": path})
        assert done.stdout or line.startswith("cp "), line
    job, = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert job in (FILES / "prometheus.yml").read_text(encoding="utf-8")
