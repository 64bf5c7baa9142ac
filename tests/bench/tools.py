# SPDX-License-Identifier: MIT
"""The two programs in C: the generator and the latency receiver."""

import json
import subprocess

import bed as beds


class Tool:
    """A program in a namespace that answers lines with lines, on the core that is not the
    appliance's."""

    def __init__(self, bed, namespace, *arguments):
        self._process = subprocess.Popen(
            namespace.command("taskset", "-c", bed.other_core, *arguments), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _say(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self):
        line = self._process.stdout.readline()
        assert line, f"{self._process.args[-1]} ended with {self._process.wait()}"
        return line

    def close(self):
        """Ends the program; returns what it says to that."""
        said = self._process.communicate()[0]
        assert self._process.returncode == 0, f"{self._process.args}: {self._process.returncode}"
        return said


class Generator(Tool):
    """Frames of bed.CLIENTS clients to one address, all of one size and kind."""

    def __init__(self, bed, directory, payload_bytes, kind, to=beds.APPLIANCE):
        super().__init__(bed, bed.generator, directory / "generator", "eth0", bed.in_mac,
                         beds.FIRST_CLIENT, to, beds.PORT, beds.CLIENTS, payload_bytes, kind)

    def start(self, rate_pps, count, probe_every=0):
        """Begins to send; finish() waits for the end of it."""
        self._say(f"{max(1, round(rate_pps))} {count} {probe_every}")

    def finish(self):
        """What was really sent: see generator.c."""
        return json.loads(self._hear())


class Latency(Tool):
    """Collects probes from its making until close()."""

    def __init__(self, bed, directory):
        super().__init__(bed, bed.receivers, directory / "latency", "eth0")
        assert self._hear() == "ready\n"

    def result(self):
        """Ends it; returns what it found."""
        return json.loads(self.close())
