# SPDX-License-Identifier: MIT
"""A local user without rights, by a real one: what he tries against a running daemon is refused,
and he is told so. In the network Star, drawn in lib/topology.py, as on a machine with the unit: the
daemon's folder can be entered by everybody.
"""

import errno
import os
import shutil
import subprocess

import pytest

from lib.configs import syslog
from lib.daemon import PROGRAM, RULES_SCRIPT, environment
from lib.local_user import NOBODY, run_as_nobody, try_everything, try_http
from lib.waiting import wait_for
from lib.web import PORT

pytestmark = pytest.mark.once
CONFIG = syslog("10.2.1.2/514")

# By the names of lib/local_user.py: an error's name, or a part of what a program says.
REFUSED = {
    "connect to the control socket": "EACCES",
    "open the control socket to others": "EPERM",
    "remove the control socket": "EACCES",
    "put another in its place": "EACCES",
    "write into its folder": "EACCES",
    "write to the configuration": "EACCES",
    "replace the configuration": "EACCES",
    "send it SIGHUP": "EPERM",
    "send it SIGTERM": "EPERM",
    "send it SIGKILL": "EPERM",
    "send it SIGSTOP": "EPERM",
    "send it SIGUSR1": "EPERM",
    "trace it": "EPERM",
    "read its memory": "EACCES",
    "read its environment": "EACCES",
    "list its descriptors": "EACCES",
    "find its program": "EACCES",
    "move it to another CPU": "EPERM",
    "make it wait for others": "EPERM",
    "take its descriptors away": "EPERM",
    "bind its queue": "EPERM",
    "bind another queue": "EPERM",
    "read the queues' counters": "EACCES",
    "send with its mark": "EPERM",
    "open a raw socket": "EPERM",
    "open a packet socket": "EPERM",
    "list BPF programs": "EPERM",
    "read the rules": "Operation not permitted",
    "remove the rules": "Operation not permitted",
    "remove the rules as root of a namespace of its own": "Operation not permitted",
    "flush the rules by iptables": "ermission denied",
    "run the rules script: up": "this needs root or CAP_NET_ADMIN",
    "run the rules script: down": "this needs root or CAP_NET_ADMIN",
    "detach the fast path": "Operation not permitted",
    "take an interface down": "Operation not permitted",
    "change a route": "Operation not permitted",
    "change a kernel parameter": "EACCES",
}


@pytest.fixture
def open_daemon(star, daemons):
    """A daemon whose files anybody can find, with the program and the script beside them."""
    daemon = daemons(star)
    daemon.directory.chmod(0o755)
    for source in (PROGRAM, RULES_SCRIPT):
        shutil.copy(source, daemon.directory)
        (daemon.directory / source.name).chmod(0o755)
    return daemon.start(CONFIG)


def _found(star, daemon):
    return {"config": daemon.ask("config")[1],
            "rules": star.appliance.run("nft", "list", "table", "inet",
                                        "trafficduplicator").stdout}


def _as_before(star, daemon, before):
    """It runs what it ran, has its rules, and copies."""
    assert _found(star, daemon) == before and daemon.status()["last_reload"] is None
    receiver = star.receiver1.receiver(514)
    client = star.client1.socket()
    client.sendto(b"still", (star.client1.gateway_v4, 514))
    assert receiver.wait(1) == [(b"still", *client.getsockname())]


def test_everything_is_refused(star, open_daemon):
    """Files, signals, tracing, queues, rules, links: each with the error that it deserves."""
    before = _found(star, open_daemon)
    said = try_everything(star.appliance, open_daemon, open_daemon.directory / RULES_SCRIPT.name)
    assert said.keys() == REFUSED.keys()
    wrong = {name: text for name, text in said.items() if REFUSED[name] not in text}
    assert not wrong, wrong
    _as_before(star, open_daemon, before)


