# SPDX-License-Identifier: MIT
"""/metrics of a daemon: fetched, read, and what it must say by `status --json`."""

import dataclasses
import datetime
import re

from .prometheus import get

PREFIX = "trafficduplicator_"
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


@dataclasses.dataclass
class Family:
    """One family: its samples are {(name and labels): value}."""
    kind: str
    help: str
    samples: dict = dataclasses.field(default_factory=dict)

    def labels(self):
        """The names of labels that any sample has."""
        return {name for labels in self.samples for name, _ in labels}


def key(**labels):
    """A sample's labels, as Family has them."""
    return tuple(sorted(labels.items()))


def fetch(daemon, address="127.0.0.1:9514"):
    """The text that the daemon gives now."""
    kind, text = get(daemon.namespace, f"http://{address}/metrics")
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    return text


def _unescaped(value):
    return re.sub(r"\\.", lambda found: _ESCAPES[found[0]], value)


def read(text):
    """{name less its prefix: Family}; nothing may be said twice."""
    families, name = {}, None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, about = line[len("# HELP " + PREFIX):].split(" ", 1)
            assert name not in families
            families[name] = Family("", about)
        elif line.startswith("# TYPE "):
            assert line.startswith(f"# TYPE {PREFIX}{name} ")
            families[name].kind = line.split()[-1]
        else:
            labels, value = re.fullmatch(rf"{PREFIX}{name}(\{{.*\}})? (\d+)", line).groups()
            found = key(**{k: _unescaped(v) for k, v in _LABEL.findall(labels or "")})
            assert found not in families[name].samples, f"twice: {line}"
            families[name].samples[found] = int(value)
    return families


def _seconds(time):
    return int(datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp())


def _of_all(status):
    reload = status["last_reload"]
    totals = {f"{name}_packets_total": status[f"{name}_pkts"]
              for name in ("received", "unmatched", "malformed", "truncated")}
    return {
        "matched_packets_total": status["matched_by_any_pkts"], **totals,
        "originals_forwarded_packets_total": status["originals"]["forwarded_pkts"],
        "originals_dropped_packets_total": status["originals"]["dropped_pkts"],
        "queue_waiting_packets": status["queue"]["waiting_pkts"],
        "queue_dropped_packets_total": status["queue"]["dropped_kernel_pkts"],
        **{f"loop_probes_{what}_packets_total": status["loop_probes"][f"{what}_pkts"]
           for what in ("sent", "returned")},
        "start_time_seconds": _seconds(status["started_at"]),
        "healthy": int(status["health"] == "ok"),
        "rules_restored_total": status["rules_restored"],
        "fastpath_enabled": int(status["fastpath"] != "off"),
        "fastpath_on": int(status["fastpath"] == "on"),
        "last_reload_success": int(reload["ok"]) if reload else 1,
        **({"last_reload_timestamp_seconds": _seconds(reload["at"])} if reload else {}),
    }


def _of_rule(rule):
    return {
        **{f"rule_{what}_packets_total": rule[f"{what}_pkts"]
           for what in ("matched", "sampled_out", "rate_limited", "duplicated")},
        "rule_matched_bytes_total": rule["matched_bytes"],
        "rule_fastpath_on": int(rule["fastpath"] == "in the kernel"),
    }


def _of_destination(to):
    up = {"up": 1, "down": 0, "unresolved": 0}.get(to["state"])
    return {
        **{f"destination_{what}_packets_total": to[f"{what}_pkts"]
           for what in ("due", "sampled_out", "sent")},
        "destination_sent_bytes_total": to["sent_bytes"],
        "destination_loop": int(to["loop"]),
        **({} if up is None else {"destination_up": up}),
    }


def expected(status):
    """Every number of a status as (family, labels): value."""
    found = {("build_info", key(version=status["version"])): 1,
             ("config_info", key(path=status["config"])): 1}
    found |= {(name, ()): value for name, value in _of_all(status).items()}
    for rule in status["rules"]:
        its = {"rule": rule["name"]}
        found[("rule_info", key(**its, ports=rule["ports"], balance=rule["balance"]))] = 1
        found |= {(name, key(**its)): value for name, value in _of_rule(rule).items()}
        for to in rule["destinations"]:
            both = {**its, "destination": to["name"]}
            found |= {(name, key(**both)): value for name, value in _of_destination(to).items()}
            found |= {("destination_dropped_packets_total", key(**both, reason=reason)): value
                      for reason, value in to["dropped"].items()}
    return found
