# SPDX-License-Identifier: MIT
"""Another program that wants an NFQUEUE: configuration messages, as nfnetlink_queue.h of
linux/netfilter has them, and the kernel's answers; and sockets of other processes, for what only
these can do."""

import ctypes
import os
import socket
import struct

_NETLINK_NETFILTER = 12
_REQUEST_ACK = 0x1 | 0x4
_CONFIG = 3 << 8 | 2  # NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG
_CFG_CMD = 1
BIND, UNBIND, PF_BIND, PF_UNBIND = 1, 2, 3, 4
_PIDFD_GETFD = 438  # the same number on every architecture
_UNSPEC, _INET = 0, 2


def _message(queue, command, acknowledged):
    family = _INET if command in (PF_BIND, PF_UNBIND) else _UNSPEC
    body = struct.pack("!BBH", _UNSPEC, 0, queue) + struct.pack("=HH", 8, _CFG_CMD) \
        + struct.pack("!BBH", command, 0, family)
    flags = _REQUEST_ACK if acknowledged else 1
    return struct.pack("=IHHII", 16 + len(body), _CONFIG, flags, 1, 0) + body


class Queue:
    """A netfilter netlink socket of this process, in a namespace."""

    def __init__(self, namespace):
        with namespace.entered():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
            self._socket.bind((0, 0))

    def ask(self, queue, command):
        """The errno that the kernel answers with; 0: done."""
        self._socket.send(_message(queue, command, True))
        return -struct.unpack_from("=i", self._socket.recv(4096), 16)[0]

    def close(self):
        """With it goes what it has bound."""
        self._socket.close()


def port_of(namespace, queue):
    """The netlink port of a queue's owner."""
    for line in namespace.run("cat", "/proc/net/netfilter/nfnetlink_queue").stdout.splitlines():
        number, port = line.split()[:2]
        if int(number) == queue:
            return int(port)
    raise AssertionError(f"nobody has queue {queue}")


def unbind_by_owner(namespace, pid, queue):
    """Unbinds a queue through its owner's own socket, the only one that may: as if the kernel had
    lost it. The answer, which the owner would have to read, is not asked for."""
    port = port_of(namespace, queue)
    inodes = {line.split()[-1] for line in namespace.run("cat", "/proc/net/netlink").stdout
              .splitlines()[1:] if line.split()[1:3] == [str(_NETLINK_NETFILTER), str(port)]}
    number = next(int(fd) for fd in os.listdir(f"/proc/{pid}/fd")
                  if os.readlink(f"/proc/{pid}/fd/{fd}") in {f"socket:[{i}]" for i in inodes})
    process = os.pidfd_open(pid)
    try:
        taken = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, number, 0)
        if taken < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        with socket.socket(fileno=taken) as owned:
            owned.send(_message(queue, UNBIND, False))
    finally:
        os.close(process)
