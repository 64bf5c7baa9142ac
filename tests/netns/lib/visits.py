# SPDX-License-Identifier: MIT
"""What `doctor` finds, and helpers to make it find something."""

import contextlib
import json

from . import packets
from .daemon import PROGRAM, RULES_SCRIPT, command, environment


class Visit:
    """What `doctor --json` said."""

    def __init__(self, done):
        assert done.returncode in (0, 1, 3), f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        self.code = done.returncode
        self.answer = json.loads(done.stdout)
        self.findings = self.answer["findings"]

    def of(self, *levels):
        """The findings of these levels."""
        return [f for f in self.findings if f["level"] in levels]

    def one(self, id_, about=None):
        """The finding of this id, and about this where given; there must be exactly one."""
        found = [f for f in self.findings
                 if f["id"] == id_ and (about is None or f["about"] == about)]
        assert len(found) == 1, f"{id_} {about}: {json.dumps(found or self.findings, indent=1)}"
        return found[0]

    def has(self, id_):
        """Whether there is a finding of this id."""
        return any(f["id"] == id_ for f in self.findings)


def examine(network, daemon, *more):
    """Runs doctor on the network's appliance."""
    return Visit(command("doctor", "--json", "-c", daemon.config_path, "--socket", daemon.socket,
                         *more, namespace=network.appliance))


def holdable(daemon):
    """Arguments for a daemon whose rules can be held: see rules_held()."""
    script = daemon.directory / "rules"
    script.write_text(f'#!/bin/sh\n[ ! -e {daemon.directory}/held ] || exit 1\n'
                      f'exec {RULES_SCRIPT} "$@"\n')
    script.chmod(0o755)
    return "--rules-script", script


@contextlib.contextmanager
def rules_held(daemon):
    """Meanwhile the daemon cannot put back what somebody does to its rules, so that doctor can
    find it."""
    held = daemon.directory / "held"
    held.touch()
    try:
        yield
    finally:
        held.unlink()


def feed(star, daemon, count=10, family=4):
    """Sends packets in transit and waits until the daemon has dealt with them."""
    star.client1.inject(*(packets.udp_packet(star.client1.address(family),
                                             star.server.address(family), 5000 + n, 514, b"x")
                          for n in range(count)))
    daemon.wait_received((daemon.expected_received_pkts or 0) + count)


def nft(star, *lines):
    """Adds rules to the appliance, somebody else's."""
    star.appliance.run("nft", "-f", "-", stdin="\n".join(lines) + "\n")


def assert_only(visit_, *ids):
    """No other warning or problem than these ids; each is mended by a command."""
    bad = visit_.of("warning", "problem")
    assert {f["id"] for f in bad} == set(ids), json.dumps(bad, indent=1)
    assert all(f["meaning"] and f["mend"] for f in bad), json.dumps(bad, indent=1)
    assert visit_.code == (1 if visit_.of("problem") else 0)


def mend(star, finding):
    """Does what doctor advises."""
    env = environment()
    star.appliance.run("sh", "-c", finding["mend"],
                       env={**env, "PATH": f"{PROGRAM.parent}:{env['PATH']}"})
