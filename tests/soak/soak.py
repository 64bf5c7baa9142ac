#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the appliance for a long time under everything at once, and accounts for every packet.

usage: soak.py [--time 20m] [--seed N] [--rate PPS] [--faults NAME,NAME...] [--program PATH]

In rounds of a few seconds: traffic begins, a fault or two happen and are mended, traffic pauses,
and the books are closed (account.py). Beside that, all the time, what load.py has. The network is
SoakStar in network.py; everything stays in namespaces of its own.
"""

import argparse
import os
import pathlib
import random
import re
import shutil
import sys
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "netns"))

# pylint: disable=wrong-import-position
import configurations  # noqa: E402
import faults as all_faults  # noqa: E402
import figures  # noqa: E402
from account import Round, counted_by_kernel, kind_of  # noqa: E402
from collectors import Collectors  # noqa: E402
from fault import hold  # noqa: E402
from lib import status as numbers  # noqa: E402
from lib.daemon import RELEASE, Daemon  # noqa: E402
from lib.dns import DnsServer, files_in_etc  # noqa: E402
from lib.namespaces import remove_leftovers  # noqa: E402
from load import Background, Reloads, Samples, Scrapes  # noqa: E402
from network import SoakStar  # noqa: E402
from traffic import PORTS, Sender, make_flows  # noqa: E402

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
# Of the run: faults after which it is another process come before, so that one lives long.
_RESTARTS_UNTIL = 0.25


class Failure(Exception):
    """What went wrong, as text."""


class Soak:
    """One run: what there is, what has happened, what has been counted."""

    def __init__(self, options):
        self.options = options
        self._rng = random.Random(f"{options.seed}-rounds")
        self.era = 0  # odd while the daemon is being ended and started on purpose
        self.files = threading.Lock()
        self._failures, self._failed = [], threading.Event()
        self._begun = time.monotonic()
        self.fixed = configurations.start_settings(self._rng)
        self.tally, self.rounds, self.exact_rounds = {}, 0, 0
        self.totals = dict.fromkeys(("sent", "kernel drops", "copies", "refused"), 0)
        self._first_time = []
        self.doing = "beginning"
        # What it has freed stays in memory for a while.
        self._sanitized = b"__asan_init" in options.program.read_bytes()
        self._build()

    def _build(self):
        self.star = star = SoakStar()
        self.dns = star.keep(DnsServer(star.server)).start()
        self.dns.set(collector__test=star.receiver1.v4)
        self.flows, owners = make_flows(star, self._rng)
        self.collectors = star.keep(Collectors(self.flows, owners))
        self._add_places()
        self.collectors.start()
        self.senders = [star.keep(Sender(host, self.flows, owners, client, self.options.seed))
                        for client, host in enumerate((star.client1, star.client2))]
        self.daemon = Daemon(star.appliance, program=self.options.program)
        self.reloads, self.scrapes = Reloads(self, self.options.seed), Scrapes(
            self, self.options.seed)
        self.samples = Samples(self)
        self._backgrounds = [Background(self, "reloads", 1.0, self.reloads.step),
                             Background(self, "scrapes", 0.5, self.scrapes.step),
                             Background(self, "samples", 0.5, self.samples.step)]

    def _add_places(self):
        """Where copies and originals end."""
        star, add = self.star, self.collectors.add
        own = {4: [f"10.2.{n}.1" for n in (1, 2)], 6: [f"fd02:{n}::1" for n in (1, 2)]}
        for role, addresses, port in configurations.DESTINATIONS:
            for address in addresses:
                family = 6 if ":" in address else 4
                add(star.namespaces[role], role, address, port,
                    (*own[family], configurations.FIXED[family]))
        for role in ("receiver1", "receiver2"):
            for address in (getattr(star, role).v4, getattr(star, role).v6):
                add(star.namespaces[role], role, address, configurations.PASSING_PORT)
            add(star.namespaces[role], role, "0.0.0.0", configurations.NAMED_PORT)
        add(star.appliance, "appliance", "0.0.0.0", configurations.NAMED_PORT)
        for port in PORTS:
            for role in ("server", "appliance"):
                for address in ("0.0.0.0", "::"):
                    add(star.namespaces[role], role, address, port)

    def seconds(self):
        """Since the beginning."""
        return time.monotonic() - self._begun

    def fail(self, what):
        """Something is wrong: the run ends with it."""
        self._failures.append(f"{what}\nat {self.seconds():.1f} s, {self.doing}")
        self._failed.set()

    def end_daemon(self, how):
        """Ends the daemon on purpose; who asks it for something now is not answered."""
        self.era += 1
        how(self.daemon)

    def start_daemon(self):
        """Starts it with another configuration, and with settings that only a start can change."""
        with self.files:
            self.fixed = configurations.start_settings(self._rng)
            self.reloads.start(self.daemon)
        self.era += 1

    def _possible(self):
        """The classes of faults to choose from, and [(name, why not)] of the others."""
        wanted = self.options.faults
        chosen = [f for f in all_faults.FAULTS + all_faults.HIDDEN if f.name in wanted] \
            if wanted else list(all_faults.FAULTS)
        unknown = set(wanted) - {f.name for f in chosen}
        if unknown:
            raise SystemExit(f"soak: no such fault: {', '.join(sorted(unknown))}. There are: "
                             + ", ".join(f.name for f in all_faults.FAULTS))
        reasons = {f: f.reason_not_here(self) for f in chosen}
        self._first_time = [f for f in chosen if not reasons[f]]
        self._rng.shuffle(self._first_time)
        self._first_time.sort(key=lambda fault: not fault.restarts)  # their time is short
        return [f for f in chosen if not reasons[f]], [(f.name, reasons[f]) for f in chosen
                                                       if reasons[f]]

    def _pick(self, classes):
        """Each once, then by chance."""
        for number, first in enumerate(self._first_time):
            if first in classes:
                return self._first_time.pop(number)
        return self._rng.choices(classes, [f.weight for f in classes])[0]

    def _choose(self, classes, restarts):
        """One fault, sometimes two that have nothing to do with each other."""
        classes = [f for f in classes if restarts or not f.restarts]
        chosen = []
        for _ in range(1 if self._rng.random() < 0.75 else 2):
            fault = self._pick(classes)(self, random.Random(self._rng.random()))
            if not chosen or chosen[0].goes_with(fault):
                chosen.append(fault)
        # The process last, and mended first: others may take their time.
        return sorted(chosen, key=lambda fault: fault.touches == "process")

    def _traffic(self, pps):
        for sender in self.senders:
            sender.rate(pps / len(self.senders))

    def _pace(self):
        """Traffic for a while: the length of a part of a round, not a wait for anything."""
        self._failed.wait(self._rng.uniform(0.3, 1.2))

    def _round(self, chosen):
        self.doing = f"round {self.rounds + 1}: " + ", ".join(
            f"{f.name} {getattr(f, 'role', '')}".strip() for f in chosen)
        if self.options.verbose:
            print(f"{self.seconds():7.1f} s  {self.doing}", flush=True)
        books = Round(self)
        books.counters = all(fault.counters for fault in chosen)
        self._traffic(self.options.rate)
        self._pace()
        for fault in chosen:
            fault.begin()
        hold(chosen)
        for fault in reversed(chosen):
            fault.end()
        self._pace()
        self._traffic(0)
        self._judge(chosen, books, books.close())

    def _judge(self, chosen, books, losses):
        """Every loss is either in the kernel's own counters or allowed by a fault."""
        allowed = {what for fault in chosen for what in fault.may_lose}
        drops = books.wire_drops
        for fault in chosen:
            for role, count in fault.explained.items():
                drops[role] += count
        broken = list(books.wrong())
        for what, lost in losses.items():
            if lost < 0:
                broken.append(f"{what}: {-lost} more than were sent")
            elif lost > counted_by_kernel(what, drops) and kind_of(what) not in allowed:
                broken.append(f"{what}: {lost} lost")
        if books.last.status["queue"]["waiting_pkts"]:
            broken.append(f"still waiting: {books.last.status['queue']}")
        if broken:
            raise Failure("\n".join(broken) + f"\nlosses: {dict(losses)}\nkernel: {drops}")
        self._count(chosen, books, losses, drops)

    def _count(self, chosen, books, losses, drops):
        self.rounds += 1
        self.exact_rounds += losses.none and books.counters
        kernel_drops = books.kernel_drops if books.counters else 0
        for name, value in (("sent", books.sent()), ("copies", books.copies_arrived()),
                            ("kernel drops", kernel_drops), ("refused", books.refused)):
            self.totals[name] += value
        name = chosen[0].name if len(chosen) == 1 else "two of them at once"
        row = self.tally.setdefault(name, figures.Row())
        row.times += 1
        row.kernel_drops += kernel_drops
        for what, lost in losses.items():
            if what == kind_of(what):
                row.lost(what, lost, counted_by_kernel(what, drops))

    def _progress(self):
        taken = self.samples.taken[-1] if self.samples.taken else (0,) * 6
        print(f"{self.seconds() / 60:5.1f} min  {self.rounds} rounds, "
              f"{self.totals['sent']:,} sent, "
              f"{self.totals['copies']:,} copies, {self.totals['kernel drops']:,} kernel drops, "
              f"{self.reloads.done + self.reloads.refused} reloads, RSS {taken[2]} KiB, "
              f"{taken[3]} fds, {taken[4]} threads", flush=True)

    def run(self):
        """All rounds, until the time is over or something is wrong."""
        self.reloads.start(self.daemon)
        classes, missing = self._possible()
        for name, why in missing:
            print(f"without the fault '{name}': {why}", flush=True)
        for background in self._backgrounds:
            background.start()
        said = 0
        while self.seconds() < self.options.time and not self._failed.is_set():
            restarts = self.seconds() < self.options.time * _RESTARTS_UNTIL
            self._round(self._choose(classes, restarts))
            if self.seconds() // 60 > said:
                said = self.seconds() // 60
                self._progress()
        self._end()

    def _end(self):
        self.doing = "at the end"
        for background in self._backgrounds:
            background.stop()
        if self._failed.is_set():
            raise Failure("\n".join(self._failures))
        self.daemon.finish()
        rising = figures.rising(figures.longest_life(self.samples.taken), self._sanitized)
        if rising:
            raise Failure("not flat: " + "; ".join(rising))

    def report(self):
        """The tables for docs/reliability.md."""
        rows = [("minutes", f"{self.seconds() / 60:.1f}"), ("rounds", self.rounds),
                ("of them with nothing missing at all", self.exact_rounds),
                ("datagrams that clients sent", self.totals["sent"]),
                ("datagrams that a client's own machine refused to send", self.totals["refused"]),
                ("copies that arrived", self.totals["copies"]),
                ("kernel drops, all counted", self.totals["kernel drops"]),
                ("reloads", self.reloads.done), ("reloads of bad files, all refused",
                                                 self.reloads.refused),
                ("samples of the counters, every equation true", self.samples.count),
                ("HTTP requests", self.scrapes.done), ("calls of other verbs", self.scrapes.verbs)]
        print("\n".join(["", *figures.totals_table(rows), "", *figures.faults_table(self.tally), "",
                         *figures.flat_table(figures.longest_life(self.samples.taken)), ""]))

    def explain(self, error):
        """What is known at a failure."""
        print(f"\nFAILED at {self.seconds():.1f} s, {self.doing}, seed {self.options.seed}")
        print(error)
        print("\nthe daemon's last lines:\n" + "\n".join(self.daemon.stderr().splitlines()[-25:]))
        if self.daemon.running:
            self.daemon.thaw()
            found = self.daemon.status()
            print("\n" + numbers.shown({**found, "last_reload": None}))

    def close(self):
        """Ends and removes everything."""
        for background in self._backgrounds:
            background.stop_soon()
        if self.daemon.running:
            self.daemon.thaw()
            self.daemon.kill()
        shutil.rmtree(self.daemon.directory, ignore_errors=True)
        self.star.remove()


