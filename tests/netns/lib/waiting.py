# SPDX-License-Identifier: MIT
"""Bounded waiting for conditions. Nothing in these tests sleeps for a time it made up."""

import os
import time

# A virtual machine without hardware help is 10 to 20 times slower: TD_TIMEOUT_SCALE=20.
SCALE = float(os.environ.get("TD_TIMEOUT_SCALE", "1"))
DEFAULT_TIMEOUT_S = 15.0
POLL_S = 0.01


def scaled(timeout_s):
    """A time limit as long as this machine needs it."""
    return timeout_s * SCALE


def wait_for(what, probe, timeout_s=DEFAULT_TIMEOUT_S, there=None):
    """Calls probe until it returns something true, and returns that.

    what says what is awaited; there() says what is there instead when time is up.
    """
    limit_s = scaled(timeout_s)
    deadline = time.monotonic() + limit_s
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() >= deadline:
            break
        time.sleep(POLL_S)
    found = f"\nThere is: {there()}" if there else ""
    raise AssertionError(f"Waited {limit_s:.0f} s in vain for {what}.{found}")
