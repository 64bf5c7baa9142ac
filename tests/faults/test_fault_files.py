# SPDX-License-Identifier: MIT
"""Files that the daemon lives with: half written, removed, on a disk that is full. Packets flow all
the while, from client1 to the server, with copies to two receivers; see lib/passage.py.
"""

import json
import os
import shutil
import signal
import subprocess

import pytest

from lib import machine, status
from lib.configs import rule, settings, syslog
from lib.passage import Passage
from lib.waiting import wait_for

pytestmark = pytest.mark.once


def _both(star, **keys):
    return syslog(star.receiver1.v4, star.receiver2.v4, **keys)


def _rules(daemon):
    return [r["name"] for r in daemon.status()["rules"]]


@pytest.mark.parametrize("how", ["in place", "by another name"])
def test_a_config_that_is_half_written(star, daemons, how):
    """What is there of it is refused, however it is reloaded, and the rest puts it in force."""
    config = settings(_both(star), AUTORELOAD=True)
    daemon = daemons(star).start(config)
    passage = Passage(star, daemon)
    text = json.dumps({**config, "More": rule("515", star.receiver1.v4)})
    path = daemon.config_path if how == "in place" else daemon.directory / "other"
    with open(path, "w", encoding="ascii") as file:
        file.write(text[:len(text) // 2])
        file.flush()
        if how == "in place":
            daemon.signal(signal.SIGHUP)
            wait_for("the half to be refused", lambda: "not reloaded" in daemon.stderr(),
                     there=daemon.stderr)
    if how != "in place":
        path.rename(daemon.config_path)
        wait_for("the half to be refused", lambda: "not reloaded" in daemon.stderr(),
                 there=daemon.stderr)
        path = daemon.config_path
    passage.goes_on()
    assert _rules(daemon) == ["DuplicateSyslog"]
    with open(path, "a", encoding="ascii") as file:
        file.write(text[len(text) // 2:])
    wait_for("the whole to be in force", lambda: _rules(daemon) == ["DuplicateSyslog", "More"],
             there=daemon.stderr)
    passage.finish()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_the_control_socket_is_removed(star, daemons, what):
    """By a cleaner of /run, say: it is made anew, and who was being answered is."""
    daemon = daemons(star)
    daemon.socket = daemon.directory / "run/control.sock"
    daemon.start(_both(star))
    passage = Passage(star, daemon)
    if what == "file":
        daemon.socket.unlink()
    else:
        shutil.rmtree(daemon.socket.parent)
    wait_for("a word", lambda: "somebody had removed the control socket" in daemon.stderr(),
             there=daemon.stderr)
    assert daemon.socket.stat().st_mode & 0o777 == 0o600
    passage.finish()


def test_something_else_in_the_place_of_the_control_socket(star, daemons):
    """It is left alone, said once, and still there when the daemon has ended."""
    daemon = daemons(star).start(_both(star))
    passage = Passage(star, daemon)
    aside = daemon.socket.with_name("aside")
    daemon.socket.rename(aside)
    daemon.socket.write_text("mine")
    wait_for("a word", lambda: "cannot be made anew" in daemon.stderr(), there=daemon.stderr)
    passage.passes(3000)
    assert daemon.stderr().count("cannot be made anew") == 1
    daemon.socket.unlink()
    aside.rename(daemon.socket)
    passage.finish()
    daemon.socket.unlink()
    daemon.socket.write_text("mine")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == 0
    assert daemon.socket.read_text() == "mine"


def test_a_full_disk_for_what_it_says(star, daemons):
    """Nobody can read `ready` or the log: no reason not to work."""
    daemon = daemons(star)
    with open("/dev/full", "w", encoding="ascii") as full:
        daemon.spawn(config=_both(star), stdout=full, stderr=full)

    def answers():
        return daemon.socket.exists() and daemon.ask("status")[0] == "ok"
    wait_for("the daemon to answer", answers)
    passage = Passage(star, daemon)
    daemon.configure({**_both(star), "More": rule("515", star.receiver1.v4)})
    daemon.signal(signal.SIGHUP)
    wait_for("the reload", lambda: _rules(daemon) == ["DuplicateSyslog", "More"])
    passage.finish()


def test_a_full_disk_for_the_control_socket(star, daemons):
    """The folder cannot take one more file: an error that says so, and nothing is left behind."""
    before = machine.rulesets(star.appliance)
    daemon = daemons(star)
    folder = daemon.directory / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=1", "none", folder], check=True)
    try:
        daemon.socket = folder / "control.sock"
        daemon.spawn(config=_both(star))
        assert daemon.wait_exit() == 1
        assert "No space left on device" in daemon.stderr()
        assert str(daemon.socket) in daemon.stderr()
    finally:
        subprocess.run(["umount", folder], check=True)
    assert machine.rulesets(star.appliance) == before


def test_a_storm_of_signals(star, daemons):
    """A thousand SIGHUPs, with the file changing between them: the last text is in force, and no
    packet is lost."""
    daemon = daemons(star).start(_both(star))
    passage = Passage(star, daemon)
    for n in range(1000):
        if n % 100 == 0:
            daemon.configure({**_both(star), f"More{n}": rule("515", star.receiver1.v4)})
        os.kill(daemon.process.pid, signal.SIGHUP)
    wait_for("the last one", lambda: _rules(daemon)[1:] == ["More900"], there=daemon.stderr)
    passage.goes_on()
    found = passage.finish()
    assert status.rule(found, "DuplicateSyslog")["duplicated_pkts"] == passage.stream.count
