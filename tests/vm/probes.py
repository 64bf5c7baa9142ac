# SPDX-License-Identifier: MIT
"""PROBE...: tries each within whatever sandbox this runs in, and prints {probe: what came of it}:
"done", the name of an error, or what was seen. Run by test_sandbox.py."""

import ctypes
import errno
import json
import mmap
import os
import pathlib
import signal
import socket
import sys
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PERSONALITY_GET, _ADDR_NO_RANDOMIZE = 0xFFFFFFFF, 0x0040000
_CLONE_NEWUTS = 0x04000000
_SYSLOG_READ_ALL, _SYSLOG_SIZE_UNREAD = 3, 9
_SYS_INIT_MODULE = 175  # of x86-64
_KEYCTL_DESCRIBE, _SESSION_KEYRING, _SYS_KEYCTL = 6, -3, 250
# mov eax, 20 (getpid of 32-bit Linux); int 0x80; ret
_GETPID_32 = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"


def _called(result):
    """Judges what a C function returned."""
    if result == -1:
        raise OSError(ctypes.get_errno(), "")


def _write(path):
    with open(path, "wb"):
        pass
    os.unlink(path)


def _overwrite(path):
    """Opens what is there for writing, and writes nothing."""
    os.close(os.open(path, os.O_WRONLY))


def _folder(path):
    os.mkdir(path)
    os.rmdir(path)


def _suid_bit():
    path = pathlib.Path(f"/dev/shm/probe-{os.getpid()}")
    path.touch()
    try:
        path.chmod(0o4755)
    finally:
        path.unlink()


def _personality():
    _called(_libc.personality(_PERSONALITY_GET))
    _called(_libc.personality(_ADDR_NO_RANDOMIZE))


def _in_32_bits():
    """A system call of another architecture, in a child, since it may be killed for it."""
    child = os.fork()
    if child == 0:
        try:
            page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            page.write(_GETPID_32)
            address = ctypes.addressof(ctypes.c_char.from_buffer(page))
            if ctypes.CFUNCTYPE(ctypes.c_int)(address)() == os.getpid():
                os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return "done" if os.WEXITSTATUS(status) == 0 else "EPERM"


def _real_time():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _pin():
    os.sched_setaffinity(0, os.sched_getaffinity(0))


def _socket(family, kind):
    socket.socket(family, kind).close()


def _mount():
    _called(_libc.mount(b"none", b"/mnt", b"tmpfs", 0, None))
    _called(_libc.umount2(b"/mnt", 0))


def _session_keyring():
    text = ctypes.create_string_buffer(256)
    _called(_libc.syscall(_SYS_KEYCTL, _KEYCTL_DESCRIBE, _SESSION_KEYRING, text, len(text)))
    return text.value.decode()


def _mode_of_a_new_file():
    path = pathlib.Path(f"/dev/shm/probe-{os.getpid()}")
    path.touch(0o666)
    try:
        return oct(path.stat().st_mode & 0o777)
    finally:
        path.unlink()


def _set_uid_program():
    """Who a program with the set-user-ID bit runs as."""
    return os.popen("/usr/local/bin/probe-id -u").read().strip()


PROBES = {
    "write to /etc": lambda: _write("/etc/probe"),
    "write to /usr": lambda: _write("/usr/probe"),
    "write to /var": lambda: _write("/var/lib/probe"),
    "write to /run": lambda: _write("/run/probe"),
    "write to its configuration": lambda: _overwrite(
        "/etc/trafficduplicator/trafficduplicator.config"),
    "see root's files": lambda: os.stat("/root/secret") and None,
    "see others' /tmp": lambda: os.stat("/tmp/probe-secret") and None,
    "see others' processes": lambda: os.stat("/proc/1") and None,
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "make a control group": lambda: _folder("/sys/fs/cgroup/probe"),
    "set the host name": lambda: socket.sethostname(socket.gethostname()),
    "read the kernel's log": lambda: _called(_libc.klogctl(_SYSLOG_SIZE_UNREAD, None, 0)),
    "open the kernel's log": lambda: _overwrite("/dev/kmsg"),
    "load a module": lambda: _called(_libc.syscall(_SYS_INIT_MODULE, b"", 0, b"")),
    "see modules": lambda: os.stat(f"/usr/lib/modules/{os.uname().release}") and None,
    "set a kernel parameter": lambda: _overwrite("/proc/sys/kernel/printk"),
    "see a disk": lambda: os.stat("/dev/vda") and None,
    "make a set-user-ID file": _suid_bit,
    "gain by a set-user-ID file": _set_uid_program,
    "change personality": _personality,
    "write and execute memory": lambda: mmap.mmap(
        -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
    "call in 32 bits": _in_32_bits,
    "make a namespace": lambda: _called(_libc.unshare(_CLONE_NEWUTS)),
    "run in real time": _real_time,
    "open a socket of another family": lambda: _socket(socket.AF_ALG, socket.SOCK_SEQPACKET),
    "mount": _mount,
    "change root": lambda: os.chroot("/"),
    "raise its priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, -1),
    "change owners": lambda: os.chown("/etc/hostname", 0, 0),
    "pin itself to CPUs": _pin,
    "mount namespace": lambda: os.readlink("/proc/self/ns/mnt"),
    "IPC namespace": lambda: os.readlink("/proc/self/ns/ipc"),
    "session keyring": _session_keyring,
    "mode of a new file": _mode_of_a_new_file,
    "user": lambda: os.getuid(),
    "group": lambda: os.getgid(),
}


def _tried(probe):
    try:
        found = PROBES[probe]()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "done" if found is None else found


if __name__ == "__main__":
    print(json.dumps({name: _tried(name) for name in sys.argv[1:] or PROBES}))
