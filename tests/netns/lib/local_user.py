# SPDX-License-Identifier: MIT
"""A local user without rights: runs programs as one, and tries what one may try against a daemon.

The second part runs as that user, from standard input: what is in root's folders it cannot read.
"""

import ctypes
import errno
import http.client
import json
import os
import pathlib
import platform
import resource
import signal
import socket
import struct
import subprocess
import sys

NOBODY = 65534
AS_NOBODY = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups",
             "--inh-caps=-all", "--bounding-set=-all"]

_PTRACE_ATTACH, _PTRACE_DETACH = 16, 17
_SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_BPF_PROG_GET_NEXT_ID = 11
_NETLINK_NETFILTER, _CONFIG, _BIND = 12, (3 << 8) | 2, b"\x01\0\0\0"
_SO_MARK = 36

_libc = ctypes.CDLL(None, use_errno=True)


def run_as_nobody(namespace, *arguments, env=None):
    """Runs a program to its end in a namespace."""
    with namespace.entered():
        return subprocess.run([*AS_NOBODY, *map(str, arguments)], capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL, env=env, timeout=60)


def _run_this(namespace, *arguments):
    """Runs the second part of this file, and reads what it prints."""
    with namespace.entered():
        done = subprocess.run([*AS_NOBODY, "/usr/bin/python3", "-", *map(str, arguments)],
                              input=pathlib.Path(__file__).read_text(), capture_output=True,
                              text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def try_everything(namespace, daemon, script):
    """{attempt: error's name or text, or "done"} of a user without rights."""
    return _run_this(namespace, "everything", daemon.process.pid, daemon.socket,
                     daemon.config_path, script)


def try_http(namespace, port):
    """{"METHOD /path": status code}, of that user."""
    return _run_this(namespace, "http", port)


def _called(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "")


def _connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def _open(path, flags):
    os.close(os.open(path, flags, 0o600))


def _attach(pid):
    """And let it go, where that went well."""
    _called(_libc.ptrace(_PTRACE_ATTACH, pid, None, None))
    os.waitpid(pid, 0)
    _libc.ptrace(_PTRACE_DETACH, pid, None, None)


def _bind_queue(number):
    """Asks the kernel for a queue, as nfnetlink_queue.h has it."""
    attribute = struct.pack("=HH", 8, 1) + _BIND
    generic = struct.pack("=BBH", socket.AF_UNSPEC, 0, socket.htons(number))
    message = struct.pack("=IHHII", 16 + len(generic + attribute), _CONFIG, 1 | 4, 1, 0) \
        + generic + attribute
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as kernel:
        kernel.settimeout(10)
        kernel.sendto(message, (0, 0))
        number = -struct.unpack_from("=i", kernel.recv(4096), 16)[0]
    if number:
        raise OSError(number, "")


def _mark():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, _SO_MARK, 0x7464)


def _socket(*arguments):
    socket.socket(*arguments).close()


def _ask_bpf():
    attribute = (ctypes.c_uint32 * 32)()
    _called(_libc.syscall(_SYS_BPF, _BPF_PROG_GET_NEXT_ID, attribute, ctypes.sizeof(attribute)))


def _command(*arguments, **environment):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=50,
                          env={**os.environ, **environment})
    if done.returncode != 0:
        raise OSError(-1, done.stderr)


def _attempts(pid, control, config, script):
    folder = os.path.dirname(control)
    return {
        "connect to the control socket": lambda: _connect(control),
        "open the control socket to others": lambda: os.chmod(control, 0o666),
        "remove the control socket": lambda: os.unlink(control),
        "put another in its place": lambda: os.rename(control, control + ".former"),
        "write into its folder": lambda: _open(folder + "/mine", os.O_CREAT | os.O_WRONLY),
        "write to the configuration": lambda: _open(config, os.O_WRONLY),
        "replace the configuration": lambda: os.rename(config, config + ".former"),
        **{f"send it {name}": lambda number=getattr(signal, name): os.kill(pid, number)
           for name in ("SIGHUP", "SIGTERM", "SIGKILL", "SIGSTOP", "SIGUSR1")},
        "trace it": lambda: _attach(pid),
        "read its memory": lambda: _open(f"/proc/{pid}/mem", os.O_RDONLY),
        "read its environment": lambda: _open(f"/proc/{pid}/environ", os.O_RDONLY),
        "list its descriptors": lambda: os.listdir(f"/proc/{pid}/fd"),
        "find its program": lambda: os.readlink(f"/proc/{pid}/exe"),
        "move it to another CPU": lambda: os.sched_setaffinity(pid, {0}),
        "make it wait for others": lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        "take its descriptors away": lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, 8)),
        "bind its queue": lambda: _bind_queue(7514),
        "bind another queue": lambda: _bind_queue(17),
        "read the queues' counters": lambda: _open("/proc/net/netfilter/nfnetlink_queue",
                                                   os.O_RDONLY),
        "send with its mark": _mark,
        "open a raw socket": lambda: _socket(socket.AF_INET, socket.SOCK_RAW, 17),
        "open a packet socket": lambda: _socket(socket.AF_PACKET, socket.SOCK_RAW),
        "list BPF programs": _ask_bpf,
        "read the rules": lambda: _command("nft", "list", "ruleset"),
        "remove the rules": lambda: _command("nft", "delete", "table", "inet", "trafficduplicator"),
        "remove the rules as root of a namespace of its own": lambda: _command(
            "unshare", "--user", "--map-root-user", "nft", "delete", "table", "inet",
            "trafficduplicator"),
        "flush the rules by iptables": lambda: _command("iptables-nft", "-t", "raw", "-F"),
        "run the rules script: up": lambda: _command(
            script, "up", "-c", config, TRAFFICDUPLICATOR=f"{folder}/trafficduplicator"),
        "run the rules script: down": lambda: _command(script, "down"),
        "detach the fast path": lambda: _command("tc", "qdisc", "del", "dev", "client1", "clsact"),
        "take an interface down": lambda: _command("ip", "link", "set", "client1", "down"),
        "change a route": lambda: _command("ip", "route", "add", "10.99.0.0/24", "dev", "client1"),
        "change a kernel parameter": lambda: _open("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY),
    }


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_PATHS = ("/healthz", "/status.json", "/metrics", "/history.json", "/", "/reload", "/config",
          "/stop", "/../etc/passwd", "//status.json")


def _ask(port, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body=b"reload" if method[0] == "P" else None)
        return connection.getresponse().status
    finally:
        connection.close()


def _tried(attempt):
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno) or error.strerror
    return "done"


def _main(what, first, *rest):
    if what == "http":
        return {f"{method} {path}": _ask(int(first), method, path)
                for method in _METHODS for path in _PATHS}
    return {name: _tried(attempt) for name, attempt in _attempts(int(first), *rest).items()}


if __name__ == "__main__":
    print(json.dumps(_main(*sys.argv[1:])))
