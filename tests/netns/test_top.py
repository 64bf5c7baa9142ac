# SPDX-License-Identifier: MIT
"""`trafficduplicator top` in a real terminal: tmux, whose screen is read and whose keys are typed.

The daemon runs on the appliance of Star, drawn in lib/topology.py.
"""

import os
import pathlib
import re
import signal
import subprocess
import time
import unicodedata

import pytest

from lib import packets
from lib.configs import rule, syslog
from lib.daemon import PROGRAM, command, environment
from lib.stream import Stream
from lib.waiting import scaled, wait_for

pytestmark = [pytest.mark.once, pytest.mark.long]
RED = re.compile(r"\x1b\[[0-9;]*31[;m]")
COLOUR = re.compile(r"\x1b\[(?:[0-9]*;)*[34][0-7][;m]")
PROMPT = "ended:"


class Terminal:
    """A shell in a tmux of its own. $TOP is the program, ready to be called."""

    def __init__(self, folder, daemon, columns=80, rows=24, **variables):
        self._socket = folder / "tmux"
        fixed = environment() | {
            "TOP": f"{PROGRAM} top --socket {daemon.socket}"} | variables
        start = folder / "start"
        start.write_text(f"PS1='{PROMPT}$?> '; unset HISTFILE\n")
        for name in ("NO_COLOR", "TMUX"):
            if name not in variables:
                fixed.pop(name, None)
        self._tmux("-f", "/dev/null", "-u", "new-session", "-d", "-x", columns, "-y", rows,
                   f"exec bash --rcfile {start}", env=fixed)
        self._state = None

    def start(self):
        """Waits for the shell."""
        self.wait_prompt(0)
        self._state = self._line_settings()
        return self

    def _tmux(self, *arguments, env=None):
        done = subprocess.run(["tmux", "-S", self._socket, *map(str, arguments)], timeout=60,
                              capture_output=True, text=True, check=False, env=env)
        assert done.returncode == 0, f"tmux {arguments}: {done.stderr}"
        return done.stdout

    def _shown(self, what):
        return self._tmux("display-message", "-p", what).strip()

    def first_process(self):
        """The shell, or what it was replaced with."""
        return int(self._shown("#{pane_pid}"))

    def _line_settings(self):
        terminal = self._shown("#{pane_tty}")
        return subprocess.run(["stty", "-F", terminal, "-g"], capture_output=True, text=True,
                              check=True, timeout=60).stdout

    def keys(self, *keys):
        """Types them: names as tmux has them, other words as they are."""
        self._tmux("send-keys", *keys)

    def call(self, line="$TOP"):
        """Types a command and Enter."""
        self.keys(line, "Enter")

    def resize(self, columns, rows):
        """Makes the window so large."""
        self._tmux("resize-window", "-x", columns, "-y", rows)

    def lines(self, *options):
        """What stands on the screen, blanks at the ends of lines apart."""
        return [line.rstrip() for line in self._tmux("capture-pane", "-p", *options).split("\n")]

    def coloured(self):
        """The same as one text, with the sequences that make its colours."""
        return "\n".join(self.lines("-e"))

    def wait(self, what, condition, timeout_s=15):
        """Waits until condition(lines) is true; returns what it says."""
        return wait_for(what, lambda: condition(self.lines()), timeout_s,
                        lambda: "\n" + "\n".join(self.lines()))

    def wait_for_line(self, pattern, timeout_s=15):
        """Waits for a line that the pattern matches; returns the match."""
        return self.wait(f"a line with {pattern}", lambda lines: next(
            filter(None, (re.search(pattern, line) for line in lines)), None), timeout_s)

    def wait_prompt(self, code, timeout_s=15):
        """Waits until the shell asks for the next command, the last one having ended so."""
        self.wait(f"the prompt {PROMPT}{code}>", lambda lines: [
            line for line in lines if line][-1:] == [f"{PROMPT}{code}>"], timeout_s)

    def wait_restored(self, code=0, timeout_s=15):
        """Waits for the prompt, on a terminal that is as it was."""
        self.wait_prompt(code, timeout_s)
        assert self._shown("#{alternate_on} #{cursor_flag} #{keypad_flag}") == "0 1 0"
        wait_for("line settings as before", lambda: self._line_settings() == self._state)

    def signal(self, number):
        """Sends the running command a signal."""
        shell = self.first_process()
        children = pathlib.Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        assert len(children) == 1, children
        os.kill(int(children[0]), number)

    def hang_up(self):
        """Takes the terminal away from what runs in it."""
        self._tmux("set-option", "-s", "exit-empty", "off", ";", "kill-pane")

    def close(self):
        """Ends tmux and all in it."""
        self._tmux("kill-server")


