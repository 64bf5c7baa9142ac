# SPDX-License-Identifier: MIT
"""What users type: verbs, options, exit codes; and who may ask a running daemon.

Where a daemon is needed it runs on the appliance of Star, drawn in lib/topology.py.
"""

import json
import os
import re
import socket
import stat
import subprocess
import threading

import pytest

from lib import machine, packets
from lib.capture import Receiver
from lib.configs import rule, syslog
from lib.daemon import PROGRAM, REPOSITORY, command, environment

pytestmark = pytest.mark.once
VERBS = ["run", "check", "explain", "status", "top", "reload", "rules", "doctor", "import"]
MARKETPLACE = """{
        "DuplicateSyslog" : {
                "SOURCEPORT" : "514",
                "DESTINATION" : ["172.31.63.131/514", "172.31.62.154/514"]
        }
}
"""


@pytest.mark.parametrize("arguments", [[], *([verb] for verb in VERBS)])
def test_help(arguments):
    done = command(*arguments, "--help")
    assert done.returncode == 0 and not done.stderr
    for word in arguments + ["--config"] * bool(arguments) * (arguments != ["status"]):
        assert word in done.stdout
    if not arguments:
        assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("arguments", [[], *([verb] for verb in VERBS)])
def test_version(arguments):
    done = command(*arguments, "--version")
    assert done.returncode == 0 and not done.stderr
    assert re.search(r"\d+\.\d+\.\d+", done.stdout)


@pytest.mark.parametrize("arguments", [
    [], ["sideways"], ["--sideways"], *([verb, "--sideways"] for verb in VERBS),
    *([verb, "more", "than", "asked"] for verb in VERBS), ["check", "-c"], ["status", "--socket"],
    ["run", "--log-format"], ["run", "--log-format", "yaml"], ["check", "--log-format", "json"],
    ["explain"], ["import"], ["import", "samplicator"], ["import", "sideways", "file"]])
def test_usage_errors(arguments):
    done = command(*arguments)
    assert done.returncode == 2, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stderr.strip() and not done.stdout


def test_check_prints_the_rules_as_understood(tmp_path):
    file = tmp_path / "config"
    file.write_text(MARKETPLACE)
    done = command("check", "-c", file)
    assert done.returncode == 0, done.stderr
    for word in ("DuplicateSyslog", "514", "172.31.63.131/514", "172.31.62.154/514", "auto"):
        assert word in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_the_shipped_config_is_the_marketplace_example():
    shipped = REPOSITORY / "config/trafficduplicator.config"
    if not shipped.exists():
        pytest.skip("the repository's config/ is not here: only the tests are")
    assert json.loads(shipped.read_text()) == json.loads(MARKETPLACE)
    assert command("check", "-c", shipped).returncode == 0


def test_check_reports_every_error(tmp_path):
    file = tmp_path / "config"
    file.write_text(json.dumps({
        "A": rule("0", "10.2.1.2/514"), "B": rule("514", "10.2.1.2/99999"),
        "C": rule("514", "127.0.0.1"), "D": {**rule("514", "10.2.1.2"), "NONSENSE": 1}}, indent=1))
    done = command("check", "-c", file)
    assert done.returncode == 3
    assert not done.stdout
    for words in (("A", "SOURCEPORT"), ("B", "DESTINATION", "99999"), ("C", "127.0.0.1"),
                  ("D", "NONSENSE")):
        assert any(all(word in line for word in words) for line in done.stderr.splitlines()), \
            f"{words} in one line of\n{done.stderr}"
    assert all(f"{file}:" in line for line in done.stderr.splitlines() if line.strip())


def test_missing_config(tmp_path):
    done = command("check", "-c", tmp_path / "none")
    assert done.returncode in (1, 3) and str(tmp_path / "none") in done.stderr


