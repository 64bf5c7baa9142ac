# SPDX-License-Identifier: MIT
"""Completion for bash, against what the program itself says of its verbs and options."""

import os
import re
import subprocess

import pytest

from lib.daemon import REPOSITORY, command

FILE = REPOSITORY / "packaging/bash-completion/trafficduplicator"
# What readline does at Tab, as far as the function sees it.
PRESS_TAB = r"""
compopt() { :; } # has a meaning only within readline
source "$1"; shift
COMP_WORDS=(trafficduplicator "$@"); COMP_CWORD=$#
_trafficduplicator && printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(*words, folder=None):
    """The words that bash offers for the last one."""
    done = subprocess.run(["bash", "--norc", "-u", "-c", PRESS_TAB, "bash", FILE, *words],
                          capture_output=True, text=True, check=False, cwd=folder, timeout=60)
    assert not done.stderr, done.stderr
    return [line for line in done.stdout.split("\n") if line]


def verbs():
    """The program's verbs, from its help."""
    shown = command("--help").stdout.partition("Verbs:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  (\w+)", shown, re.MULTILINE)


def test_verbs():
    assert sorted(complete("")) == sorted(verbs())
    assert complete("sta") == ["status"] and complete("-v", "sta") == ["status"]
    assert complete("--config", "file", "ch") == ["check"]
    assert complete("--config", "=", "file", "ch") == ["check"]
    assert complete("status", "") == []


def test_options():
    """Every verb's own, and no option that is none."""
    for verb in verbs():
        own, _, common = command(verb, "--help").stdout.partition("Common options:")
        offered = set(complete(verb, "-"))
        assert offered >= set(re.findall(r"^  (--[\w-]+)", own, re.MULTILINE)), verb
        assert offered <= set(re.findall(r"--[\w-]+", own + common)), verb
    assert complete("status", "--j") == ["--json"]
    assert {"--help", "--version", "--config"} <= set(complete("-"))


def test_values(tmp_path):
    (tmp_path / "one two.config").touch()
    for words in (["check", "-c", "one"], ["check", "--config", "=", "one"],
                  ["--socket", "one"], ["import", "pmacct", "one"],
                  ["import", "--port", "2055", "pmacct", "one"]):
        assert complete(*words, folder=tmp_path) == ["one two.config"], words
    assert complete("check", "--config", "=", folder=tmp_path) == ["one two.config"]
    assert complete("rules", "--way", "") == ["nft", "iptables"]
    assert complete("rules", "--defragmentation", "t") == ["tproxy"]
    assert complete("rules", "--format", "i") == ["iptables"]
    assert complete("run", "--log-format", "") == ["text", "json"]
    assert complete("import", "") == ["samplicator", "pmacct"]
    assert complete("import", "--port", "2055", "p") == ["pmacct"]
    assert complete("import", "--port", "") == []
    assert sorted(complete("explain", "--interface", "")) == sorted(os.listdir("/sys/class/net"))
    assert complete("explain", "--interface", "l") == ["lo"]


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local"])
def test_it_is_installed_where_bash_looks(prefix):
    """As `make -n` says: a test installs nothing."""
    done = subprocess.run(["make", "-n", "install", f"PREFIX={prefix}", "DESTDIR=/stage"],
                          cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60)
    assert f"/stage{prefix}/share/bash-completion/completions/trafficduplicator" in done.stdout