@pytest.fixture
def terminals(tmp_path):
    """Makes terminals."""
    made = []

    def make(daemon, **keywords):
        folder = tmp_path / f"terminal{len(made)}"
        folder.mkdir()
        made.append(Terminal(folder, daemon, **keywords))
        return made[-1].start()
    yield make
    for terminal in made:
        terminal.close()


def number(text):
    """A number with commas."""
    return int(text.replace(",", ""))


def rates(lines):
    """All rates per second of packets on the page."""
    return [number(found) for line in lines
            for found in re.findall(r"([0-9,]+)/s\b|(?:unchecked|up|down) +([0-9,]+) ", line)
            for found in found if found]


def width(text):
    """How many columns a terminal needs for it."""
    return sum(1 + (unicodedata.east_asian_width(character) in "WF")
               for character in text if not unicodedata.combining(character))


def many_rules(count, *destinations):
    """Rules named Rule001 and so on, on ports of their own."""
    return {f"Rule{n:03}": rule(str(1000 + n), *destinations) for n in range(1, count + 1)}


def test_rates_and_totals(star, daemons, terminals):
    to = star.receiver1.v4, f"{star.receiver2.v4}/1514"
    daemon = daemons(star).start(syslog(*to))
    terminal = terminals(daemon)
    terminal.call()
    stream = Stream(star.client1, star.client1.gateway_v4, rate_pps=500)
    for line in (r"received +[0-9,]+ +[1-9][0-9,]*/s", r"matched +[0-9,]+ +[1-9][0-9,]*/s",
                 r"originals dropped +[0-9,]+ +[1-9][0-9,]*/s",
                 r"^DuplicateSyslog +[1-9][0-9,]* +[0-9.]+ k?bit/s +[1-9][0-9,]* +[1-9][0-9,]*$",
                 rf"^  {to[0]} +unchecked +[1-9][0-9,]* +[0-9.]+ k?bit/s +[1-9]",
                 rf"^  {to[1]} +unchecked +[1-9][0-9,]* +[0-9.]+ k?bit/s +[1-9]"):
        terminal.wait_for_line(line)
    assert max(rates(terminal.lines())) <= 600, "500 packets a second are sent at most"
    sent = stream.stop()
    daemon.wait_received(sent)
    for line in (rf"received +{sent:,} +0/s", rf"matched +{sent:,} +0/s",
                 rf"originals dropped +{sent:,} +0/s", "originals forwarded +0 +0/s",
                 "waiting +0 ", "kernel drops +0 +0/s",
                 rf"^DuplicateSyslog +0 +0 bit/s +{sent:,} +{sent:,}$",
                 rf"^  {to[0]} +unchecked +0 +0 bit/s +{sent:,} +{sent:,}$"):
        terminal.wait_for_line(line)
    terminal.keys("q")
    terminal.wait_restored()


def test_drops_stand_out(star, daemons, terminals):
    """By reason, only what is not zero, in red."""
    daemon = daemons(star).start(syslog(star.receiver1.v4, "192.0.2.7/514"))
    star.appliance.ip("route add unreachable 192.0.2.0/24")
    terminal, plain = terminals(daemon), terminals(daemon, NO_COLOR="1")
    for one in (terminal, plain):
        one.call()
        one.wait_for_line("^  192.0.2.7/514 +unchecked +0 ")
        assert "unreachable" not in "\n".join(one.lines())
    stream = Stream(star.client1, star.client1.gateway_v4, rate_pps=200)
    terminal.wait_for_line(r"^    unreachable [0-9,]+ \([1-9][0-9]*/s\)$")
    sent = stream.stop()
    daemon.wait_received(sent)
    for one in (terminal, plain):
        one.wait_for_line(rf"^    unreachable {sent:,}$")
        assert "no_route" not in "\n".join(one.lines())
    red = [line for line in terminal.coloured().split("\n") if RED.search(line)]
    assert len(red) == 1 and f"unreachable {sent:,}" in red[0], red
    assert not COLOUR.search(plain.coloured()), plain.coloured()
    for one in (terminal, plain):
        one.keys("q")
        one.wait_restored()