REFUSED = {
    "not JSON": "{",
    "trailing text": MARKETPLACE + "more",
    "duplicate key": '{"A": {"SOURCEPORT": "514", "SOURCEPORT": "515", '
                     '"DESTINATION": ["10.2.1.2"]}}',
    "the same destination twice": rule("514", "10.2.1.2/514", "10.2.1.2/514"),
    "the same destination twice, once with the port kept": rule("514", "10.2.1.2", "10.2.1.2/514"),
    "the same IPv6 destination, spelt differently": rule("514", "fd02:1::2/514",
                                                         "fd02:1:0:0::2/514"),
    "the appliance itself": rule("514", "10.2.1.2", "10.1.1.1/514"),
    "the appliance itself, port kept": rule("514", "10.3.1.1"),
    "the appliance itself, IPv6": rule("514", "fd01:1::1/514"),
    "a broadcast address of its network": rule("514", "10.2.1.255/514"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_and_nothing_changed(star, daemons, what):
    """`run` and `check` say 3, and the machine is as it was."""
    before, bad = machine.rulesets(star.appliance), REFUSED[what]
    daemon = daemons(star)
    daemon.spawn(config=bad if isinstance(bad, str) else json.dumps({"A": bad}))
    assert daemon.wait_exit() == 3, daemon.stderr()
    assert str(daemon.config_path) in daemon.stderr()
    assert machine.rulesets(star.appliance) == before
    assert not daemon.socket.exists()
    checked = command("check", "-c", daemon.config_path, namespace=star.appliance)
    assert checked.returncode == 3 and checked.stderr.strip()


def test_the_appliance_itself_on_another_port_is_fine(star, daemons):
    """A collector on the appliance, on a port that no rule listens to."""
    collector = star.client1.gateway_v4
    daemon = daemons(star).start({"A": rule("514", f"{collector}/10514")})
    receiver = star.keep(Receiver(star.appliance, collector, 10514))
    client = star.client1.socket()
    client.sendto(b"for here", (collector, 514))
    assert receiver.wait(1) == [(b"for here", *client.getsockname())]
    daemon.wait_received(1)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_config_that_others_can_write(star, daemons, mode):
    daemon = daemons(star)
    daemon.configure(syslog(star.receiver1.v4), mode=mode)
    daemon.spawn()
    assert daemon.wait_exit() == 3, daemon.stderr()
    assert str(daemon.config_path) in daemon.stderr() and "writ" in daemon.stderr()
    checked = command("check", "-c", daemon.config_path, namespace=star.appliance)
    assert checked.returncode == 0 and "writ" in checked.stderr and checked.stdout


@pytest.mark.once
def test_a_config_that_others_can_replace(star, daemons):
    """Its folder is theirs to write: said, at a start and by check, and no more. With the sticky
    bit they cannot, however the folder is reached."""
    daemon = daemons(star)
    words = f"chmod go-w {daemon.directory}"
    daemon.configure(syslog(star.receiver1.v4))
    link = daemon.directory / "link"
    link.symlink_to(daemon.config_path)
    for mode, is_said in ((0o775, True), (0o777, True), (0o1777, False), (0o755, False)):
        daemon.directory.chmod(mode)
        for path in (daemon.config_path, link):
            checked = command("check", "-c", path, namespace=star.appliance)
            assert checked.returncode == 0 and (words in checked.stderr) == is_said, oct(mode)
    daemon.directory.chmod(0o757)
    daemon.start()
    assert daemon.stderr().count(words) == 1, daemon.stderr()
    assert daemon.reload().returncode == 0
    assert daemon.stderr().count(words) == 2, daemon.stderr()


@pytest.mark.parametrize("setting, value", [
    ("ipv4/ip_forward", 0), ("ipv6/conf/all/forwarding", 0), ("ipv4/conf/client1/rp_filter", 1)])
def test_what_transit_needs_is_said_and_not_changed(star, daemons, setting, value):
    star.appliance.sysctl(**{setting.replace("/", "__"): value})
    before = machine.settings(star.appliance)
    daemon = daemons(star).start(syslog(star.receiver1.v4, star.receiver1.v6))
    assert machine.changed_settings(before, machine.settings(star.appliance)) == {}
    word = setting.rpartition("/")[2]
    warnings = [line for line in daemon.stderr().splitlines() if word in line]
    assert len(warnings) == 1 and "sysctl -w net." in warnings[0], daemon.stderr()


def test_no_warning_without_a_reason(star, daemons):
    daemon = daemons(star).start(syslog(star.receiver1.v4, star.receiver1.v6))
    assert "warning" not in daemon.stderr().lower()


def test_rules_prints_what_up_would_load(tmp_path):
    file = tmp_path / "config"
    file.write_text(json.dumps({"A": rule(["514", "2055-2060"], "10.2.1.2", "fd02:1::2")}))
    done = command("rules", "-c", file)
    assert done.returncode == 0, done.stderr
    for word in ("table inet trafficduplicator", "514", "2055-2060"):
        assert word in done.stdout


def test_a_daemon_of_another_version(tmp_path):
    """Whose answers begin otherwise: the user is told what it is, and what to do."""
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer():
            client, _ = listener.accept()
            with client:
                client.recv(100)
                client.sendall(b"ok\n{}\n")
        for verb in ["status", "reload"]:
            other = threading.Thread(target=answer)
            other.start()
            done = command(verb, "--socket", path)
            other.join()
            assert done.returncode == 1 and not done.stdout
            assert "no daemon of this version" in done.stderr
            assert "systemctl restart trafficduplicator" in done.stderr


def test_status_without_a_daemon(tmp_path):
    for option in ([], ["--json"]):
        done = command("status", *option, "--socket", tmp_path / "none.sock")
        assert done.returncode == 1 and not done.stdout
        assert str(tmp_path / "none.sock") in done.stderr and "Traceback" not in done.stderr


def test_status_for_people(star, daemons):
    daemon = daemons(star).start(syslog(star.receiver1.v4, f"{star.receiver2.v4}/1514"))
    star.client1.inject(*(packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, b"x")
                          for _ in range(37)))
    daemon.wait_received(37)
    done = command("status", "--socket", daemon.socket)
    assert done.returncode == 0, done.stderr
    for word in ("DuplicateSyslog", star.receiver1.v4, f"{star.receiver2.v4}/1514", "37"):
        assert word in done.stdout
    assert "\x1b" not in done.stdout


def test_status_json_is_complete(star, daemons):
    daemon = daemons(star).start(syslog(f"{star.receiver1.v4}/514", star.receiver1.v6))
    found = daemon.status()
    assert set(found) >= {"version", "uptime_s", "config", "fastpath", "received_pkts",
                          "matched_by_any_pkts", "unmatched_pkts", "malformed_pkts",
                          "truncated_pkts", "originals", "queue", "rules"}
    assert found["config"] == str(daemon.config_path)
    assert set(found["queue"]) >= {"waiting_pkts", "dropped_kernel_pkts"}
    one = found["rules"][0]
    assert set(one) >= {"name", "matched_pkts", "matched_bytes", "sampled_out_pkts",
                        "rate_limited_pkts", "duplicated_pkts", "destinations"}
    to = one["destinations"]
    assert all(set(d) >= {"name", "address", "port", "state", "due_pkts", "sampled_out_pkts",
                          "sent_pkts", "sent_bytes", "dropped"} for d in to)
    assert [(d["address"], d["port"]) for d in to][0] == (star.receiver1.v4, 514)
    assert to[1]["address"] == star.receiver1.v6


def test_bytes_are_counted(star, daemons):
    """matched_bytes and sent_bytes: whole IP packets."""
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    sent = [packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, bytes(n))
            for n in (0, 1, 100, 1400)]
    star.client1.inject(*sent)
    one = daemon.wait_received(4)["rules"][0]
    assert one["matched_bytes"] == one["destinations"][0]["sent_bytes"] == sum(map(len, sent))


