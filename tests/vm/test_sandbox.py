# SPDX-License-Identifier: MIT
"""Every hardening line of the unit is tried: what it forbids works without it, and fails with it
alone, and with the unit's lines as they are; and the running daemon is in that sandbox."""

import errno
import json
import os
import pathlib
import pwd
import shutil

import pytest

from appliance import REPOSITORY, UNIT
from lib.namespaces import run
from lib.waiting import scaled

pytestmark = pytest.mark.vm

UNIT_FILE = pathlib.Path(f"/lib/systemd/system/{UNIT}")
USER = "trafficduplicator"
PERM, READ_ONLY, NO_ENTRY, NO_ACCESS = "EPERM", "EROFS", "ENOENT", "EACCES"

# Per line of the unit, what it forbids, and how that shows. What needs another line to show has it
# behind a "+".
AS_USER = f"User={USER}"
FORBIDS = [
    ("NoNewPrivileges=yes", {"gain by a set-user-ID file": "999"}, AS_USER),
    ("CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_BPF CAP_PERFMON",
     {"set the clock": PERM, "mount": PERM, "change root": PERM,
      "raise its priority": NO_ACCESS}),
    ("ProtectSystem=strict", {"write to /etc": READ_ONLY, "write to /usr": READ_ONLY,
                              "write to /var": READ_ONLY,
                              "write to its configuration": READ_ONLY}),
    ("ReadOnlyPaths=/run", {"write to /run": READ_ONLY}),
    ("ProtectHome=yes", {"see root's files": NO_ENTRY}),
    ("ProtectProc=invisible", {"see others' processes": NO_ENTRY}, AS_USER),
    ("ProtectClock=yes", {"set the clock": PERM}),
    ("ProtectControlGroups=yes", {"make a control group": READ_ONLY}),
    ("ProtectHostname=yes", {"set the host name": PERM}),
    ("ProtectKernelLogs=yes", {"read the kernel's log": PERM, "open the kernel's log": NO_ACCESS}),
    ("ProtectKernelModules=yes", {"load a module": PERM, "see modules": NO_ENTRY}),
    ("ProtectKernelTunables=yes", {"set a kernel parameter": READ_ONLY}),
    ("PrivateDevices=yes", {"see a disk": NO_ENTRY}),
    ("PrivateTmp=yes", {"see others' /tmp": NO_ENTRY}),
    ("LockPersonality=yes", {"change personality": PERM}),
    ("MemoryDenyWriteExecute=yes", {"write and execute memory": PERM}),
    ("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET",
     {"open a socket of another family": "EAFNOSUPPORT"}),
    ("RestrictNamespaces=yes", {"make a namespace": PERM}),
    ("RestrictRealtime=yes", {"run in real time": PERM}),
    ("RestrictSUIDSGID=yes", {"make a set-user-ID file": PERM}),
    ("SystemCallArchitectures=native", {"call in 32 bits": "SIGSYS"}),
    ("UMask=0077", {"mode of a new file": "0o600"}),
    # The list of system calls, of several lines.
    ("SystemCallFilter=", {"mount": PERM, "change root": PERM, "raise its priority": PERM,
                           "set the clock": PERM, "load a module": PERM,
                           "set the host name": PERM}),
]
# Lines that show otherwise: in namespaces of its own, or in tests of their own.
DIFFERS = {"PrivateIPC=yes": "IPC namespace", "PrivateMounts=yes": "mount namespace"}
ELSEWHERE = {
    "User=trafficduplicator", "Group=trafficduplicator",  # test_unit.py; "user" below
    "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW CAP_BPF CAP_PERFMON",  # test_unit.py
    "RuntimeDirectory=trafficduplicator", "RuntimeDirectoryMode=0755",  # below
    "RemoveIPC=yes", "KeyringMode=private",  # below
    "SystemCallErrorNumber=EPERM",  # all of PERM of the system calls' list
}
SECURITY = "# CAP_NET_ADMIN is asked"  # where the unit's lines about rights begin


def _lines():
    """The unit's lines about rights, from the first to the end of [Service]."""
    text = UNIT_FILE.read_text(encoding="utf-8")
    part = text[text.index(SECURITY):].partition("\n[Install]")[0]
    return [line for line in part.splitlines() if line and not line.startswith("#")]


def _try(lines, *probes):
    """Runs probes in a service with these lines, as root where they do not say otherwise."""
    options = [option for line in lines for option in ("-p", line)]
    done = run("systemd-run", "--quiet", "--pipe", "--wait", "--collect", *options,
               "/usr/bin/python3", REPOSITORY / "tests/vm/probes.py", *probes,
               timeout_s=scaled(10))
    return json.loads(done.stdout)


@pytest.fixture(scope="module", autouse=True)
def things():
    """What the probes look for: a secret of root's, one in /tmp, a set-user-ID program, a
    configuration."""
    secrets = [pathlib.Path("/root/secret"), pathlib.Path("/tmp/probe-secret")]
    for secret in secrets:
        secret.touch()
    program = pathlib.Path("/usr/local/bin/probe-id")
    shutil.copy("/usr/bin/id", program)
    program.chmod(0o4755)
    yield
    for path in (*secrets, program):
        path.unlink()


