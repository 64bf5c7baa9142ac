# SPDX-License-Identifier: MIT
"""Appliances that stand in for each other, with the real daemons and the files of packaging/ha.

Several machines on one: each is a network namespace and a folder, which keepalived, BIRD and our
scripts are told to use instead of /run and /usr/lib.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from .daemon import RELEASE, REPOSITORY, Daemon
from .namespaces import run
from .waiting import scaled

PACKAGING = REPOSITORY / "packaging/ha"
ENGINES = REPOSITORY / "build/engines"
INSTALLED = "/usr/lib/trafficduplicator"
SCRIPTS = ("trafficduplicator-healthy", "trafficduplicator-announce", "trafficduplicator-drain")
_PID_FILES = ("pid", "vrrp_pid")  # by the names of keepalived's options


def engine(name):
    """The path of a program that tests/unpack-packages has unpacked; without it the test skips."""
    path = ENGINES / "usr/sbin" / name
    if not path.exists():
        pytest.skip(f"no {path}: tests/unpack-packages build/engines keepalived bird2")
    return path


class Machine:
    """A machine by itself: what runs on it, and where that finds its files."""

    def __init__(self, name, namespace, **environment):
        self.name, self.namespace, self._more_environment = name, namespace, environment
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"td{os.getpid()}-"))
        self.directory.chmod(0o755)  # keepalived runs its script as nobody
        for script in SCRIPTS:
            shutil.copy(PACKAGING / script, self.directory)
        self.bird_socket = self.directory / "bird.ctl"
        self._log = self.directory / "log"
        self._processes = {}
        self.daemon = None

    @property
    def environment(self):
        """Where the scripts find what is elsewhere on a machine of its own."""
        return dict(os.environ, BIRD_SOCKET=str(self.bird_socket),
                    TRAFFICDUPLICATOR_DRAINED=str(self.directory / "drained"),
                    PATH=f"{ENGINES / 'usr/sbin'}:{os.environ['PATH']}",
                    **self._more_environment)

    def log(self):
        """What all that runs here has said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _spawn(self, name, *arguments):
        assert name not in self._processes
        with open(self._log, "ab") as log:
            self._processes[name] = subprocess.Popen(
                self.namespace.command(*arguments), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env=self.environment)

    def end(self, name, number=signal.SIGTERM):
        """Ends a program by a signal."""
        process = self._processes.pop(name)
        process.send_signal(number)
        process.wait(scaled(10))

    def runs(self, name):
        """Whether a program was started here and has not been ended since; it must still run."""
        process = self._processes.get(name)
        assert process is None or process.poll() is None, f"{name} ended by itself:\n{self.log()}"
        return process is not None

    @property
    def runs_daemon(self):
        """Whether the appliance's own daemon runs."""
        return self.daemon is not None and self.daemon.running

    def start_daemon(self, config):
        """Starts the appliance's own daemon, as users have it: times are measured."""
        self.daemon = self.daemon or Daemon(self.namespace, program=RELEASE)
        self.daemon.start(config)

    def _file(self, name, edit=str):
        """A file of packaging/ha as this machine needs it: its scripts are elsewhere."""
        text = (PACKAGING / name).read_text(encoding="utf-8")
        path = self.directory / pathlib.Path(name).name
        path.write_text(edit(text).replace(INSTALLED, str(self.directory)), encoding="utf-8")
        return path

    def start_keepalived(self, name, edit=str):
        """Starts keepalived by a file of packaging/ha, as an administrator has edited it."""
        pids = [f"--{name}={self.directory / name}" for name in _PID_FILES]
        self._spawn("keepalived", engine("keepalived"), "--dont-fork", "--vrrp", "--log-console",
                    "--no-syslog", "--log-detail", *pids, "--use-file",
                    self._file(name, edit))

    def start_bird(self, name):
        """Starts BIRD by a file of packaging/ha."""
        self._spawn("bird", engine("bird"), "-f", "-s", self.bird_socket, "-c", self._file(name))

    def start_announcing(self):
        """Starts the watcher that has BIRD announce."""
        self._spawn("announcing", self.directory / "trafficduplicator-announce")

    def script(self, name, *arguments):
        """Runs one of our scripts to its end and returns it."""
        return self.namespace.run(self.directory / name, *arguments, check=False,
                                  env=self.environment)

    def birdc(self, *words):
        """What BIRD answers."""
        return run(engine("birdc"), "-s", self.bird_socket, *words, check=False).stdout

    def drain(self, *arguments):
        """Runs trafficduplicator-drain to its end and returns it."""
        return self.script("trafficduplicator-drain", *arguments)

    def has_addresses(self, *addresses):
        """Whether the machine has all of these now."""
        text = run("ip", "-n", self.namespace.name, "-o", "addr").stdout
        return all(f" {address}/" in text for address in addresses)

    def is_rated_healthy(self):
        """Whether keepalived's last word about the check script is that it succeeded."""
        words = re.findall(r"VRRP_Script\(healthy\) (\w+)|Starting VRRP child (process)",
                           self.log())
        return bool(words) and words[-1][0] == "succeeded"

    def die(self):
        """All that runs here ends at once, as when the power fails."""
        if self.runs_daemon:
            self.daemon.kill()
        for pid in run("ip", "netns", "pids", self.namespace.name).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        for process in self._processes.values():
            process.wait(scaled(10))
        self._processes.clear()
        for name in _PID_FILES:
            (self.directory / name).unlink(missing_ok=True)

    def remove(self):
        """Judges the daemon, ends everything, and removes the folder."""
        try:
            if self.daemon is not None:
                self.daemon.finish()
        finally:
            self.die()
            self.discard()

    def discard(self):
        """Removes the folder only."""
        shutil.rmtree(self.directory, ignore_errors=True)