def _as_nobody(*arguments):
    return subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           *map(str, arguments)], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, env=environment(), timeout=60)


@pytest.fixture
def program_for_nobody(tmp_path_factory):
    """A copy of the program where any user can reach it."""
    folder = tmp_path_factory.mktemp("program")
    for parent in (folder, *folder.parents):
        if parent.owner() == "root" and "pytest" in parent.name:
            parent.chmod(0o755)
    folder.parent.parent.chmod(0o755)
    target = folder / "trafficduplicator"
    target.write_bytes(PROGRAM.read_bytes())
    target.chmod(0o755)
    return target


def test_only_root_may_ask(star, daemons, program_for_nobody):
    """The socket is 0600; and were it not, the daemon looks at who is asking."""
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    mode = os.stat(daemon.socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    for mode in (0o600, 0o666):
        daemon.socket.chmod(mode)
        done = _as_nobody(program_for_nobody, "status", "--json", "--socket", daemon.socket)
        assert done.returncode == 1 and not done.stdout, (oct(mode), done)
        assert done.stderr.strip()
    assert daemon.status()["received_pkts"] == 0, "and root still may"


def test_without_rights(star, program_for_nobody, daemons):
    """`run` as an ordinary user: a clear word, and exit 1."""
    daemon = daemons(star)
    daemon.configure(syslog(star.receiver1.v4))
    with star.appliance.entered():
        done = _as_nobody(program_for_nobody, "run", "-c", daemon.config_path, "--socket",
                          "/tmp/none.sock", "--no-rules")
    assert done.returncode == 1 and "CAP_NET_ADMIN" in done.stderr, done
