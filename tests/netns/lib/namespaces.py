# SPDX-License-Identifier: MIT
"""Network namespaces: made, entered and removed.

Names are td<pid>-<serial>-<role>, so that several test processes can run at once and what a
crashed one left behind can be told from what a living one needs.
"""

import contextlib
import ctypes
import fcntl
import itertools
import os
import re
import signal
import socket
import struct
import subprocess

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_MNT_DETACH = 2
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_NAME = re.compile(r"^td(\d+)-\d+-")
_serial = itertools.count()


def _setns(fd):
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


def run(*arguments, stdin=None, check=True, env=None, timeout_s=120):
    """Runs a program to its end; text in, text out. A failure says what the program said."""
    done = subprocess.run(
        [str(a) for a in arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        env=env,
        timeout=timeout_s,
    )
    if check and done.returncode != 0:
        raise AssertionError(
            f"{' '.join(done.args)}: exit {done.returncode}\n"
            f"stdin:\n{stdin or ''}\nstdout:\n{done.stdout}\nstderr:\n{done.stderr}"
        )
    return done


class Namespace:
    """One network namespace of the test. Use through Namespaces."""

    def __init__(self, name):
        self.name = name
        self._fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is in the namespace; sockets and children made there stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(self._fd)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(home)

    def run(self, *arguments, **keywords):
        """Runs a program inside, as `ip netns exec` would, but without its mounts."""
        with self.entered():
            return run(*arguments, **keywords)

    def command(self, *arguments):
        """The argument list that runs a program inside and ends it with its parent."""
        return ["ip", "netns", "exec", self.name, "setpriv", "--pdeathsig", "KILL"] + [
            str(a) for a in arguments
        ]

    def ip(self, *lines):
        """Runs lines of ip(8)."""
        if lines:
            run("ip", "-n", self.name, "-batch", "-", stdin="\n".join(lines) + "\n")

    def sysctl(self, **values):
        """Sets sysctls below /proc/sys/net; '__' in a name is '/', as in ipv4__ip_forward=1."""
        with self.entered():
            for key, value in values.items():
                path = "/proc/sys/net/" + key.replace("__", "/")
                with open(path, "w", encoding="ascii") as file:
                    file.write(str(value))

    def loopback_up(self):
        """As `ip link set lo up`, without a process for it."""
        with self.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            request = struct.pack("16sH22x", b"lo", _IFF_UP)
            fcntl.ioctl(control, _SIOCSIFFLAGS, request)

    def close(self):
        """Lets go of the namespace; it still has its name."""
        os.close(self._fd)


class Namespaces:
    """All namespaces of one test."""

    def __init__(self):
        self._prefix = f"td{os.getpid()}-{next(_serial)}-"
        self._all = {}

    def add(self, *roles):
        """Makes a namespace for each role, with its loopback up and IPv6 without waiting."""
        names = [self._prefix + role for role in roles]
        run("ip", "-batch", "-", stdin="".join(f"netns add {n}\n" for n in names))
        for role, name in zip(roles, names):
            namespace = self._all[role] = Namespace(name)
            namespace.sysctl(
                ipv6__conf__all__accept_dad=0,
                ipv6__conf__default__accept_dad=0,
                ipv6__conf__default__router_solicitations=0,
                ipv4__conf__all__rp_filter=0,
                ipv4__conf__default__rp_filter=0,
            )
            namespace.loopback_up()

    def __getitem__(self, role):
        return self._all[role]

    def remove(self):
        """Ends what still runs in the namespaces and removes them."""
        for namespace in self._all.values():
            namespace.close()
        _remove(*(namespace.name for namespace in self._all.values()))
        self._all.clear()


def _pids(*names):
    """Processes in the namespaces: what `ip netns pids` finds, in one look at all of /proc."""
    wanted = {(status.st_dev, status.st_ino)
              for status in (os.stat(f"/run/netns/{name}") for name in names)}
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended
            status = os.stat(f"/proc/{pid}/ns/net")
            if (status.st_dev, status.st_ino) in wanted:
                yield int(pid)


def _remove(*names):
    names = [name for name in names if os.path.exists(f"/run/netns/{name}")]
    for pid in _pids(*names):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for name in names:
        # As `ip netns del`.
        _libc.umount2(f"/run/netns/{name}".encode(), _MNT_DETACH)
        os.unlink(f"/run/netns/{name}")


def remove_leftovers():
    """Removes namespaces of test processes that are no more."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/run/netns"):
            match = _NAME.match(name)
            if match and not os.path.exists(f"/proc/{match[1]}"):
                with contextlib.suppress(FileNotFoundError):  # another process was faster
                    _remove(name)
