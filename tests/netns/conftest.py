# SPDX-License-Identifier: MIT
"""The fixtures of lib/fixtures.py."""

from lib.fixtures import *  # noqa: F401, F403