@pytest.fixture(scope="module")
def bare():
    """What comes of every probe without a sandbox, as root."""
    return _try([])


def test_every_line_is_tried():
    mentioned = {case[0] for case in FORBIDS} | set(DIFFERS) | ELSEWHERE
    lines = {"SystemCallFilter=" if line.startswith("SystemCallFilter=") else line
             for line in _lines()}
    assert lines == mentioned, lines ^ mentioned


@pytest.mark.parametrize("line, forbidden, with_it", [(*case, None)[:3] for case in FORBIDS],
                         ids=[case[0].partition("=")[0] for case in FORBIDS])
def test_a_line_alone(bare, line, forbidden, with_it):
    """Each keeps its own promise, so that none stands there only for show."""
    lines = [line]
    if line == "SystemCallFilter=":
        lines = [one for one in _lines() if one.startswith("SystemCall")
                 and "Architectures" not in one]
    other = [with_it] if with_it else []
    without = _try(other, *forbidden) if other else bare
    found = _try(lines + other, *forbidden)
    expected = {name: value if value != "999" else str(pwd.getpwnam(USER).pw_uid)
                for name, value in forbidden.items()}
    assert found == expected
    for name in forbidden:
        assert without[name] != found[name], f"{name}: the same without {line}"


def test_all_lines_together(bare):
    """What the daemon, or who has taken it over, can do: of these nothing but what it needs."""
    lines = [line for line in _lines() if not line.startswith("RuntimeDirectory")]
    found = _try(lines)
    user = pwd.getpwnam(USER)
    assert (found["user"], found["group"]) == (user.pw_uid, user.pw_gid)
    for name in DIFFERS.values():
        assert found.pop(name) != bare[name], name
    assert found.pop("pin itself to CPUs") == "done"
    assert found.pop("gain by a set-user-ID file") == str(user.pw_uid)
    assert found.pop("mode of a new file") == "0o600"
    for name in ("user", "group", "session keyring"):
        found.pop(name)
    allowed = {name: value for name, value in found.items() if value[0] not in "ES"}
    assert not allowed, "neither an error's nor a signal's name"


def test_the_daemon_has_the_namespaces(running):
    """Of mounts and of IPC its own; of network and users the machine's."""
    mine = pathlib.Path("/proc/self/ns")
    theirs = pathlib.Path(f"/proc/{running.pid}/ns")
    for name, is_own in (("mnt", True), ("ipc", True), ("net", False), ("user", False)):
        assert (os.readlink(theirs / name) != os.readlink(mine / name)) == is_own, name


def _mounts(pid):
    """{place: options} of a process's mounts, by mountinfo (proc(5)); names of network namespaces,
    which the tests make, are no files."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        fields = line.split()
        if "nsfs" not in fields:
            found[fields[4]] = set(fields[5].split(","))
    return found


def test_the_daemon_can_write_nowhere_but_its_folder(running):
    """Everything else on disk is read-only for it, devices of its own and /tmp aside."""
    writable = {place for place, options in _mounts(running.pid).items() if "rw" in options}
    kinds = {place for place in writable
             if not place.startswith(("/proc", "/dev", "/tmp", "/var/tmp", "/run/systemd"))}
    assert kinds <= {"/run/trafficduplicator"}, writable
    folder = pathlib.Path("/run/trafficduplicator")
    assert (folder.owner(), oct(folder.stat().st_mode & 0o7777)) == (USER, "0o755")
    assert oct((folder / "control.sock").stat().st_mode & 0o777) == "0o600"


TRACE = """
import ctypes, os, sys
libc, pid = ctypes.CDLL(None, use_errno=True), int(sys.argv[1])
os.kill(pid, 0)
print(libc.ptrace(16, pid, None, None), ctypes.get_errno())
try:
    open(f"/proc/{pid}/mem", "rb")
except PermissionError:
    print("refused")
"""


def test_its_own_user_cannot_trace_it(running):
    """Without its capability: that user may signal it, and no more."""
    said = run("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
               "--inh-caps=-all", "/usr/bin/python3", "-c", TRACE, running.pid).stdout
    assert said == f"-1 {errno.EPERM}\nrefused\n"


def test_nothing_is_left_of_it(running):
    """RuntimeDirectory= and RemoveIPC=: no folder, and no shared memory of its user's."""
    path = pathlib.Path("/dev/shm/probe")
    path.touch()
    shutil.chown(path, USER)
    running.call("stop")
    assert not pathlib.Path("/run/trafficduplicator").exists()
    assert not path.exists()


def test_keys_of_its_own(unit, bare):
    """The session keyring is not one that root's sessions or other services have."""
    found = _try(["KeyringMode=private"], "session keyring")["session keyring"]
    assert found != _try(["KeyringMode=inherit"], "session keyring")["session keyring"]
