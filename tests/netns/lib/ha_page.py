# SPDX-License-Identifier: MIT
"""docs/high-availability.md, whose commands and files the tests use as they stand there."""

import re
import shlex

from .daemon import REPOSITORY

PAGE = REPOSITORY / "docs/high-availability.md"


def text():
    """The page."""
    return PAGE.read_text(encoding="utf-8")


def blocks(kind, within=None):
    """The fenced blocks of a kind, "sh", "json", or "" for excerpts and drawings."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", within or text(), re.MULTILINE | re.DOTALL)
    return [content for of_kind, content in fenced if of_kind == kind]


def commands(heading, word):
    """The commands of a section that begin with a word, as lists of arguments, less sudo."""
    section = re.split(r"^#+ ", text().partition(f" {heading}\n")[2], maxsplit=1,
                       flags=re.MULTILINE)[0]
    lines = [shlex.split(line, comments=True) for block in blocks("sh", section)
             for line in block.splitlines()]
    found = [line[1:] for line in lines if line[:2] == ["sudo", word]]
    assert found, f"{PAGE.name}: no {word} below {heading}"
    return found
