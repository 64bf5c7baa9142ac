# SPDX-License-Identifier: MIT
"""What goes on beside the traffic, in threads of their own: a reload every second, scrapes, calls
of the verbs, samples of the counters and of what the process takes.
"""

import itertools
import json
import os
import pathlib
import random
import signal
import threading
import time
import traceback

import configurations
from lib import status as numbers
from lib import web
from lib.daemon import command
from lib.waiting import wait_for


class Background:
    """Calls step() every pause_s seconds until stop(). What goes wrong while the daemon is being
    stopped or started on purpose is none of its faults."""

    def __init__(self, soak, name, pause_s, step):
        self._soak, self._pause_s, self._step = soak, pause_s, step
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self):
        """Begins."""
        self._thread.start()

    def _run(self):
        due = time.monotonic()
        while not self._end.is_set():
            era = self._soak.era
            try:
                if era % 2 == 0:
                    self._step()
            except Exception:  # pylint: disable=broad-except
                if era == self._soak.era:
                    self._soak.fail(f"{self._thread.name}: {traceback.format_exc()}")
                    return
            due = max(due + self._pause_s, time.monotonic())
            self._end.wait(due - time.monotonic())

    def stop_soon(self):
        """Ends it, some time."""
        self._end.set()

    def stop(self):
        """Ends it, after the step that it is at."""
        self._end.set()
        self._thread.join()


class Reloads:
    """A reload every second: other rules, or a file that is refused."""

    def __init__(self, soak, seed):
        self._soak, self._rng = soak, random.Random(f"{seed}-reloads")
        self._serial = itertools.count(1)
        self.done, self.refused = 0, 0
        self.config = None

    def _next(self):
        return configurations.make(self._rng, self._soak.fixed, next(self._serial))

    def start(self, daemon):
        """Starts a daemon with another configuration."""
        self.config = self._next()
        daemon.start(json.dumps(self.config, indent=8))

    def step(self):
        """One reload."""
        with self._soak.files:
            if self._rng.random() < 0.2:
                self._bad()
            else:
                self._good()

    def _good(self):
        daemon, config = self._soak.daemon, self._next()
        former = self.config
        daemon.configure(json.dumps(config, indent=8))
        way = self._rng.random()
        if former["SETTINGS"]["AUTORELOAD"] and way < 0.4:
            pass  # it finds the file by itself
        elif way < 0.7:
            daemon.signal(signal.SIGHUP)
        else:
            verdict, text = daemon.ask("reload")
            if "the rules script failed" in text:
                # Where a machine has no time for the script, all stays as it is.
                verdict, text = daemon.ask("reload")
            assert verdict == "ok", f"reload: {verdict}\n{text}\n{json.dumps(config, indent=8)}"
        wait_for("the new rules to be in force", lambda: _in_force(config, daemon.status()),
                 there=lambda: f"{config}\n{numbers.shown(daemon.status())}")
        self.config = config
        self.done += 1

    def _bad(self):
        """Half of them with the cause asked for; then the file is as it was."""
        daemon = self._soak.daemon
        text, mode = configurations.bad(self._rng, self.config)
        daemon.configure(text, mode)
        verdict, report = daemon.ask("reload")
        assert verdict != "ok", f"a bad file was loaded:\n{text}\n{report}"
        assert _in_force(self.config, daemon.status()), "a bad file has changed the rules"
        self.refused += 1
        daemon.configure(json.dumps(self.config, indent=8))


def _in_force(config, found):
    names = [name for name in config if name != "SETTINGS"]
    rules = {rule["name"]: rule for rule in found["rules"]}
    return [rule["name"] for rule in found["rules"]] == names and all(
        rules[name]["balance"] == config[name].get("BALANCE", "all")
        and rules[name]["enabled"] == config[name].get("ENABLED", True)
        and len(rules[name]["destinations"]) == len(config[name]["DESTINATION"])
        for name in names)


class Scrapes:
    """HTTP as monitoring asks, and now and then one of the verbs."""

    PATHS = ("/metrics", "/healthz", "/status.json", "/history.json", "/")

    def __init__(self, soak, seed):
        self._soak, self._rng = soak, random.Random(f"{seed}-scrapes")
        self._turns = itertools.count(1)
        self.done, self.verbs = 0, 0

    def step(self):
        """Asks for something."""
        path = self._rng.choice(self.PATHS)
        answer = web.ask(self._soak.star.appliance, path)
        assert answer.status == 200 or path == "/healthz", f"{path}: {answer.status}"
        if path == "/status.json":
            broken = numbers.broken_equations(json.loads(answer.body))
            assert not broken, f"{path}: {broken}"
        self.done += 1
        if next(self._turns) % 16 == 0:
            self._verb(self._rng.choice(("status", "status --json", "doctor --json", "check",
                                         "rules", "explain 10.1.1.2 10.3.1.2/514")))

    def _verb(self, words):
        daemon = self._soak.daemon
        verb, *more = words.split()
        done = command(verb, *more, "-c", daemon.config_path, "--socket", daemon.socket,
                       program=daemon.program, namespace=self._soak.star.appliance)
        # A bad file may be there at the moment, and doctor tells of the fault that there is.
        # A machine that has much else to do may keep `status` waiting for longer than it waits.
        is_fine = done.returncode in ((0, 1, 3) if verb != "status" else (0,))
        assert is_fine or "Connection timed out" in done.stderr, done
        self.verbs += 1


class Samples:
    """Twice a second: every equation, no counter that goes down, and what the process takes."""

    def __init__(self, soak):
        self._soak = soak
        self._former = None
        self.count = 0
        self.taken = []  # (seconds, pid, RSS in KiB, file descriptors, threads, packets waiting)

    def step(self):
        """One sample."""
        daemon = self._soak.daemon
        pid, found = daemon.process.pid, daemon.status()
        broken = numbers.broken_equations(found)
        if self._former and self._former[0] == pid:
            broken += _gone_down(self._former[1], found)
        assert not broken, "\n".join(broken) + "\n" + numbers.shown(found)
        self._former = pid, found
        self.taken.append((self._soak.seconds(), pid, *_resources(pid),
                           found["queue"]["waiting_pkts"]))
        self.count += 1


def _gone_down(before, after):
    """Counters that are smaller than they were."""
    keys = ("received_pkts", "matched_by_any_pkts", "unmatched_pkts", "malformed_pkts")
    down = [key for key in keys if after[key] < before[key]]
    down += [key for key, value in before["originals"].items() if after["originals"][key] < value]
    rules = {rule["name"]: rule for rule in before["rules"]}
    for rule in after["rules"]:
        former = rules.get(rule["name"])
        down += [f"{rule['name']} {key}" for key in
                 ("matched_pkts", "sampled_out_pkts", "rate_limited_pkts", "duplicated_pkts")
                 if former and rule[key] < former[key]]
    return [f"{key} has gone down" for key in down]


def _resources(pid):
    process = pathlib.Path(f"/proc/{pid}")
    lines = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return (int(lines["VmRSS"].split()[0]), len(os.listdir(process / "fd")),
            int(lines["Threads"]))
