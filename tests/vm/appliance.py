# SPDX-License-Identifier: MIT
"""The virtual machine as the appliance: its wires, its unit and what the unit says."""

import json
import os
import pathlib
import shutil
import signal

from lib import status as numbers
from lib.namespaces import Namespace, run
from lib.topology import Star
from lib.waiting import scaled, wait_for

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
UNIT = "trafficduplicator.service"
PROGRAM = "/usr/sbin/trafficduplicator"
RULES_SCRIPT = "/usr/lib/trafficduplicator/trafficduplicator-rules"
CONFIG = pathlib.Path("/etc/trafficduplicator/trafficduplicator.config")
CONTROL_SOCKET = pathlib.Path("/run/trafficduplicator/control.sock")
DROP_INS = pathlib.Path("/run/systemd/system/trafficduplicator.service.d")

TO_TWO_RECEIVERS = {
    "DuplicateSyslog": {
        "SOURCEPORT": "514",
        "DESTINATION": ["10.2.1.2/514", "10.2.2.2/1514", "fd02:1::2/514"],
    },
    "SETTINGS": {"WORKERS": 2},
}


class Machine(Star):
    """Star, with this machine itself in the appliance's place: the unit runs here."""

    def build(self):
        if not os.path.exists("/run/netns/machine"):
            run("ip", "netns", "attach", "machine", 1)
        self.appliance = Namespace("machine")
        self.keep(self.appliance)
        self.appliance.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
        super().build()

    def remove(self):
        """Removes the wires before what they lead to, which the kernel does in its own time."""
        self.appliance.ip(*(f"link del {role}" for role in self.ROLES))
        super().remove()


