# SPDX-License-Identifier: MIT
"""The search for the highest rate, on devices whose answer is known."""

import dataclasses
import random

import pytest

from search import highest_rate


@dataclasses.dataclass
class Outcome:
    pps: float
    sustained: bool
    loss: float = 0.0
    generator_bound: bool = False


def device(capacity, generator_limit=1e9, log=None):
    """Something that loses what exceeds its capacity, behind a generator with a limit."""
    def answer(pps):
        real = min(pps, generator_limit)
        if log is not None:
            log.append(pps)
        return Outcome(real, real <= capacity, max(0.0, 1 - capacity / real),
                       real < 0.97 * pps)
    return answer


@pytest.mark.parametrize("capacity", [600, 4321, 40000, 123456, 900000])
@pytest.mark.parametrize("guess", [1000, 40000, 300000])
def test_finds_the_capacity_from_any_guess(capacity, guess):
    found = highest_rate(device(capacity), guess, precision=0.03)
    assert capacity / 1.03 <= found.pps <= capacity
    assert not found.generator_bound


def test_a_good_guess_saves_trials():
    near, far = [], []
    highest_rate(device(50000, log=near), 49000, stride=1.1)
    highest_rate(device(50000, log=far), 1000)
    assert len(near) <= 6 < len(far)


def test_says_when_the_generator_is_the_limit():
    found = highest_rate(device(10**6, generator_limit=400000), 40000)
    assert found.generator_bound
    assert found.pps == 400000


def test_a_generator_that_was_late_once_is_not_the_limit():
    steady, late = device(100000), {"left": 2}

    def hiccups(pps):
        if pps > 45000 and late["left"]:
            late["left"] -= 1
            return Outcome(pps / 2, True, generator_bound=True)
        return steady(pps)
    found = highest_rate(hiccups, 40000)
    assert not found.generator_bound
    assert found.pps >= 100000 / 1.03


def test_one_small_loss_below_the_capacity_does_not_make_the_figure():
    steady, seen = device(100000), set()

    def noisy(pps):
        if pps not in seen:
            seen.add(pps)
            return Outcome(pps, False, 0.005)
        return steady(pps)
    assert highest_rate(noisy, 40000).pps >= 100000 / 1.03


def test_a_device_that_always_loses_little_holds_nothing():
    found = highest_rate(lambda pps: Outcome(pps, False, 0.005), 40000)
    assert found.pps == 0
    assert not found.generator_bound


def test_never_above_what_held_on_a_device_of_moods():
    rng = random.Random(7)
    for _ in range(200):
        held = []

        def moody(pps, held=held):
            limit = 50000 * rng.uniform(0.9, 1.1)
            if pps <= limit:
                held.append(pps)
            return Outcome(pps, pps <= limit, max(0.0, 1 - limit / pps))
        found = highest_rate(moody, rng.uniform(1000, 200000))
        assert found.pps in held or found.pps == 0
        assert found.trials < 60
