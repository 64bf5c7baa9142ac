# SPDX-License-Identifier: MIT
"""The scripts of packaging/ha by themselves, on one appliance."""

import time

import pytest

from lib.appliances import PACKAGING, Machine
from lib.configs import settings, syslog
from lib.daemon import REPOSITORY
from lib.namespaces import run
from lib.stream import Stream
from lib.waiting import scaled, wait_for

pytestmark = pytest.mark.once


@pytest.fixture(name="machine")
def _machine(star, daemons):
    """A machine with a daemon that answers at 127.0.0.1:9600."""
    machine = Machine("appliance", star.appliance, TRAFFICDUPLICATOR_HTTP="127.0.0.1:9600")
    machine.daemon = daemons(star).start(
        settings(syslog(star.receiver1.v4), HTTP="127.0.0.1:9600"))
    yield machine
    machine.discard()


def _is_healthy(machine):
    done = machine.script("trafficduplicator-healthy")
    assert not done.stdout and not done.stderr
    return done.returncode == 0


def test_who_is_healthy(machine):
    """A daemon that runs, and is not drained; one that hangs is given up within seconds."""
    assert _is_healthy(machine)
    machine.daemon.freeze()
    begun = time.monotonic()
    assert not _is_healthy(machine)
    assert time.monotonic() - begun < scaled(6)
    machine.daemon.thaw()
    wait_for("the daemon to answer again", lambda: _is_healthy(machine))
    machine.daemon.stop()
    assert not _is_healthy(machine)


@pytest.mark.parametrize("at", ["127.0.0.1:9600", "[::1]:9600"])
def test_the_containers_check_at_either_family(star, daemons, at):
    daemon = daemons(star).start(settings(syslog(star.receiver1.v4), HTTP=at))
    script = REPOSITORY / "packaging/container/healthy"
    ask = star.appliance.command("env", f"TRAFFICDUPLICATOR_HTTP={at}", script)
    done = run(*ask, check=False)
    assert done.returncode == 0, done.stderr
    daemon.stop()
    assert run(*ask, check=False).returncode == 1


def test_drain_and_back(machine):
    done = machine.drain("start", "1")
    assert done.returncode == 0 and done.stdout, done.stderr
    assert not _is_healthy(machine)
    assert machine.drain("end").returncode == 0
    assert _is_healthy(machine)


def test_drain_fails_while_packets_arrive(star, machine):
    stream = Stream(star.client1, star.server.v4, rate_pps=100)
    done = machine.drain("start", "2", "3")
    stream.stop()
    assert done.returncode == 1 and "packets still arrive after 3 s" in done.stderr


def test_drain_fails_without_a_daemon(machine):
    machine.daemon.stop()
    done = machine.drain("start")
    assert done.returncode == 1 and "does not answer" in done.stderr
    assert not (machine.directory / "drained").exists(), "nothing is changed"


def test_drain_says_that_curl_is_missing(machine, tmp_path):
    (tmp_path / "sh").symlink_to("/bin/sh")
    done = run(PACKAGING / "trafficduplicator-drain", "start", check=False,
               env={**machine.environment, "PATH": str(tmp_path)})
    assert done.returncode == 1 and "apt-get install curl" in done.stderr
    assert not (machine.directory / "drained").exists(), "nothing is changed"


@pytest.mark.parametrize("script, arguments", [
    ("drain", ()), ("drain", ("begin",)), ("drain", ("start", "x")), ("announce", ("now",))])
def test_wrong_usage(script, arguments):
    done = run(PACKAGING / f"trafficduplicator-{script}", *arguments, check=False)
    assert done.returncode == 2 and "usage:" in done.stderr and not done.stdout
