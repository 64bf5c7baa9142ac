# SPDX-License-Identifier: MIT
"""The daemon's own process is short of something: descriptors, memory, time. Packets flow all the
while, from client1 to the server, with copies to two receivers; see lib/passage.py.
"""

import os
import pathlib
import resource
import signal
import socket
import time

import pytest

from lib import fastpath, limits, machine, status, web
from lib.configs import rule, syslog
from lib.daemon import RELEASE, RULES_SCRIPT, command
from lib.dns import DnsServer, files_in_etc
from lib.passage import Passage
from lib.waiting import scaled, wait_for

MEMORY_BYTES = 1 << 20


def _both(star):
    return syslog(star.receiver1.v4, star.receiver2.v4)


def _large(star, count=3000):
    """Our rule, and many more."""
    return {**_both(star), **{
        f"R{n}": rule(str(20000 + n), f"10.64.0.{1 + n % 250}/{1 + n}") for n in range(count)}}


@pytest.fixture
def memory_group():
    group = limits.MemoryGroup(f"td{os.getpid()}")
    yield group
    group.close()


@pytest.mark.once
def test_killed_for_want_of_memory(star, daemons, memory_group):
    """By the kernel, while it loads rules that do not fit: as after any SIGKILL, originals go on,
    and the next start takes over what was left behind."""
    daemon = daemons(star).start(_both(star))
    passage = Passage(star, daemon)
    memory_group.add(daemon.process.pid)
    memory_group.limit(MEMORY_BYTES)
    daemon.configure(_large(star, 20000))
    daemon.signal(signal.SIGHUP)
    assert daemon.process.wait(30) == -signal.SIGKILL
    daemon.kill()
    passage.goes_on("server")
    daemon.start(_both(star))
    passage.goes_on()
    total = passage.stream.stop()
    daemon.wait_status("all", lambda s: s["queue"]["waiting_pkts"] == 0)
    arrived = passage.pull("server")
    assert len(arrived) == len(set(arrived)) and max(arrived) == total - 1


@pytest.mark.long
@pytest.mark.once
def test_out_of_descriptors(star, daemons):
    """Whatever needs a new one fails and says so, but no packet; and all of it works again once
    there are some, without a word to the daemon."""
    with files_in_etc(star.appliance, resolv_conf=f"nameserver {star.server.v4}\n", hosts=""), \
            star.receiver1.namespace.entered(), socket.socket() as listener:
        listener.bind((star.receiver1.v4, 601))
        listener.listen(64)
        dns = star.keep(DnsServer(star.server)).start()
        dns.set(collector__test="10.64.0.1")
        config = {**syslog({"ADDRESS": star.receiver1.v4, "CHECK": "tcp/601"}, star.receiver2.v4),
                  "Named": rule("515", "collector.test/515")}
        _run_out_of_descriptors(star, daemons(star), config)


def _run_out_of_descriptors(star, daemon, config):
    daemon.start(config, "-v")
    pid = daemon.process.pid
    passage = Passage(star, daemon)
    daemon.wait_status("the name's address", lambda s: status.rule(s, "Named")["destinations"][0]
                       ["address"] == "10.64.0.1")
    daemon.configure({**config, "More": rule("516", star.receiver1.v4)})
    with limits.no_more_descriptors(pid), star.appliance.entered(), socket.socket() as client:
        begun, used_s = time.monotonic(), limits.cpu_s(pid)
        daemon.signal(signal.SIGHUP)
        client.connect(("127.0.0.1", web.PORT))
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        wait_for("three checks that cannot be", lambda: daemon.stderr().count("not checked: ") > 2,
                 there=daemon.stderr)
        wait_for("a name that cannot be", lambda: "collector.test cannot be" in daemon.stderr(),
                 there=daemon.stderr)
        assert "not reloaded: the running rules stay in force" in daemon.stderr()
        assert limits.cpu_s(pid) - used_s < 0.7 * (time.monotonic() - begun), "it spins"
        passage.goes_on()
    assert web.ask(star.appliance, "/healthz").status == 200
    assert daemon.reload().returncode == 0
    found = passage.finish()
    to = status.destination(found, "DuplicateSyslog", star.receiver1.v4)
    assert (to["state"], to["dropped"]["down"]) == ("up", 0)
    assert status.rule(found, "Named")["destinations"][0]["address"] == "10.64.0.1"


@pytest.mark.once
def test_idle_web_clients_and_few_descriptors(star, daemons):
    """Who asks is served: `ulimit -n 64`, and a hundred who have connected and say nothing."""
    daemon = daemons(star).spawn(config=_both(star), preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (64, 64)))
    assert daemon.process.stdout.readline().endswith("ready\n")
    passage = Passage(star, daemon)
    idle = []
    with star.appliance.entered():
        for _ in range(100):
            idle.append(socket.create_connection(("127.0.0.1", web.PORT)))
    begun = time.monotonic()
    assert web.ask(star.appliance, "/healthz").status == 200
    took_s = time.monotonic() - begun
    assert daemon.reload().returncode == 0, "others need descriptors, too"
    for client in idle:
        client.close()
    passage.finish()
    assert took_s < scaled(3), f"answered after {took_s:.1f} s"


