# SPDX-License-Identifier: MIT
"""What is concluded from a trial's counters."""

import pytest

from trial import Trial, slope


def a_trial(**changes):
    return Trial(**{**dict(
        asked_pps=10000, sent_pkts=5000, seconds=0.5, delivered=[5000, 5000], drain_s=0.0,
        busy_s=0.1, receivers_dropped_pkts=0, taken_pkts=5000, taken_by_receivers_pkts=10000),
        **changes})


def test_rate_and_loss():
    trial = a_trial(delivered=[5000, 4000])
    assert trial.pps == 10000
    assert trial.loss == pytest.approx(0.1)


@pytest.mark.parametrize("changes, sustained", [
    ({}, True),
    ({"delivered": [4996, 4996]}, True),
    ({"delivered": [4994, 4994]}, False),
    ({"delivered": [5000, 4989]}, False),
    ({"drain_s": 0.014}, True),
    ({"drain_s": 0.02}, False),
    ({"drain_s": 0.02, "seconds": 1.0}, True),
])
def test_sustained_means_no_loss_and_no_queue_left(changes, sustained):
    assert a_trial(**changes).sustained is sustained


def test_the_generator_is_the_limit_when_it_is_clearly_short():
    assert not a_trial(seconds=0.51).generator_bound
    assert a_trial(seconds=0.52).generator_bound


@pytest.mark.parametrize("changes, word", [
    ({"receivers_dropped_pkts": 11}, "dropped"),
    ({"taken_by_receivers_pkts": 5000}, "softirq"),
    ({"taken_pkts": 7000}, "others"),
])
def test_faults_are_named(changes, word):
    assert not a_trial().faults()
    found, = a_trial(**changes).faults()
    assert word in found


def test_slope_leaves_the_beginning_out():
    samples = [(10 + t / 10, 5000 + (900 * t if t < 4 else 3600 + 100 * (t - 4)))
               for t in range(11)]
    assert slope(samples, 0.4) == pytest.approx(1000)
