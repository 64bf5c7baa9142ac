# SPDX-License-Identifier: MIT
"""A real Prometheus on the appliance, with the project's own files: it scrapes the daemon, its
alerts fire, and every query of the dashboard is answered. The network is Star, drawn in
lib/topology.py."""

import json
import re

import pytest

from lib import metrics, packets
from lib.configs import rule, settings
from lib.daemon import REPOSITORY
from lib.prometheus import Prometheus
from lib.waiting import wait_for

pytestmark = pytest.mark.once
DASHBOARD = REPOSITORY / "packaging/grafana/trafficduplicator.json"
NO_ROUTE = "198.51.100.9/514"


@pytest.fixture(name="scraped")
def _scraped(star, daemons, tmp_path):
    """A daemon with a destination that is down and one without a route, a Prometheus that has seen
    it before there was any packet and sees it every second, and what sends ten packets."""
    dead = {"ADDRESS": star.receiver2.v4, "NAME": "dead", "CHECK": "tcp/601"}  # nothing listens
    daemon = daemons(star).start(settings({
        "Syslog": rule("514", f"{star.receiver1.v4}/514", NO_ROUTE, dead)}, WORKERS=1))
    prometheus = Prometheus(
        star.appliance, tmp_path / "prometheus", edit=lambda text: text.replace("15s", "1s"),
        edit_rules=lambda text: re.sub("for: .*", "for: 1s", text))
    sent = [packets.udp_packet(star.client1.v4, star.server.v4, 5000 + n, 514, b"scraped")
            for n in range(10)]
    try:
        prometheus.wait_query("trafficduplicator_destination_dropped_packets_total == 0")
        yield daemon, prometheus, lambda: star.client1.inject(*sent)
    finally:
        prometheus.close()


def _stored(prometheus):
    """What Prometheus has of the last scrape: {(family, labels): value}."""
    found = {}
    for labels, value in prometheus.query(f'{{__name__=~"{metrics.PREFIX}.*"}}'):
        name = labels.pop("__name__")[len(metrics.PREFIX):]
        assert labels.pop("job") == "trafficduplicator"
        assert labels.pop("instance") == "127.0.0.1:9514"
        found[(name, metrics.key(**labels))] = value
    return found


def test_what_it_scrapes_is_what_the_status_says(scraped):
    daemon, prometheus, send = scraped
    send()
    daemon.wait_received(10)
    daemon.wait_status("the dead one to be down", lambda s: "down" in {
        d["state"] for d in s["rules"][0]["destinations"]})
    status, families = daemon.status(), metrics.read(metrics.fetch(daemon))
    expected, count = metrics.expected(status), sum(len(f.samples) for f in families.values())

    def agrees():
        stored = _stored(prometheus)
        return len(stored) == count and expected.items() <= stored.items()
    wait_for("Prometheus to have what the status says", agrees, there=lambda: {
        one: (value, _stored(prometheus).get(one)) for one, value in expected.items()
        if _stored(prometheus).get(one) != value})


def test_alerts_fire(scraped):
    """Of a dead destination, and of copies without a route; and no other."""
    daemon, prometheus, send = scraped
    send()
    daemon.wait_received(10)
    wanted = {("TrafficDuplicatorDestinationDown", "dead"),
              ("TrafficDuplicatorDestinationDrops", NO_ROUTE)}

    def firing(samples):
        return {(labels["alertname"], labels.get("destination")) for labels, _ in samples} == wanted
    prometheus.wait_query('ALERTS{alertstate="firing"}', firing, 30)
    told = {alert["labels"]["alertname"]: alert["annotations"]
            for alert in prometheus.ask("alerts")["alerts"]}
    drops = told["TrafficDuplicatorDestinationDrops"]
    assert drops["summary"] == (f"Copies for {NO_ROUTE} of rule Syslog at 127.0.0.1:9514 are "
                                "dropped: no_route")
    assert re.match(r"\d+(\.\d+)? copies in 5 minutes\. ", drops["description"])


# The dashboard. Grafana itself is not among Debian's packages, and is not run here.

def _queries(dashboard):
    """The panels' queries: (panel, query)."""
    return [(panel, target) for panel in dashboard["panels"] for target in panel.get("targets", [])]


def _filled(text):
    """A query as Grafana would send it, all appliances and rules chosen."""
    for name, value in (("$__rate_interval", "2m"), ("$__range", "5m"), ("$instance", ".*"),
                        ("$rule", ".*")):
        text = text.replace(name, value)
    assert "$" not in text, text
    return text


def _assert_columns(panel, samples):
    """The columns that a table renames are those that its queries have."""
    renamed = [step["options"]["renameByName"] for step in panel["transformations"]
               if step["id"] == "organize"]
    columns = {f"Value #{target['refId']}" for target in panel["targets"]}
    columns |= {name for labels, _ in samples for name in labels}
    assert all(set(names) <= columns for names in renamed), panel["title"]


def test_every_query_of_the_dashboard_has_an_answer(scraped):
    """And the labels that its legend or table shows."""
    daemon, prometheus, send = scraped
    send()
    daemon.wait_received(10)
    prometheus.wait_query("increase(trafficduplicator_received_packets_total[2m]) > 0")
    prometheus.wait_query('increase(trafficduplicator_destination_dropped_packets_total'
                          '{reason="no_route"}[2m]) > 0')
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert len(_queries(dashboard)) > 20
    for panel, target in _queries(dashboard):
        samples = prometheus.wait_query(_filled(target["expr"]))
        for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
            assert all(label in labels for labels, _ in samples), f"{panel['title']}: {label}"
        if panel["type"] == "table":
            every = [one for other in panel["targets"]
                     for one in prometheus.query(_filled(other["expr"]))]
            _assert_columns(panel, every)
    for note in dashboard["annotations"]["list"]:
        prometheus.query(_filled(note["expr"]))
    for variable in dashboard["templating"]["list"][1:]:
        series, label = re.fullmatch(r"label_values\((.*), (\w+)\)",
                                     variable["definition"]).groups()
        assert all(label in labels for labels, _ in prometheus.query(_filled(series)))
        assert variable["query"]["query"] == variable["definition"]


def test_the_dashboard_can_be_imported():
    """It brings no number and no data source of the Grafana where it was made, every panel has a
    number and a place of its own, and says what it shows."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert (dashboard["uid"], dashboard["title"], dashboard["id"]) == \
        ("trafficduplicator", "Traffic Duplicator", None)
    first = dashboard["templating"]["list"][0]
    assert (first["name"], first["type"], first["query"]) == \
        ("datasource", "datasource", "prometheus")
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    for thing in (*panels, *(target for _, target in _queries(dashboard)),
                  *dashboard["annotations"]["list"], *dashboard["templating"]["list"][1:]):
        assert thing["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    squares = [(x, y) for panel in dashboard["panels"]
               for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
               for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])]
    assert len(set(squares)) == len(squares) and max(x for x, _ in squares) < 24
    assert all(panel["title"] and panel["description"] for panel in panels)