def _seconds(text):
    match = re.fullmatch(r"(\d+)([smh]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"a time is like 90s, 20m or 1h, not {text}")
    return int(match[1]) * _UNITS[match[2]]


def _options():
    parser = argparse.ArgumentParser(description="the appliance under everything at once")
    parser.add_argument("--time", type=_seconds, default="20m", help="90s, 20m, 1h")
    parser.add_argument("--seed", type=int, help="of a run that is to be had again")
    parser.add_argument("--rate", type=int, default=1500, help="packets/s of all clients")
    parser.add_argument("--faults", type=lambda text: text.split(","), default=[],
                        help="only these, by name")
    parser.add_argument("--program", type=pathlib.Path, default=RELEASE,
                        help="build/asan/trafficduplicator, for example")
    parser.add_argument("--verbose", action="store_true", help="a line for each round")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    return options


def main():
    """Runs it; the exit code is 0 when nothing was wrong."""
    options = _options()
    if os.geteuid() != 0:
        sys.exit("soak: this needs root, for namespaces of its own")
    remove_leftovers()
    print(f"soak: {options.time} s, {options.rate} packets/s, seed {options.seed}", flush=True)
    soak = Soak(options)
    try:
        with files_in_etc(soak.star.appliance, hosts="",
                          resolv_conf=f"nameserver {soak.star.server.v4}\n"):
            soak.run()
    except (Failure, AssertionError, OSError, EOFError) as error:
        where = "" if isinstance(error, Failure) else traceback.format_exc()
        soak.explain(f"{where or error}")
        return 1
    finally:
        soak.close()
    soak.report()
    print(f"soak: nothing was wrong in {soak.seconds():.0f} s, {soak.rounds} rounds; "
          f"seed {options.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
