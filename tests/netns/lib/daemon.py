# SPDX-License-Identifier: MIT
"""The program under test: configured, started, asked, stopped and judged."""

import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from . import status as numbers
from .namespaces import run
from .waiting import DEFAULT_TIMEOUT_S, scaled, wait_for
from .ways import WAY, on_the_way

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
RELEASE = pathlib.Path(
    os.environ.get("TD_PROGRAM_RELEASE") or REPOSITORY / "build/trafficduplicator")
TSAN = pathlib.Path(
    os.environ.get("TD_PROGRAM_TSAN") or REPOSITORY / "build/tsan/trafficduplicator")
RULES_SCRIPT = pathlib.Path(
    os.environ.get("TD_RULES") or REPOSITORY / "iptables/trafficduplicator-rules")


def _program():
    if os.environ.get("TD_PROGRAM"):
        return pathlib.Path(os.environ["TD_PROGRAM"])
    asan = REPOSITORY / "build/asan/trafficduplicator"
    return asan if asan.exists() else RELEASE


PROGRAM = _program()
_REPORT = re.compile(r"ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer"
                     r"|runtime error:|Assertion .* failed")


def environment(program=PROGRAM):
    """What the program and the rules script run with: sanitizers that stop at the first fault."""
    return dict(
        os.environ,
        ASAN_OPTIONS="detect_leaks=1:halt_on_error=1:exitcode=99:detect_stack_use_after_return=1",
        UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1:exitcode=99",
        TSAN_OPTIONS="halt_on_error=1:exitcode=99:second_deadlock_stack=1",
        LC_ALL="C.UTF-8",
        # A system call that is not on the daemon's list ends it, so that the test sees it.
        TRAFFICDUPLICATOR_CONFINE="kill",
        TRAFFICDUPLICATOR=str(program),  # which program the rules script asks for the rules
    )


def command(*arguments, program=PROGRAM, namespace=None, stdin=None):
    """Runs a verb of the program to its end and returns it; sanitizers must be silent."""
    runner = namespace.run if namespace else run
    done = runner(program, *arguments, check=False, stdin=stdin, env=environment(program),
                  timeout_s=scaled(60))
    assert not _REPORT.search(done.stderr), f"{done.args}:\n{done.stderr}"
    assert done.returncode >= 0, f"{done.args} ended by signal {-done.returncode}:\n{done.stderr}"
    return done


def check_alone(file):
    """`check` where there is no network: what it says depends on the file only, not on whether this
    machine has public addresses."""
    return command("--net", PROGRAM, "check", "-c", file, program="unshare")


def rules_script(verb, config, namespace, *more, program=PROGRAM):
    """Runs the rules script inside a namespace."""
    arguments = [verb] + (["-c", config] if config else []) + list(more)
    return namespace.run(RULES_SCRIPT, *arguments, check=False, env=environment(program),
                         timeout_s=scaled(60))


def _wait_out_the_fast_path():
    """The kernel's program goes on until it has not heard of its daemon for three seconds: that
    time itself is what is waited for, since nothing shows that it is over."""
    if WAY == "fastpath":
        time.sleep(3.1)


