# SPDX-License-Identifier: MIT
"""The alert rules, by promtool: each fires when it should, names the right one, and is silent in
good times. Each series has a value a minute, as promtool's tests write them: 5+10x3 is 5 15 25 35.
"""

import json
import re

import pytest

from lib.daemon import REPOSITORY
from lib.prometheus import FILES, promtool

RULES = FILES / "trafficduplicator.rules.yml"
HOST = {"job": "trafficduplicator", "instance": "duplicator:9514"}
RULE = {**HOST, "rule": "Syslog"}
SHARED = {**RULE, "balance": "failover"}
DESTINATION = {**RULE, "destination": "192.0.2.1/514"}


def _series(name, labels, values):
    inside = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
    return {"series": f"{name}{{{inside}}}", "values": values}


def _ours(name, values, labels=HOST):
    return _series(f"trafficduplicator_{name}", labels, values)


def _dropped(reason, values):
    return _ours("destination_dropped_packets_total", values, {**DESTINATION, "reason": reason})


def _good_times():
    """Two hours of an appliance with nothing to tell."""
    return [
        _series("up", HOST, "1x120"),
        _ours("healthy", "1x120"),
        _ours("start_time_seconds", "1000x120"),
        _ours("last_reload_success", "1x120"),
        _ours("fastpath_enabled", "1x120"),
        _ours("fastpath_on", "1x120"),
        _ours("received_packets_total", "0+1000x120"),
        _ours("queue_dropped_packets_total", "0x120"),
        _ours("rule_enabled", "1x120", RULE),
        _ours("rule_info", "1x120", {**RULE, "balance": "all"}),
        _ours("rule_info", "_", SHARED),
        _ours("rule_matched_packets_total", "0+600x120", RULE),
        _ours("destination_up", "1x120", DESTINATION),
        _dropped("no_route", "0x120"),
        _dropped("down", "0x120"),
    ]


def _with(*changed):
    """Good times, but for what is given."""
    other = {one["series"]: one["values"] for one in changed}
    assert set(other) <= {one["series"] for one in _good_times()}, "no such series"
    return [{**one, "values": other.get(one["series"], one["values"])} for one in _good_times()]


# What it is, what is different, when it is looked at in minutes, and what then fires: the labels
# that it has beyond the instance's, or None.
GONE, RESTARTING, UNHEALTHY = ("TrafficDuplicator" + word for word in
                               ("Gone", "Restarting", "Unhealthy"))
DROPS, SILENT, RULE_SILENT = ("TrafficDuplicator" + word for word in
                              ("KernelDrops", "Silent", "RuleSilent"))
DOWN, REPLACED, DESTINATION_DROPS = ("TrafficDuplicatorDestination" + word for word in
                                     ("Down", "Replaced", "Drops"))
RELOAD, FAST_PATH = "TrafficDuplicatorReloadFailed", "TrafficDuplicatorFastPathUnavailable"
ONE_RULE = {"rule": "Syslog"}
ONE_DESTINATION = {**ONE_RULE, "destination": "192.0.2.1/514"}
NOT_ALL = (_ours("rule_info", "_", {**RULE, "balance": "all"}), _ours("rule_info", "1x120", SHARED))
CASES = [
    ("it does not answer", [_series("up", HOST, "1x60 0x60")],
     {60: {}, 62: {GONE: {}}}),
    ("one scrape fails", [_series("up", HOST, "1x59 0 1x60")], {60: {}, 62: {}}),
    ("it ends again and again", [_ours("start_time_seconds", "1000x59 2000+60x60")],
     {61: {}, 64: {RESTARTING: {}}}),
    ("it was restarted once", [_ours("start_time_seconds", "1000x59 2000x60")], {61: {}, 70: {}}),
    ("it cannot duplicate", [_ours("healthy", "1x59 0x60")], {60: {}, 61: {UNHEALTHY: {}}}),
    ("the kernel drops", [_ours("queue_dropped_packets_total", "0x59 7x60")],
     {59: {}, 61: {DROPS: {}}, 70: {}}),
    ("a restart resets the count", [_ours("queue_dropped_packets_total", "7x59 0x60")], {61: {}}),
    ("nothing comes any more", [_ours("received_packets_total", "0+1000x60 60000x60"),
                                _ours("rule_matched_packets_total", "0+600x60 36000x60", RULE)],
     {66: {}, 72: {SILENT: {}}}),
    ("nothing has ever come", [_ours("received_packets_total", "0x120"),
                               _ours("rule_matched_packets_total", "0x120", RULE)],
     {72: {}, 119: {}}),
    ("a client that sends once in a while", [
        _ours("received_packets_total", "0x9 1x19 2x19 3x19 4x19 5x30"),
        _ours("rule_matched_packets_total", "0x9 1x19 2x19 3x19 4x19 5x30", RULE)],
     {29: {}, 49: {}, 69: {}, 89: {}}),
    ("one rule gets nothing any more", [
        _ours("rule_matched_packets_total", "0+600x60 36000x60", RULE)],
     {66: {}, 72: {RULE_SILENT: ONE_RULE}}),
    ("a rule that is quiet by nature", [
        _ours("rule_matched_packets_total", "0+1x60 60x60", RULE)], {72: {}}),
    ("a rule that was switched off", [
        _ours("rule_matched_packets_total", "0+600x60 36000x60", RULE),
        _ours("rule_enabled", "1x60 0x60", RULE)], {72: {}}),
    ("a destination is down", [_ours("destination_up", "1x59 0x30 1x30", DESTINATION)],
     {60: {}, 62: {DOWN: ONE_DESTINATION}, 95: {}}),
    ("one of a rule that is switched off is down", [
        _ours("destination_up", "1x59 0x60", DESTINATION), _ours("rule_enabled", "0x120", RULE)],
     {62: {}}),
    ("one of several that take turns is down", [
        _ours("destination_up", "1x59 0x60", DESTINATION), *NOT_ALL],
     {62: {REPLACED: ONE_DESTINATION}}),
    ("the last of several is down", [
        _ours("destination_up", "1x59 0x60", DESTINATION), *NOT_ALL,
        _dropped("down", "0x59 0+9x60")],
     {65: {REPLACED: ONE_DESTINATION, DOWN: ONE_DESTINATION}}),
    ("copies have no route", [_dropped("no_route", "0x59 3x60")],
     {59: {}, 61: {DESTINATION_DROPS: {**ONE_DESTINATION, "reason": "no_route"}}, 70: {}}),
    ("copies for one that is down", [_dropped("down", "0x59 3x60")], {61: {}}),
    ("a file was refused", [_ours("last_reload_success", "1x59 0x30 1x30")],
     {59: {}, 61: {RELOAD: {}}, 95: {}}),
    ("no fast path", [_ours("fastpath_on", "1x59 0x60")], {62: {}, 66: {FAST_PATH: {}}}),
    ("none is wanted", [_ours("fastpath_enabled", "0x120"), _ours("fastpath_on", "0x120")],
     {66: {}}),
]


