# SPDX-License-Identifier: MIT
"""What README and the pages of docs/ tell their readers to type and to write."""

import re

from .daemon import REPOSITORY

README = REPOSITORY / "README.md"
PAGES = sorted((REPOSITORY / "docs").glob("*.md"))
TEXTS = [README, REPOSITORY / "CONTRIBUTING.md", *PAGES]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(path, language):
    """The fenced blocks of one language."""
    return [text for name, text in _FENCE.findall(path.read_text(encoding="utf-8"))
            if name == language]


def inline(path):
    """What stands between backticks on one line."""
    return re.findall(r"`([^`\n]+)`", _FENCE.sub("", path.read_text(encoding="utf-8")))


def command_lines(path):
    """The lines of every ```sh block, continued ones joined, without comments."""
    lines = []
    for block in blocks(path, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"(^|\s)#.*", "", line).strip()
            if line:
                lines.append(re.sub(r"\s+", " ", line))
    return lines
