# SPDX-License-Identifier: MIT
"""The search for the highest rate that a device sustains. Pure: the device is a function."""

import dataclasses

FLOOR_PPS = 500
_CHANCES = 3  # before the generator is held to be the limit


@dataclasses.dataclass
class Capacity:
    """The highest rate that held, in packets per second, and how many trials it took."""
    pps: float
    generator_bound: bool
    trials: int


def highest_rate(device, guess_pps, precision=0.03, stride=2.0):
    """Finds the highest rate that device(rate) sustains.

    device returns an object with `sustained`, `loss`, `generator_bound` and `pps`, the rate that
    was really offered. From the guess on, the rate goes up or down by stride, squared each time but
    never more than doubled, until the answer lies between two rates; then it is halved, by ratio,
    until they are within precision. One hiccup of a busy machine must not make a figure: a rate
    that fails by little gets a second chance, a generator that falls short a third. A device that
    holds no rate at all has a capacity of 0.
    """
    search = _Search(device)
    held, failed = search.bracket(guess_pps, stride)
    while held and failed and failed / held > 1 + precision:
        trial = search.attempt((held * failed) ** 0.5)
        if not trial.sustained:
            failed = max(min(failed, trial.pps), held)
        else:
            held = max(held, trial.pps)
            if trial.generator_bound:
                return Capacity(held, True, search.trials)
    return Capacity(held, not failed, search.trials)


class _Search:
    def __init__(self, device):
        self._device = device
        self.trials = 0

    def _once(self, rate_pps):
        self.trials += 1
        return self._device(rate_pps)

    def attempt(self, rate_pps):
        """A trial at that rate; the best of several if it may be something else that went wrong."""
        best = self._once(rate_pps)
        for _ in range(_CHANCES - 1):
            if not best.sustained and best.loss < 0.02:
                best = self._once(rate_pps)
                if not best.sustained:
                    break
            elif best.generator_bound and best.sustained:
                again = self._once(rate_pps)
                if again.sustained and again.pps > best.pps:
                    best = again
        return best

    def bracket(self, rate_pps, stride):
        """(held, failed): failed is None if the generator was the limit, held 0 if no rate held."""
        trial = self.attempt(rate_pps)
        if not trial.sustained:
            return self._down(rate_pps, stride)
        held = trial.pps
        while not trial.generator_bound:
            trial = self.attempt(held * stride)
            if not trial.sustained:
                return held, max(trial.pps, held)
            held = max(held, trial.pps)
            stride = min(stride * stride, 2.0)
        return held, None

    def _down(self, failed_pps, stride):
        while failed_pps > FLOOR_PPS:
            trial = self.attempt(failed_pps / stride)
            if trial.sustained:
                return trial.pps, failed_pps
            failed_pps /= stride
            stride = min(stride * stride, 2.0)
        return 0, failed_pps