@pytest.mark.once
def test_no_memory_at_the_start(star, daemons):
    """Whatever is the first that it lacks: it says so, ends with 1 and leaves nothing behind."""
    before = machine.rulesets(star.appliance)
    daemon = daemons(star, program=RELEASE).start(_large(star))
    peak = limits.address_space(daemon.process.pid, peak=True)
    daemon.stop()
    assert machine.rulesets(star.appliance) == before
    for share in (40, 60, 80, 90, 95, 97, 99):
        short = daemons(star, program=RELEASE)
        limit = peak * share // 100
        short.spawn(config=_large(star), preexec_fn=lambda n=limit: resource.setrlimit(
            resource.RLIMIT_AS, (n, n)))
        code = short.wait_exit()
        said = short.stderr()
        assert code == 1 and said.strip(), f"{share} % of {peak}: ended with {code}: {said}"
        assert machine.rulesets(star.appliance) == before, said
        assert not short.socket.exists()


@pytest.mark.once
def test_no_memory_while_it_runs(star, daemons):
    """A reload that does not fit is refused, and others are answered as far as it goes; then all
    is as before."""
    daemon = daemons(star, program=RELEASE).start(_both(star))
    pid = daemon.process.pid
    passage = Passage(star, daemon)
    daemon.configure(_large(star))
    for spare in (0, 1, 2, 4, 6, 8, 12):
        with limits.no_more_memory(pid, spare * MEMORY_BYTES // 2):
            done = daemon.reload()
            assert done.returncode in (0, 1), done
            if done.returncode == 1:
                assert "memory" in done.stderr.lower(), done.stderr
            web.ask(star.appliance, "/metrics")
            passage.goes_on()
    done = daemon.reload()
    assert done.returncode == 0, done.stderr
    passage.finish()


@pytest.mark.long
@pytest.mark.once
def test_a_worker_that_hangs(star, daemons):
    """It is found out after five seconds, and all that waited is served when it goes on."""
    daemon = daemons(star).start({**_both(star), "SETTINGS": {"WORKERS": 1}})
    passage = Passage(star, daemon, rate_pps=500)
    tasks = [int(t.name) for t in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir()]
    tasks.remove(daemon.process.pid)
    assert len(tasks) == 1
    with limits.stopped_thread(tasks[0]):
        def said():
            answer = web.ask(star.appliance, "/healthz")
            return answer.status, answer.body
        wait_for("the worker to be missed", lambda: said() == (503, "a worker does not answer\n"),
                 there=said)
    wait_for("the worker to be back", lambda: said() == (200, "ok\n"), there=said)
    passage.goes_on()
    found = passage.finish()
    assert found["queue"]["dropped_kernel_pkts"] == 0
    assert command("status", "--socket", daemon.socket).returncode == 0


@pytest.mark.long
@pytest.mark.way("fastpath", reason="the other ways do not know whether the daemon is busy")
def test_a_rules_script_that_takes_its_time(star, daemons):
    """As with very many rules on a machine that has other things to do: the fast path goes on
    meanwhile, as does the service manager's watchdog."""
    daemon = daemons(star)
    script = daemon.directory / "rules"
    script.write_text(f"""#!/bin/sh
        [ ! -e {daemon.directory}/slow ] || sleep 4.5  # what takes its time
        exec {RULES_SCRIPT} "$@"
        """)
    script.chmod(0o755)
    daemon.start(_both(star), "--rules-script", script)
    passage = Passage(star, daemon, rate_pps=200)
    (daemon.directory / "slow").touch()
    queued = fastpath.queued_pkts(star.appliance)
    daemon.configure({**_both(star), "More": rule("515", star.receiver1.v4)})
    daemon.signal(signal.SIGHUP)
    daemon.wait_status("the new rule", lambda s: len(s["rules"]) == 2)
    assert fastpath.queued_pkts(star.appliance) == queued
    (daemon.directory / "slow").unlink()
    passage.finish()


@pytest.mark.once
def test_killed_while_the_rules_script_runs(star, daemons):
    """The script ends with the daemon: rules that it would have made later are not those of the
    next one."""
    daemon = daemons(star)
    script = daemon.directory / "rules"
    script.write_text(f"""#!/bin/sh
        if [ -e {daemon.directory}/slow ]; then
            echo $$ $PPID >{daemon.directory}/pids.new
            mv {daemon.directory}/pids.new {daemon.directory}/pids
            sleep 1000
        fi
        exec {RULES_SCRIPT} "$@"
        """)
    script.chmod(0o755)
    daemon.start(_both(star), "--rules-script", script)
    passage = Passage(star, daemon)
    (daemon.directory / "slow").touch()
    daemon.signal(signal.SIGHUP)
    wait_for("the script to run", (daemon.directory / "pids").exists)
    pids = (daemon.directory / "pids").read_text().split()
    assert len(pids) == 2 and all(machine.is_running(pid) for pid in pids)
    daemon.kill()
    wait_for("script and helper to end", lambda: not any(map(machine.is_running, pids)), 3)
    passage.goes_on("server")
    (daemon.directory / "slow").unlink()
    daemon.start(_both(star), "--rules-script", script)
    passage.goes_on()
    total = passage.stream.stop()
    daemon.wait_status("all", lambda s: s["queue"]["waiting_pkts"] == 0)
    assert max(passage.pull("server")) == total - 1
