# SPDX-License-Identifier: MIT
"""What a process may have: descriptors, memory, and one thread of it that gets no time."""

import contextlib
import ctypes
import os
import pathlib
import resource

import pytest

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long] * 4
_PTRACE_DETACH, _PTRACE_SEIZE, _PTRACE_INTERRUPT = 17, 0x4206, 0x4207
_WALL = 0x40000000


@contextlib.contextmanager
def no_more_descriptors(pid):
    """The process keeps what it has open, and can open nothing more."""
    opened = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
    limit = next(fd for fd in range(len(opened) + 1) if fd not in opened)
    former = resource.prlimit(pid, resource.RLIMIT_NOFILE, (
        limit, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, former)


def address_space(pid, peak=False):
    """The bytes of a process's address space, by which RLIMIT_AS goes."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    name = "VmPeak" if peak else "VmSize"
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name)) * 1024


@contextlib.contextmanager
def no_more_memory(pid, spare_bytes=0):
    """The process gets no more address space than it has, and spare_bytes."""
    former = resource.prlimit(pid, resource.RLIMIT_AS, (
        address_space(pid) + spare_bytes, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_AS, former)


def cpu_s(pid):
    """How much of a CPU's time the process has had."""
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _ptrace(request, thread):
    if _libc.ptrace(request, thread, 0, 0) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace: {os.strerror(error)}")


@contextlib.contextmanager
def stopped_thread(thread):
    """One thread stands still as a debugger holds it; the others of its process go on."""
    try:
        _ptrace(_PTRACE_SEIZE, thread)
    except PermissionError as error:
        pytest.skip(f"this machine does not let a process be debugged: {error}")
    try:
        _ptrace(_PTRACE_INTERRUPT, thread)
        os.waitpid(thread, _WALL)
        yield
    finally:
        _ptrace(_PTRACE_DETACH, thread)


class MemoryGroup:
    """A control group of the kernel's, version 1 or 2, for memory; skips where none can be had."""

    def __init__(self, name):
        old, new = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")
        if (old / "memory.limit_in_bytes").exists():
            self._path, self._limit = old / name, "memory.limit_in_bytes"
            self._usage = "memory.usage_in_bytes"
        elif (new / "cgroup.controllers").exists() and \
                "memory" in (new / "cgroup.controllers").read_text().split():
            self._path, self._limit = new / name, "memory.max"
            self._usage = "memory.current"
        else:
            pytest.skip("this machine has no memory control groups")
        try:
            if self._limit == "memory.max":
                (new / "cgroup.subtree_control").write_text("+memory")
            self._path.mkdir()
        except OSError as error:
            pytest.skip(f"this machine lets nobody make a memory control group: {error}")

    def add(self, pid):
        """Puts a process into it."""
        (self._path / "cgroup.procs").write_text(str(pid))

    def limit(self, spare_bytes):
        """Lets the processes have so much more than they have now."""
        used = int((self._path / self._usage).read_text())
        (self._path / self._limit).write_text(str(used + spare_bytes))

    def close(self):
        """Removes it, when its processes have ended."""
        self._path.rmdir()
