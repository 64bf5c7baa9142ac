# SPDX-License-Identifier: MIT
"""What all contenders have in common."""

import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import bed as beds


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a contender is to do."""
    destinations: int
    payload_bytes: int = 200
    rules: int = 1

    def addresses(self):
        """Where copies go, all at bed.PORT."""
        return beds.DESTINATIONS[:self.destinations]


class Unavailable(Exception):
    """A contender cannot take part; the text says why."""


class Contender:
    """One way to duplicate. start() returns when it is ready, or raises Unavailable."""

    name = None  # short, as in options and results
    title = None
    kind = "netflow"  # what its clients send: see frames.h
    max_destinations = 64
    to = beds.APPLIANCE  # where clients send to
    keeps_source = True  # copies carry the client's address
    remark = ""

    def __init__(self, bed, program=None, peers=None):
        self.bed, self.program = bed, program  # program: our own
        self.peers = peers  # the directory that get-peers filled
        self.directory = None

    def version(self):
        """What it is, exactly. Raises Unavailable if it is not there."""
        raise NotImplementedError

    def refuses(self, setting):
        """Why it cannot do that, or None."""
        if setting.destinations > self.max_destinations:
            return f"{self.max_destinations} destinations at most"
        return "it has no rules by client" if setting.rules > 1 else None

    def start(self, setting):
        """Begins to duplicate."""
        raise NotImplementedError

    def pids(self):
        """Its processes."""
        return []

    def cpu_s(self):
        """The time its processes have had on a core so far."""
        return sum(int(task.read_text().split()[0]) for pid in self.pids()
                   for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9

    def stray_tasks(self):
        """Tasks of its processes that may run elsewhere than on the appliance's core."""
        return [int(task.name) for pid in self.pids()
                for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
                if os.sched_getaffinity(int(task.name)) != {self.bed.core}]

    def misgivings(self, sent_pkts):
        """What speaks against its figures, as text, after so many packets; see Trial.faults()."""
        return set()

    def stop(self):
        """Ends it and removes what it left."""


class Process(Contender):
    """A contender that is a program listening to a UDP port."""

    command = None  # below the root of its package

    @property
    def executable(self):
        """Where its program is: unpacked by get-peers, or installed."""
        unpacked = self.peers / self.command if self.peers else None
        return unpacked if unpacked and unpacked.exists() else pathlib.Path("/", self.command)

    def environment(self):
        """What it needs to find its libraries where they were unpacked."""
        return None

    def start(self, setting):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"td{os.getpid()}-", dir="/dev/shm"))
        self.directory.chmod(0o755)
        with open(self.directory / "said", "wb") as said:
            self._process = subprocess.Popen(
                self.bed.appliance.command("taskset", "-c", self.bed.core,
                                           *self.arguments(setting)),
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
                env=self.environment())
        try:
            self.bed.wait_bound()
        except AssertionError as error:
            said = (self.directory / "said").read_text(errors="replace")[-500:]
            self.stop()
            raise Unavailable(f"does not listen: {said.strip() or error}") from error

    def arguments(self, setting):
        """Writes its configuration into self.directory and returns its command line."""
        raise NotImplementedError

    def version(self):
        if not self.executable.exists():
            raise Unavailable(f"there is no {self.executable.name}: tests/bench/get-peers gets it")
        done = subprocess.run([self.executable, "-V"], capture_output=True, text=True,
                              check=False, env=self.environment())
        said = (done.stdout + done.stderr).replace(str(self.executable), self.executable.name)
        return next((line.strip() for line in said.splitlines() if line.strip()),
                    self.executable.name)

    def pids(self):
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                if _session(pid) == self._process.pid]

    def stop(self):
        # What it forked is in its session, and in nobody else's.
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            try:
                self._process.wait(3)
                if not self.pids():
                    break
            except subprocess.TimeoutExpired:
                pass
        shutil.rmtree(self.directory, ignore_errors=True)


def _session(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