def _severities():
    text = RULES.read_text(encoding="utf-8")
    return dict(re.findall(r"- alert: (\w+)\n.*?severity: (\w+)", text, re.DOTALL))


def _expected(fires):
    """The series ALERTS with what fires."""
    samples = []
    for alert, more in fires.items():
        labels = {"alertname": alert, "alertstate": "firing", **HOST, **more,
                  "severity": _severities()[alert]}
        samples.append({"labels": _series("ALERTS", labels, "")["series"], "value": 1})
    return samples


def test_the_files_are_valid():
    for kind, name in (("rules", RULES.name), ("config", "prometheus.yml")):
        done = promtool("check", kind, FILES / name)
        assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr


def test_every_alert_is_tested_and_documented():
    fired = {alert for _, _, times in CASES for fires in times.values() for alert in fires}
    assert fired == set(_severities())
    page = (REPOSITORY / "docs/monitoring.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `(TrafficDuplicator\w+)` \| [^|]* \| (\w+) \|$", page,
                           re.MULTILINE)) == _severities(), "documented as they are"
    text = RULES.read_text(encoding="utf-8")
    assert text.count("summary:") == text.count("description:") == len(fired)


def _try(rules, folder):
    """Runs promtool's tests of all cases. What it reads is JSON, which is YAML too."""
    cases = [("good times", [], {0: {}, 1: {}, 30: {}, 119: {}}), *CASES]
    file = folder / "tests.yml"
    file.write_text(json.dumps({
        "rule_files": [str(rules)],
        "tests": [{"name": name, "interval": "1m", "input_series": _with(*changed),
                   "promql_expr_test": [{"expr": 'ALERTS{alertstate="firing"}',
                                         "eval_time": f"{minute}m", "exp_samples": _expected(fires)}
                                        for minute, fires in times.items()]}
                  for name, changed, times in cases]}))
    return promtool("test", "rules", file)


def test_each_fires_in_its_time_and_no_other(tmp_path):
    done = _try(RULES, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("right, wrong", [
    ("== 0\n        for: 1m", "== 0\n        for: 0s"), ('{reason!="down"}', ""),
    ("[1h] offset 10m) > 600\n        labels", "[1h] offset 10m) > 0\n        labels"),
    ("> 600\n          and", "> 6\n          and"), ("healthy == 0", "healthy == 1"),
    (">= 3", ">= 1"),
    ("          and on (job, instance, rule) trafficduplicator_rule_enabled == 1\n", ""),
    ('{balance="all"}', ""), ('{balance!="all"}', "")])
def test_the_cases_tell_a_wrong_rule(tmp_path, right, wrong):
    """So that a pass of the test above means something."""
    text = RULES.read_text(encoding="utf-8")
    assert right in text
    rules = tmp_path / RULES.name
    rules.write_text(text.replace(right, wrong), encoding="utf-8")
    done = _try(rules, tmp_path)
    assert done.returncode == 1 and "FAILED" in done.stdout + done.stderr
