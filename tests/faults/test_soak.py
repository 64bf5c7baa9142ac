# SPDX-License-Identifier: MIT
"""A short run of tests/soak, always the same: that it works, and finds every packet."""

import re
import subprocess
import sys

import pytest

from lib.daemon import RELEASE, REPOSITORY

SOAK = REPOSITORY / "tests/soak/soak.py"
FAULTS = "hung,link down,routes deleted,MTU lowered,burst"

pytestmark = [pytest.mark.once, pytest.mark.long]


def _soak(*options):
    if not RELEASE.exists():
        pytest.skip(f"there is no release build at {RELEASE}")
    return subprocess.run([sys.executable, SOAK, "--program", RELEASE, "--rate", "600", *options],
                          check=False, capture_output=True, text=True, timeout=300)


def test_short_run():
    """Faults, reloads and scrapes: every packet is accounted for."""
    done = _soak("--time", "18s", "--seed", "11", "--faults", FAULTS)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    assert re.search(r"^soak: nothing was wrong in .* seed 11$", done.stdout, re.MULTILINE)
    assert re.search(r"^\| datagrams that clients sent \| [\d,]{5,} \|$", done.stdout, re.MULTILINE)


def test_a_loss_is_found():
    """One copy in a few that nobody has counted ends the run; all that is needed is said."""
    done = _soak("--time", "10s", "--seed", "11", "--faults", "lost on purpose")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^FAILED at [\d.]+ s, round 1: lost on purpose, seed 11$", done.stdout,
                     re.MULTILINE), done.stdout
    assert re.search(r"^copies receiver1: \d+ lost$", done.stdout, re.MULTILINE), done.stdout


def test_unknown_fault():
    """Says which there are."""
    done = _soak("--time", "1s", "--faults", "earthquake")
    assert done.returncode == 1 and "earthquake" in done.stderr and "link down" in done.stderr
