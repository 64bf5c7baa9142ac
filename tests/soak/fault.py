# SPDX-License-Identifier: MIT
"""What every fault of the soak has: begin(), end(), and what it may lose.

A fault that loses what the daemon counts loses nothing here. What the kernel counts of it is in
`explained` after its end. Only what nobody counts is in `may_lose`: keys of account.Losses, each
with why.
"""

import time

QUEUED_DROPPED = "the kernel drops what is queued as a hook goes, and counts it nowhere"


class Fault:
    """Base of all: does nothing."""

    name = "none"
    may_lose = {}      # {key of Losses: why it is not counted}
    counters = True    # the daemon's counters survive
    restarts = False   # it is another process afterwards
    touches = None     # faults that touch the same are not there together
    hold_s = (0.5, 2.0)
    weight = 1

    def __init__(self, soak, rng):
        self.soak, self.star, self.rng = soak, soak.star, rng
        self.explained = {}  # after end(): {role: packets that the kernel counted as lost by it}

    def goes_with(self, other):
        """Whether both can be there together."""
        return Fault not in (type(self), type(other)) and type(self) is not type(other) \
            and not self.restarts and not other.restarts \
            and (self.touches is None or self.touches != other.touches)

    def begin(self):
        """The fault happens."""

    def end(self):
        """Whoever caused it mends it; the daemon has to find its way back by itself."""

    @classmethod
    def reason_not_here(cls, _soak):
        """Why it cannot be had here, or nothing."""
        return None


def hold(faults):
    """For as long as the shortest of them is to be there: that time itself, not a wait for
    anything."""
    time.sleep(min(fault.rng.uniform(*fault.hold_s) for fault in faults))
