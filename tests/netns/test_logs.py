# SPDX-License-Identifier: MIT
"""What the daemon says on stderr: one line per event, for people or for machines, and never so
much that it fills a disk. The network is Star, drawn in lib/topology.py."""

import json
import os
import re
import shutil
import signal
import subprocess
from datetime import datetime, timezone

import pytest

from lib.configs import rule, settings, syslog
from lib.daemon import PROGRAM, RULES_SCRIPT, environment
from lib.waiting import wait_for

pytestmark = pytest.mark.once
HOSTILE = 'x"}\\", "level": "error \u2028\u202e € <b>'
BURST = 50


def _lines(daemon):
    """Every line of the log, each an object: json.loads takes no bytes that are not UTF-8."""
    return [json.loads(line.decode("utf-8", "strict"))
            for line in (daemon.directory / "stderr").read_bytes().splitlines()]


def _script(daemon, text):
    path = daemon.directory / "rules"
    path.write_bytes(b"#!/bin/sh\n" + text + f'\nexec {RULES_SCRIPT} "$@"\n'.encode())
    path.chmod(0o755)
    return path


def _count(lines, words):
    """How often what these words name has happened, held back or not."""
    return sum(1 + line.get("held_back", 0) for line in lines if words in line["message"])


@pytest.mark.long
def test_a_storm_in_json(star, daemons):
    """Names, a path and a script with all that breaks logs, and a thousand refused reloads."""
    daemon = daemons(star)
    path = daemon.directory / "a\n\"b.config"
    script = _script(daemon, b"printf '\\377 \\033[31m \"{\\n\\nnext' >&2\necho")
    shutil.copy(daemon.configure({HOSTILE: rule("514", star.receiver1.v4)}), path)
    daemon.start(None, "--log-format", "json", "--rules-script", script, "-c", path)
    found = _lines(daemon)
    assert [line["message"] for line in found][:2] == ["\ufffd  [31m \"{", "next"]
    now = datetime.now(timezone.utc)
    for line in found:
        assert set(line) == {"time", "level", "pid", "message"}
        assert line["pid"] == int(daemon.process.pid)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        said_at = datetime.fromisoformat(line["time"][:-1] + "+00:00")
        assert abs((said_at - now).total_seconds()) < 60

    with open(path, "w", encoding="utf-8") as file:
        json.dump({HOSTILE: rule("0", star.receiver1.v4), "B": rule("1", "x y")}, file, indent=1)
    for _ in range(1000):
        assert daemon.ask("reload")[0] == "invalid", daemon.stderr()
    refused = "reload: refused"
    assert sum(refused in line["message"] for line in _lines(daemon)) == BURST
    wait_for("those held back to be told of",
             lambda: _count(_lines(daemon), refused) == 1000, 30, daemon.stderr)
    daemon.signal(signal.SIGHUP)
    wait_for("the report", lambda: "stay in force" in daemon.stderr(), there=daemon.stderr)
    daemon.stop()

    found = _lines(daemon)
    assert len(found) < 2 * BURST
    errors = [line["message"] for line in found if line["level"] == "error"]
    for words in ("SOURCEPORT", '"x y"', "stay in force"):
        assert sum(words in error for error in errors) == 1, errors
    assert found[-1]["message"] == "trafficduplicator-rules: rules are down"


def test_what_keeps_it_from_starting_is_never_held_back(star, daemons):
    daemon = daemons(star)
    config = {f"R{n}": rule("514", f"10.2.1.2/{70000 + n}") for n in range(2 * BURST)}
    daemon.spawn("--log-format", "json", config=json.dumps(config))
    assert daemon.wait_exit() == 3
    messages = [line["message"] for line in _lines(daemon)]
    for n in range(2 * BURST):
        assert any(f"/{70000 + n}" in message for message in messages), messages


def test_a_script_that_fails(star, daemons):
    """What it said is told with what came of it, as errors."""
    daemon = daemons(star)
    script = _script(daemon, b"echo one\necho two >&2\nexit 5")
    daemon.spawn("--rules-script", script, config=syslog(star.receiver1.v4))
    assert daemon.wait_exit() == 1
    error = "trafficduplicator: error: "
    said = f"{error}one\n{error}two\n{error}rules script {script} up failed\n"
    # It could not take anything away either, having failed at everything.
    assert daemon.stderr() == said + \
        f"{error}nor could what was loaded of the rules be taken away: run '{script} down'\n"


def test_a_start_that_the_rules_refuse(star, daemons):
    """The first cause is the last word: of what is tidied up nothing is said."""
    daemon = daemons(star)
    script = _script(daemon, b'[ "$1" != up ] || exit 5')
    daemon.spawn("--rules-script", script, config=syslog(star.receiver1.v4))
    assert daemon.wait_exit() == 1
    assert daemon.stderr() == f"trafficduplicator: error: rules script {script} up failed\n"


def test_a_script_that_says_too_much(star, daemons):
    daemon = daemons(star)
    script = _script(daemon, b"yes no | head -c 3000000")
    daemon.start(syslog(star.receiver1.v4), "--rules-script", script)
    assert 1000 < len(daemon.stderr()) < 1 << 19


def test_the_level_follows_a_reload(star, daemons):
    """Up, down, and back up; a refused reload changes nothing."""
    config = syslog(star.receiver1.v4)

    def put(level):
        before = len(daemon.stderr())
        daemon.configure(settings(config, LOGLEVEL=level))
        assert daemon.reload().returncode == (0 if level != "shout" else 3)
        return daemon.stderr()[before:]

    daemon = daemons(star).start(settings(config, LOGLEVEL="error"))
    assert daemon.stderr() == ""
    put("debug")
    star.appliance.ip("addr add 10.3.1.10/24 dev server")
    wait_for("debug lines", lambda: "debug: addresses or routes" in daemon.stderr(),
             there=daemon.stderr)
    put("warning")
    before = len(daemon.stderr())
    assert put("shout").count("warning: reload: refused") == 1
    star.appliance.ip("addr add 10.3.1.11/24 dev server")
    daemon.signal(signal.SIGHUP)
    wait_for("the report", lambda: "stay in force" in daemon.stderr()[before:], there=daemon.stderr)
    lines = daemon.stderr()[before:].splitlines()
    assert all(re.match("trafficduplicator: (warning|error): ", line) for line in lines), lines
    assert "trafficduplicator: reload: done" in put("info")


def test_what_a_refused_reload_says_is_an_error_to_the_journal(star, daemons, tmp_path):
    """systemd's JOURNAL_STREAM names the file that stderr is."""
    daemon = daemons(star).start(syslog(f"{star.receiver1.v4}/514"))
    daemon.configure('{ "Bad" : { "SOURCEPORT" : "0" } }')
    said = tmp_path / "stderr"
    with open(said, "wb") as stderr:
        status = os.fstat(stderr.fileno())
        stream = dict(environment(), JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}")
        done = subprocess.run([PROGRAM, "reload", "--socket", daemon.socket], env=stream,
                              stderr=stderr, check=False)
    assert done.returncode == 3
    lines = said.read_text().splitlines()
    assert lines and all(line.startswith("<3>") for line in lines), lines