def test_scrolls_and_resizes(star, daemons, terminals):
    """100 rules with one destination each: 200 lines."""
    daemon = daemons(star).start(many_rules(100, star.receiver1.v4))
    terminal = terminals(daemon)
    terminal.call()
    shown = number(terminal.wait_for_line(r"lines 1-(\d+) of 200")[1])
    assert shown >= 10
    for keys, first in ((["Down"], 2), (["Down", "Down"], 4), (["Up"], 3),
                        (["NPage"], 3 + shown), (["PPage"], 3), (["PPage"], 1), (["Up"], 1),
                        (["End"], 201 - shown), (["NPage"], 201 - shown), (["Home"], 1)):
        terminal.keys(*keys)
        terminal.wait_for_line(rf"lines {first}-{first + shown - 1} of 200")
        named = f"Rule{(first + 1) // 2:03}" if first % 2 else f"  {star.receiver1.v4}"
        assert any(line.startswith(named) for line in terminal.lines())
    terminal.keys("End")
    terminal.resize(110, 240)
    terminal.wait("the whole page", lambda lines: all(
        any(line.startswith(name) for line in lines) for name in ("Rule001", "Rule100")))
    assert "lines" not in terminal.lines()[239] and "quits" in terminal.lines()[239]
    terminal.resize(110, 30)
    terminal.wait_for_line(r"lines 1-\d+ of 200")
    for columns, rows in ((20, 8), (7, 3), (1, 1), (300, 50)):
        terminal.resize(columns, rows)
        terminal.wait("that size, filled", lambda lines, n=rows: len(lines) == n + 1 and lines[0])
    terminal.wait_for_line(r"lines 1-\d+ of 200")
    terminal.keys("q")
    terminal.wait_restored()


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_names_are_cut_by_the_columns_they_take(star, daemons, terminals, columns):
    """Wide, combining and ordinary characters: every number stands under its heading."""
    to = f"{star.receiver1.v4}/514"
    names = ["漢字" * 10, "e\u0301" * 21, "Ünïcödé", "x" * 64, "x" + "漢" * 21]
    daemon = daemons(star).start(
        {name: rule(str(600 + n), to) for n, name in enumerate(names)})
    terminal = terminals(daemon, columns=columns)
    terminal.call()
    lines = terminal.wait("the rules", lambda found: found if any("Ün" in l for l in found) else 0)
    at = next(n for n, line in enumerate(lines) if line.startswith("RULE"))
    end = width(lines[at])
    rows = lines[at:at + 2 + 2 * len(names)]
    assert [width(line) for line in rows] == [end] * len(rows), "\n".join(rows)
    assert end <= columns
    for name, line in zip(names, rows[2::2]):
        shown, plus, _ = line.partition("+")
        assert name.startswith(shown) if plus else line.startswith(name), line
    assert rows[2 + 2 * names.index("Ünïcödé")].startswith("Ünïcödé ")
    terminal.keys("q")
    terminal.wait_restored()


def test_the_daemon_goes_and_comes_back(star, daemons, terminals):
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    packet = packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, b"x")
    star.client1.inject(*[packet] * 5000)
    daemon.wait_received(5000)
    terminal = terminals(daemon)
    terminal.call()
    terminal.wait_for_line("received +5,000 +0/s")
    daemon.stop()
    terminal.wait_for_line(r"^no answer since \d\d:\d\d:\d\d: no daemon answers on ")
    terminal.wait_for_line("received +5,000 +-/s")
    daemon.start()
    star.client1.inject(*[packet] * 7)
    daemon.wait_received(7)
    seen = []

    def is_back(lines):
        seen.extend(rates(lines))
        page = "\n".join(lines)
        return "no answer" not in page and re.search("received +7 +0/s", page)
    terminal.wait("the new daemon's counters", is_back)
    assert max(seen) <= 7, seen
    terminal.keys("q")
    terminal.wait_restored()