def test_verbs_say_what_is_missing(star, open_daemon):
    """Those that ask the daemon or change anything. Those that only read the file serve all."""
    program = open_daemon.directory / PROGRAM.name

    def call(verb, *more):
        return run_as_nobody(star.appliance, program, verb, "-c", open_daemon.config_path,
                             "--socket", open_daemon.socket, *more, env=environment())
    before = _found(star, open_daemon)
    for verb in ("status", "reload", "top"):
        done = call(verb)
        assert done.returncode == 1 and not done.stdout, verb
        assert f"permission denied on {open_daemon.socket}: only root and the daemon's own user " \
            "may ask; try sudo" in done.stderr
    done = call("run")
    assert done.returncode == 1 and "this needs CAP_NET_ADMIN" in done.stderr
    for verb in ("check", "rules"):
        assert call(verb).returncode == 0, verb
    _as_before(star, open_daemon, before)


def test_http_can_be_read_and_nothing_changed(star, open_daemon):
    """Whatever method and path: the five pages by GET and HEAD, and refusals."""
    before = _found(star, open_daemon)
    answers = try_http(star.appliance, PORT)
    readable = {"/healthz", "/status.json", "/metrics", "/history.json", "/"}
    for asked, code in answers.items():
        method, path = asked.split()
        expected = 404 if path not in readable else 200 if method in ("GET", "HEAD") else 405
        assert code == expected, asked
    _as_before(star, open_daemon, before)


def _sockets(pid):
    """The inodes of a process's sockets."""
    links = (os.readlink(entry) for entry in os.scandir(f"/proc/{pid}/fd"))
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def test_a_user_can_send_as_this_machine_only(star, open_daemon):
    """A packet to a rule's port like anybody's, with the machine's own address; no other one."""
    receiver = star.receiver1.receiver(514)
    send = ("import socket, sys\n"
            "one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "try:\n one.bind(('10.1.1.2', 5000))\n"
            "except OSError as error:\n print(error.errno)\n"
            "one.sendto(b'local', ('10.1.1.1', 514))\n")
    done = run_as_nobody(star.appliance, "/usr/bin/python3", "-c", send)
    assert int(done.stdout) == errno.EADDRNOTAVAIL, done.stderr
    assert [got[:2] for got in receiver.wait(1)] == [(b"local", "10.1.1.1")]


def test_no_other_door(star, open_daemon):
    """It listens on the control socket and at HTTP's port, and has the address that keeps others from
    starting; nothing else, and no UDP port."""
    own = _sockets(open_daemon.process.pid)
    with star.appliance.entered():
        unix = [line.split() for line in open("/proc/thread-self/net/unix", encoding="ascii")]
        inet = {name: [line.split() for line in
                       open(f"/proc/thread-self/net/{name}", encoding="ascii")]
                for name in ("tcp", "tcp6", "udp", "udp6")}
    names = {fields[7] for fields in unix if fields[6] in own and len(fields) > 7}
    assert names == {str(open_daemon.socket), "@trafficduplicator"}
    bound = {name: [fields[1] for fields in lines if len(fields) > 9 and fields[9] in own]
             for name, lines in inet.items()}
    assert bound == {"tcp": [f"0100007F:{PORT:04X}"], "tcp6": [], "udp": [], "udp6": []}


def test_a_user_can_take_the_port_of_http_and_no_more(star, daemons):
    """Where he is first, at a port above 1023: the daemon says who listens there, and duplicates.
    So monitoring that trusts what it hears there needs a port below 1024, which a user cannot
    have."""
    source = ("import socket, time\n"
              "one = socket.create_server(('127.0.0.1', %d))\n"
              "try:\n socket.create_server(('127.0.0.1', 914))\n"
              "except PermissionError:\n print('refused', flush=True)\n"
              "time.sleep(600)\n")
    with star.appliance.entered():
        squatter = subprocess.Popen(
            ["setpriv", "--reuid", str(NOBODY), "--clear-groups", "--inh-caps=-all",
             "--pdeathsig", "KILL", "/usr/bin/python3", "-c", source % PORT],
            stdout=subprocess.PIPE, text=True)
    try:
        assert squatter.stdout.readline() == "refused\n"
        daemon = daemons(star).start(CONFIG)
        assert daemon.status()["http"].startswith("unavailable: another program listens there")
    finally:
        squatter.kill()
        squatter.communicate()
    wait_for("HTTP to come by itself", lambda: daemon.status()["http"] == f"127.0.0.1:{PORT}")
