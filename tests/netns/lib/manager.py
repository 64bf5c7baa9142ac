# SPDX-License-Identifier: MIT
"""The service manager's side of sd_notify(3) and sd_listen_fds(3): what systemd does with a service
that stores descriptors, for daemons in a namespace. The descriptors are real, and really held."""

import array
import os
import pathlib
import socket
import sys
import tempfile
import threading

from .waiting import scaled, wait_for

# Started in the daemon's place: puts the descriptors where a service finds them, and becomes it.
_STARTER = """
import os, sys
notify, directory, names, fds = sys.argv[1:5]
fds = [int(fd) for fd in fds.split(",") if fd]
high = [os.dup2(fd, 200 + n, inheritable=False) for n, fd in enumerate(fds)]
for fd in fds:
    os.close(fd)
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n)
os.environ.update(NOTIFY_SOCKET=notify, RUNTIME_DIRECTORY=directory)
if fds:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(sys.argv[5], sys.argv[5:])
"""


class Manager:
    """Keeps what services store, until they take it out."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix=f"td{os.getpid()}-")
        self.runtime = pathlib.Path(self._folder.name)
        self._path = self.runtime / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self.store = []  # (name, descriptor)
        self.said = []
        self.keeps = True  # False: FileDescriptorStoreMax=0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                data, control, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(64))
            except OSError:
                return
            if data == b"end":
                return
            fds = array.array("i")
            for level, kind, body in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(body)
            self._take(dict(line.split("=", 1) for line in data.decode().splitlines()), list(fds))

    def _take(self, words, fds):
        if words.get("FDSTORE") == "1" and self.keeps:
            self.store += [(words["FDNAME"], fd) for fd in fds]
            fds = []
        if words.get("FDSTOREREMOVE") == "1":
            gone = [fd for name, fd in self.store if name == words["FDNAME"]]
            self.store = [item for item in self.store if item[0] != words["FDNAME"]]
            fds += gone
        for fd in fds:
            os.close(fd)
        self.said.append(words)

    def begin(self, daemon, config=None, *more):
        """Starts a daemon with all that is in the store; returns it."""
        items = list(self.store)
        daemon.wrapper = [sys.executable, "-c", _STARTER, self._path, self.runtime,
                          ":".join(name for name, _ in items),
                          ",".join(str(fd) for _, fd in items)]
        self.said.clear()
        daemon.spawn(*more, config=config, pass_fds=[fd for _, fd in items])
        return daemon

    def start(self, daemon, config=None):
        """The same, and waits until it is ready."""
        self.begin(daemon, config)
        wait_for("READY=1", lambda: {"READY": "1"} in self.said or not daemon.running,
                 timeout_s=60, there=daemon.stderr)
        assert daemon.running, daemon.stderr()
        return daemon

    @property
    def mark(self):
        """Whether the rules are to stay though the daemon ends."""
        return bool(self.store)

    def forget(self):
        """What happens when nobody is to be started any more."""
        for _, fd in self.store:
            os.close(fd)
        self.store = []

    def close(self):
        """Ends it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", str(self._path))
        self._thread.join(scaled(10))
        self._socket.close()
        self.forget()
        self._folder.cleanup()