class Unit:
    """trafficduplicator.service of one test."""

    def __init__(self):
        DROP_INS.mkdir(parents=True, exist_ok=True)
        self._shipped = CONFIG.read_bytes()
        self._since = self._cursor()
        self.configure(TO_TWO_RECEIVERS)

    def _cursor(self):
        run("journalctl", "--sync")
        last = run("journalctl", "-n", 1, "-o", "json").stdout
        return json.loads(last)["__CURSOR"]

    def configure(self, config):
        """Writes the config: a dict, or text as it is."""
        self.config = config if isinstance(config, dict) else None
        fresh = CONFIG.with_suffix(".fresh")
        fresh.write_text(config if isinstance(config, str) else json.dumps(config, indent=8))
        fresh.chmod(0o644)
        fresh.rename(CONFIG)

    def drop_in(self, *lines):
        """Adds to the unit's [Service] section, for this test only."""
        with open(DROP_INS / "test.conf", "a", encoding="utf-8") as file:
            file.write("\n".join(("[Service]", *lines, "")))
        run("systemctl", "daemon-reload")

    def show(self, name):
        """One property, as systemctl show knows it."""
        return show(name)

    @property
    def pid(self):
        """The main process."""
        return int(self.show("MainPID"))

    def call(self, verb, check=True):
        """systemctl VERB; a failure shows the journal."""
        done = run("systemctl", verb, UNIT, check=False, timeout_s=scaled(15))
        assert not check or done.returncode == 0, f"{done.stderr}\n{self.journal()}"
        return done

    def wait_state(self, state, substate=None):
        """Waits for ActiveState (and SubState)."""
        wait_for(f"{UNIT} {state} {substate or ''}",
                 lambda: self.show("ActiveState") == state
                 and substate in (None, self.show("SubState")),
                 timeout_s=30, there=self.journal)

    def wait_another_than(self, pid):
        """Waits until systemd has started another process, and that is ready."""
        wait_for(f"another process than {pid}",
                 lambda: self.show("ActiveState") == "active" and self.pid not in (0, pid),
                 timeout_s=30, there=self.journal)

    def kill(self, number=signal.SIGKILL):
        """Sends the main process a signal; returns its number."""
        pid = self.pid
        os.kill(pid, number)
        return pid

    def freeze(self):
        """SIGSTOP, and waits until every thread has stopped."""
        pid = self.kill(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{pid}/task")
        wait_for("all threads stopped", lambda: all(
            (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
            for task in tasks.iterdir()))
        return pid

    def journal(self):
        """What the unit, and systemd about it, have said since the test began."""
        run("journalctl", "--sync")
        return run("journalctl", "-u", UNIT, "-o", "cat", "--no-pager",
                   "--after-cursor", self._since).stdout

    def journal_entries(self):
        """The same, as [(priority, text)] of what the unit's own processes have said."""
        run("journalctl", "--sync")
        lines = run("journalctl", "-u", UNIT, "-o", "json", "--no-pager",
                    "--after-cursor", self._since).stdout.splitlines()
        entries = [json.loads(line) for line in lines]
        return [(int(entry["PRIORITY"]), entry["MESSAGE"]) for entry in entries
                if entry.get("_SYSTEMD_UNIT") == UNIT]

    def wait_journal(self, *texts):
        """Waits for all the texts; returns the journal."""
        wait_for(f"{texts} in the journal", lambda: all(t in self.journal() for t in texts),
                 there=self.journal)
        return self.journal()

    def status(self):
        """`trafficduplicator status --json`; the contract's equations must hold. On this machine a
        reload may take longer than `status` waits."""
        for _ in range(6):
            done = run(PROGRAM, "status", "--json", check=False)
            if "Connection timed out" not in done.stderr:
                break
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        broken = numbers.broken_equations(found, self.config)
        assert not broken, "\n".join(broken) + "\n" + done.stdout
        return found

    def wait_received(self, count):
        """Waits until the daemon has received that many packets; returns the status."""
        wait_for(f"{count} packets received", lambda: self.status()["received_pkts"] >= count,
                 there=self.status)
        return self.status()

    def remove(self):
        """Everything as it was before the test."""
        shutil.rmtree(DROP_INS)
        run("systemctl", "daemon-reload")
        run("systemctl", "stop", UNIT, check=False, timeout_s=scaled(15))
        run("systemctl", "reset-failed", UNIT, check=False)
        run("nft", "delete", "table", "inet", "trafficduplicator", check=False)
        CONFIG.write_bytes(self._shipped)


class Gate:
    """Stands before the rules script and holds every call of it until the test lets it pass."""

    def __init__(self, directory):
        self._asked, self._go = directory / "asked", directory / "go"
        for pipe in (self._asked, self._go):
            os.mkfifo(pipe)
            pipe.chmod(0o666)
        self.script = directory / "gate"
        self.script.write_text(
            f'#!/bin/sh\necho "$1" >{self._asked}\nread -r _ <{self._go}\n'
            f'exec {RULES_SCRIPT} "$@"\n')
        self.script.chmod(0o755)

    def wait_for(self, verb):
        """Waits until the script is called with this verb, and lets calls before that pass."""
        while self._next_call() != verb:
            self.let_pass()

    def _next_call(self):
        return run("cat", self._asked, timeout_s=scaled(15)).stdout.strip()

    def let_pass(self):
        """Lets the call that waits go on."""
        run("tee", self._go, stdin="go\n", timeout_s=scaled(15))


def show(name):
    """One property of the unit, as systemctl show knows it."""
    return run("systemctl", "show", "-P", name, UNIT).stdout.strip()


def make(target, *more):
    """make install or uninstall; returns what it said. There is no compiler here: the program
    stays as it is, the libraries' headers are not missed."""
    return run("make", "-C", REPOSITORY, "-o", "build/trafficduplicator", "PKG_CONFIG=true",
               target, "PREFIX=/usr", *more, timeout_s=scaled(15)).stdout


def bound_queues():
    """The numbers of the queues that somebody listens on."""
    listing = pathlib.Path("/proc/net/netfilter/nfnetlink_queue").read_text(encoding="ascii")
    return {int(line.split()[0]) for line in listing.splitlines()}


def ruleset():
    """All of nft's rules on this machine."""
    return run("nft", "list", "ruleset").stdout


def table_is_up():
    """Whether our nft table is there."""
    return run("nft", "list", "table", "inet", "trafficduplicator", check=False).returncode == 0
