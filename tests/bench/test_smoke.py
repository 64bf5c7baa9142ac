# SPDX-License-Identifier: MIT
"""The bed, the tools and our own program for some seconds: do the numbers add up?"""

import os
import pathlib

import pytest

import measure
import trial as trials
import verify
from bed import CLIENTS, Bed
from contender import Setting
from kernel import HandWritten, Routing
from ours import SendIp
from tools import Latency

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TOOLS = REPOSITORY / "build/bench"
SLOW_PPS = 400  # from 500 on, some probes are among the copies: is there a loop?
PROGRAM = pathlib.Path(
    os.environ.get("TD_PROGRAM_RELEASE") or REPOSITORY / "build/trafficduplicator")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for namespaces of its own"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores"),
]


@pytest.fixture(scope="module")
def bed():
    made = Bed(1, 0, tuned=False)
    yield made
    made.remove()


def at_work(bed, contender, setting):
    return measure.running(bed, TOOLS, contender(bed, PROGRAM), setting, measure.QUICK)


@pytest.mark.parametrize("contender", [SendIp, HandWritten])
def test_every_packet_sent_slowly_arrives_everywhere(bed, contender):
    with at_work(bed, contender, Setting(8)) as run:
        trial = trials.run(bed, run.generator, 8, SLOW_PPS, 0.5)
        assert trial.sent_pkts == SLOW_PPS / 2
        assert trial.delivered == [SLOW_PPS / 2] * 8
        assert trial.loss == 0
        assert trial.seconds >= 0.499  # never faster than its pace


@pytest.mark.parametrize("payload_bytes", [64, 200, 1400])
@pytest.mark.parametrize("kind", ["netflow", "syslog"])
def test_frames_are_whole_and_everybodys_own(bed, payload_bytes, kind):
    class Kind(Routing):
        pass
    Kind.kind = kind
    with at_work(bed, Kind, Setting(1, payload_bytes)) as run:
        assert run.verify() == {"checksum": "valid", "source": "client", "source_port": "client",
                                "identification": "client", "ttl": "own"}


def test_a_contender_that_sends_too_little_gets_no_figure(bed):
    class Stingy(HandWritten):
        def rules(self, setting):
            return super().rules(Setting(setting.destinations - 1))
    contender = Stingy(bed)
    contender.start(Setting(2))
    try:
        run = measure.Running(bed, TOOLS, contender, Setting(2), measure.QUICK)
        with pytest.raises(verify.WrongCopies):
            run.verify()
        run.generator.close()
    finally:
        contender.stop()


def test_probes_are_stamped_and_nothing_else_is(bed):
    with at_work(bed, Routing, Setting(1)) as run:
        clock = Latency(bed, TOOLS)
        trials.run(bed, run.generator, 1, 2000, 3 * CLIENTS / 2000, probe_every=15)
        found = clock.result()
        assert found["probes"] == -(-3 * CLIENTS // 15)
        assert 0 < found["p50_us"] <= found["p99_us"] <= found["p999_us"] <= found["max_us"]


def test_of_many_rules_the_last_one_matches_all_that_is_sent(bed):
    with at_work(bed, SendIp, Setting(2, rules=300)) as run:
        trial = trials.run(bed, run.generator, 2, SLOW_PPS, 0.5)
        assert trial.delivered == [SLOW_PPS / 2] * 2
        rules = run.contender.status()["rules"]
        assert len(rules) == 300
        assert [r["name"] for r in rules if r["matched_pkts"]] == ["bench"]


def test_rates_are_per_destination_and_cpu_per_copy(bed):
    with at_work(bed, SendIp, Setting(4)) as run:
        found = run.overload(500, 2)
        assert 1.2 < found["share"] < 2.8  # nothing is lost: it is what was sent, twice the rate
        assert found["delivered_pps"] == pytest.approx(500 * found["share"])
        used = run.cpu(2000)
        assert 1 < used["processes_s"] < 1000  # a microsecond to a millisecond for each copy
        assert not run.faults & {"receivers' softirq ran on the appliance's core"}