class Daemon:
    """`trafficduplicator run` inside a namespace, with files of its own."""

    def __init__(self, namespace, program=PROGRAM, wrapper=()):
        self.namespace, self.program = namespace, program
        self.wrapper = list(wrapper)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"td{os.getpid()}-"))
        self.directory.chmod(0o755)
        self.config_path = self.directory / "trafficduplicator.config"
        self.socket = self.directory / "control.sock"
        self._stderr = self.directory / "stderr"
        self.config = None
        self._former_configs = []  # since the start
        self.process = None
        self.expected_received_pkts = None

    def configure(self, config, mode=0o644):
        """Writes the config: a dict, or text as it is. Replaces the file in one step."""
        if isinstance(config, dict):
            self._former_configs += [self.config] if self.config else []
            self.config = config
        text = config if isinstance(config, str) else json.dumps(on_the_way(config), indent=8)
        fresh = self.directory / "fresh"
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(mode)
        fresh.rename(self.config_path)
        return self.config_path

    def spawn(self, *more, config=None, **popen):
        """Starts the daemon without waiting for anything; popen goes to subprocess.Popen."""
        assert self.program.exists(), f"there is no {self.program}"
        if config is not None:
            self.configure(config)
        self._former_configs.clear()  # counters begin anew
        arguments = [self.program, "run", "-c", self.config_path, "--socket", self.socket,
                     "--rules-script", RULES_SCRIPT, *more]
        with open(self._stderr, "ab") as stderr:
            files = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": stderr}
            self.process = subprocess.Popen(
                self.namespace.command(*self.wrapper, *arguments),
                env=environment(self.program), text=True, **{**files, **popen})
        return self

    def start(self, config=None, *more):
        """Starts the daemon and waits for its `ready`."""
        self.spawn(*more, config=config)
        deadline = time.monotonic() + scaled(60 if self.wrapper else 20)
        said = ""
        while not re.search(r"ready$", said, re.MULTILINE):
            left = deadline - time.monotonic()
            readable = select.select([self.process.stdout], [], [], max(left, 0))[0]
            chunk = os.read(self.process.stdout.fileno(), 4096).decode() if readable else ""
            if not chunk:
                how = f"ended with {self.process.wait()}" if readable else "went on"
                raise AssertionError(f"the daemon {how} without saying ready\nstdout:\n{said}\n"
                                     f"stderr:\n{self.stderr()}")
            said += chunk
        return self

    def stderr(self):
        """All that the daemon has said to stderr, restarts included."""
        return self._stderr.read_text(errors="replace") if self._stderr.exists() else ""

    @property
    def running(self):
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def ask(self, request):
        """What the daemon answers on its control socket: the verdict, and the text behind it. As
        the verbs ask, without the cost of a process."""
        answer = bytearray()
        with socket.socket(socket.AF_UNIX) as client:
            # Not settimeout(): connect() would then not wait where the backlog is full.
            for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
                client.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(scaled(60)), 0))
            try:
                client.connect(str(self.socket))
                client.sendall(request.encode() + b"\n")
                while chunk := client.recv(65536):
                    answer += chunk
            except OSError as error:
                raise AssertionError(f"{request}: {error}\ndaemon's stderr:\n"
                                     f"{self.stderr()}") from error
        head, _, text = answer.decode().partition("\n")
        verdict, length = head.split()
        assert len(text.encode()) == int(length), f"{request}: {len(text)} bytes of {length}"
        return verdict, text

    def status(self):
        """What `status --json` says now, which prints what the daemon answers: stop() sees to it
        that it does."""
        verdict, text = self.ask("status")
        assert verdict == "ok", f"status: {verdict}\n{text}\ndaemon's stderr:\n{self.stderr()}"
        return json.loads(text)

    def wait_status(self, what, condition, timeout_s=DEFAULT_TIMEOUT_S):
        """Waits until condition(status) holds; returns that status."""
        last = {}

        def probe():
            last.update(self.status())
            return condition(last)
        wait_for(what, probe, timeout_s,
                 lambda: f"{numbers.shown(last)}\ndaemon's stderr:\n{self.stderr()}")
        return last

    def wait_received(self, count, timeout_s=DEFAULT_TIMEOUT_S):
        """Waits until the daemon has dealt with count packets, kernel drops included, and no
        verdict is due; at the test's end it must be exactly that."""
        self.expected_received_pkts = count

        def dealt_with(found):
            seen = found["received_pkts"] + found["queue"]["dropped_kernel_pkts"]
            return seen > count or (seen == count and found["queue"]["waiting_pkts"] == 0)
        return self.wait_status(f"{count} packets received or dropped by the kernel", dealt_with,
                                timeout_s)

    def signal(self, number):
        """Sends the daemon a signal."""
        self.process.send_signal(number)

    def reload(self):
        """Runs the verb reload to its end and returns it."""
        return command("reload", "--socket", self.socket, program=self.program)

    def freeze(self):
        """SIGSTOP, and waits until every thread has stopped."""
        self.signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")

        def states():
            return [(t / "stat").read_text().rpartition(")")[2].split()[0]
                    for t in tasks.iterdir()]
        wait_for("all threads stopped", lambda: set(states()) == {"T"}, there=states)
        _wait_out_the_fast_path()

    def thaw(self):
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def kill(self):
        """SIGKILL; the counters and the sanitizers' verdict are lost with it."""
        self.signal(signal.SIGKILL)
        self.process.wait(scaled(10))
        self._forget()
        _wait_out_the_fast_path()

    def _forget(self):
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None
        self.expected_received_pkts = None

    def wait_exit(self, timeout_s=DEFAULT_TIMEOUT_S):
        """Waits for the process to end by itself; returns its exit code."""
        code = self.process.wait(scaled(timeout_s))
        self._forget()
        assert not _REPORT.search(self.stderr()), self.stderr()
        return code

    def expect_anything(self):
        """From here on the test does not know how many packets will be received."""
        self.expected_received_pkts = None

    def stop(self):
        """Checks the equations, ends the daemon by SIGTERM and judges how it went."""
        try:
            self._check_numbers()
        finally:
            self.signal(signal.SIGTERM)
            try:
                code = self.wait_exit(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"SIGTERM did not end the daemon:\n{self.stderr()}") from None
        assert code == 0, f"the daemon ended with {code}:\n{self.stderr()}"

    def _check_numbers(self):
        done = command("status", "--json", "--socket", self.socket, program=self.program)
        assert done.returncode == 0, f"status: exit {done.returncode}\n{done.stderr}" \
                                     f"\ndaemon's stderr:\n{self.stderr()}"
        found = json.loads(done.stdout)
        configs = [*self._former_configs, self.config] if self.config else []
        broken = numbers.broken_equations(found, *configs)
        if self.expected_received_pkts is not None:
            seen = found["received_pkts"] + found["queue"]["dropped_kernel_pkts"]
            if seen != self.expected_received_pkts:
                broken.append(f"received + dropped_kernel = what matched of what clients sent: "
                              f"{seen} is not {self.expected_received_pkts}")
        assert not broken, "\n".join(broken) + "\n" + numbers.shown(found)

    def finish(self):
        """At the end of a test: stop() if it runs, a judgement of how it ended if it does not."""
        try:
            if self.process is None:
                assert not _REPORT.search(self.stderr()), self.stderr()
                return
            self.thaw()
            if self.process.poll() is not None:
                code = self.wait_exit()
                raise AssertionError(f"the daemon had ended with {code}:\n{self.stderr()}")
            self.stop()
        finally:
            if self.running:
                self.thaw()
                self.kill()
            shutil.rmtree(self.directory, ignore_errors=True)
