# SPDX-License-Identifier: MIT
"""A real rsyslogd inside a namespace, which logs who it believes the sender to be."""

import pathlib
import shutil
import signal
import subprocess

from .waiting import DEFAULT_TIMEOUT_S, scaled, wait_for

_CONFIG = """\
global(net.enableDNS="off" workDirectory="{folder}")
module(load="imudp")
template(name="who" type="string" string="%fromhost-ip%|%hostname%|%syslogtag%|%msg%\\n")
input(type="imudp" port="514" ruleset="all")
ruleset(name="all") {{
    action(type="omfile" file="{folder}/log" template="who" asyncWriting="off" flushOnTXEnd="on")
}}
"""


class Rsyslogd:
    """rsyslogd on UDP port 514 of a namespace; use lines()."""

    def __init__(self, namespace, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self._log = self.folder / "log"
        config = self.folder / "rsyslog.conf"
        config.write_text(_CONFIG.format(folder=self.folder), encoding="ascii")
        program = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin")
        with open(self.folder / "stderr", "wb") as stderr:
            self._process = subprocess.Popen(
                namespace.command(program, "-n", "-f", config, "-i", self.folder / "pid"),
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
        wait_for("rsyslogd to listen", lambda: self._listens(namespace),
                 there=(self.folder / "stderr").read_text)

    def _listens(self, namespace):
        assert self._process.poll() is None, (self.folder / "stderr").read_text()
        return ":514 " in namespace.run("ss", "-Hlnu").stdout

    def lines(self, count, timeout_s=DEFAULT_TIMEOUT_S):
        """Waits for count messages; returns them as [sender address, host, tag, message]."""
        def read():
            return self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
        wait_for(f"{count} messages in {self._log}", lambda: len(read()) >= count, timeout_s, read)
        return [line.split("|", 3) for line in read()]

    def close(self):
        """Ends it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(scaled(10))
