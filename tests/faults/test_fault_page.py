# SPDX-License-Identifier: MIT
"""docs/reliability.md lists faults and their tests: all of these, and none that is not there."""

import ast
import re

from lib.daemon import REPOSITORY

TESTS = REPOSITORY / "tests"
PAGE = REPOSITORY / "docs/reliability.md"
# The page has a section on the soak, which makes many of these faults at once.
ELSEWHERE = ("test_fault_page.py", "test_soak.py")


def _tests_of(path):
    """The names of a file's tests."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def _section():
    """The page's section on faults."""
    return PAGE.read_text(encoding="utf-8").partition("\n## Faults\n")[2].partition("\n## ")[0]


def _named():
    """(file, test) of all that the page names."""
    return set(re.findall(r"`((?:netns|faults|vm)/\w+\.py)::(\w+)`", _section()))


def test_every_test_that_is_named_is_there():
    named = _named()
    assert len(named) > 40
    missing = [f"{file}::{test}" for file, test in sorted(named)
               if not (TESTS / file).exists() or test not in _tests_of(TESTS / file)]
    assert missing == []


def test_every_fault_that_is_tested_is_named():
    tested = {(f"faults/{path.name}", test) for path in (TESTS / "faults").glob("test_*.py")
              if path.name not in ELSEWHERE for test in _tests_of(path)}
    assert sorted(tested - _named()) == []


def test_every_fault_has_a_test():
    rows = [line for line in _section().splitlines() if line.startswith("| ") and not line.startswith("| fault ")]
    assert len(rows) > 30
    assert [row for row in rows if row.count("|") != 5 or "::test_" not in row] == []