def test_a_new_daemon_with_higher_counters(star, daemons, terminals):
    """What the new one received is not a growth of the old one's numbers."""
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    packet = packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, b"x")
    star.client1.inject(*[packet] * 7)
    daemon.wait_received(7)
    terminal = terminals(daemon)
    terminal.call()
    terminal.wait_for_line(r"up 0 d 00:00:(0[3-9]|[1-9]\d)\b")  # uptimes tell the daemons apart
    terminal.keys("C-z")
    terminal.wait_restored(128 + signal.SIGTSTP)
    daemon.stop()
    daemon.start()
    star.client1.inject(*[packet] * 5000)
    daemon.wait_received(5000)
    terminal.call("fg")
    seen = []
    terminal.wait("the new daemon's counters", lambda lines: seen.extend(rates(lines)) or re.search(
        "received +5,000 +0/s", "\n".join(lines)))
    assert max(seen) <= 7, seen
    terminal.keys("q")
    terminal.wait_restored()


def test_a_daemon_that_hangs_does_not_hang_the_keys(star, daemons, terminals):
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    terminal = terminals(daemon)
    terminal.call()
    terminal.wait_for_line("received +0 +0/s")
    daemon.freeze()
    terminal.wait_for_line("^no answer since")
    before = time.monotonic()
    terminal.keys("q")
    terminal.wait_restored()
    assert time.monotonic() - before < scaled(3), "an answer is awaited for five seconds"
    daemon.thaw()


@pytest.mark.parametrize("end", ["C-c", "C-\\", signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_given_back(star, daemons, terminals, end):
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    terminal = terminals(daemon)
    terminal.call()
    terminal.wait_for_line("received +0 +0/s")
    if isinstance(end, str):
        terminal.keys(end)
    else:
        terminal.signal(end)
    terminal.wait_restored()


def test_stopped_and_continued(star, daemons, terminals):
    """Ctrl-Z and fg, with another size in between."""
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    terminal = terminals(daemon)
    terminal.call()
    terminal.wait_for_line("received +0 +0/s")
    terminal.keys("C-z")
    terminal.wait_restored(128 + signal.SIGTSTP)
    terminal.resize(100, 40)
    terminal.call("fg")
    terminal.wait("the footer in the last row", lambda lines: "q quits" in lines[39])
    terminal.keys("q")
    terminal.wait_restored()


def test_the_terminal_goes_away(star, daemons, terminals):
    """As when a connection breaks: top must not stay behind."""
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    terminal = terminals(daemon)
    terminal.call("exec $TOP")
    terminal.wait_for_line("received +0 +0/s")
    top = terminal.first_process()
    terminal.hang_up()
    wait_for("the end of top", lambda: not pathlib.Path(f"/proc/{top}").exists())


@pytest.mark.parametrize("variables, words", [
    ("TERM=nonsense", ["nonsense", "TERM"]), ("TERM=", ["unknown", "TERM"]),
    ("TERM=dumb", ["dumb", "TERM"])])
def test_terminals_that_do_not_fit(star, daemons, terminals, variables, words):
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    terminal = terminals(daemon, columns=200)
    terminal.call(f"{variables} $TOP")
    terminal.wait_restored(1)
    said = [line for line in terminal.lines() if line.startswith("trafficduplicator: ")]
    assert len(said) == 1 and all(word in said[0] for word in words), terminal.lines()


def test_without_a_terminal(star, daemons):
    daemon = daemons(star).start(syslog(star.receiver1.v4))
    done = command("top", "--socket", daemon.socket)
    assert done.returncode == 1 and not done.stdout
    assert "terminal" in done.stderr and "status" in done.stderr


def test_without_a_daemon(tmp_path):
    done = command("top", "--socket", tmp_path / "none.sock")
    assert done.returncode == 1 and not done.stdout and str(tmp_path / "none.sock") in done.stderr
