# SPDX-License-Identifier: MIT
"""Faults that really happen to a daemon at work: with the networks and fixtures of tests/netns."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "netns"))

# pylint: disable=wrong-import-position
from lib.fixtures import *  # noqa: E402, F401, F403
