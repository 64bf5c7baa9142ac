# SPDX-License-Identifier: MIT
"""Where the tests of packaging/aws find what they test, and what judges it."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "netns")]
