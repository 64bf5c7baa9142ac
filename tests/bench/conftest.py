# SPDX-License-Identifier: MIT
"""Where the tests of the benchmark find what they test."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "netns")]
