# SPDX-License-Identifier: MIT
"""What a machine looks like to its admin: rulesets and kernel settings of a namespace; its CPUs and
processes."""

import contextlib
import os
import pathlib
import re

# These count or follow from the traffic itself.
_MOVING = re.compile(r"nf_conntrack_count|\.stat\.|tcp_mem|gc_|usr")


def rulesets(namespace):
    """All rules as nft and both iptables show them, without the times in comments."""
    def shown(*command):
        text = namespace.run(*command).stdout
        return "".join(line for line in text.splitlines(True) if not line.startswith("#"))
    return {" ".join(command): shown(*command) for command in (
        ("nft", "-s", "list", "ruleset"), ("iptables-save",), ("ip6tables-save",))}


def settings(namespace):
    """All sysctls below net."""
    text = namespace.run("sysctl", "-a", "-r", r"^net\.", check=False).stdout
    pairs = (line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    return {key: value for key, value in pairs if not _MOVING.search(key)}


def changed_settings(before, after):
    """The settings that differ; what only appeared belongs to a module loaded meanwhile."""
    return {key: (value, after.get(key)) for key, value in before.items()
            if after.get(key) != value}


def is_running(pid):
    """A process that is not a zombie, either."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def on_one_cpu():
    """The calling thread stays on one CPU: what it injects anywhere is dealt with in that order."""
    cpus = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {sorted(cpus)[os.getpid() % len(cpus)]})
        yield
    finally:
        os.sched_setaffinity(0, cpus)
