#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The benchmark: see docs/benchmarks.md. Needs root, for namespaces of its own.

Data goes to standard output, progress to standard error.
"""

import argparse
import os
import pathlib
import shutil
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "netns"))

# pylint: disable=wrong-import-position
import campaign  # noqa: E402
import goals  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
from bed import Bed  # noqa: E402
from kernel import KERNEL  # noqa: E402
from lib.namespaces import remove_leftovers  # noqa: E402
from ours import OURS  # noqa: E402
from peers import ABSENT, PEERS  # noqa: E402
from results import Results  # noqa: E402

REPOSITORY = HERE.parents[1]
ALL = {contender.name: contender for contender in OURS + PEERS + KERNEL}
QUICK_CONTENDERS = [n for n in ALL if n not in ("nft-lean", "routing")]
QUICK_BUDGET_S = 120  # after which no further round is begun; the rest is memory and one search


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures Traffic Duplicator and its peers.")
    numbers = {"type": int, "nargs": "+", "metavar": "N"}
    parser.add_argument("--quick", action="store_true",
                        help="only what the ratios need, in less than three minutes")
    parser.add_argument("--program", type=pathlib.Path,
                        default=REPOSITORY / "build/trafficduplicator",
                        help="the trafficduplicator to measure, with its tree's rules script")
    parser.add_argument("--contenders", nargs="+", choices=ALL, metavar="NAME",
                        help="only these: " + ", ".join(ALL))
    parser.add_argument("--destinations", default=[2, 8, 64], **numbers)
    parser.add_argument("--payloads", default=None, help="in bytes, from 64 to 1472", **numbers)
    parser.add_argument("--rules", default=None, help="more than one rule: our ways only",
                        **numbers)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, nargs=2, default=[1, 0],
                        metavar=("APPLIANCE", "OTHER"))
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    parser.add_argument("--output", type=pathlib.Path, default=REPOSITORY / "build/bench",
                        help="where generator and latency are, and results go")
    parser.add_argument("--document", type=pathlib.Path, metavar="FILE",
                        help="also put the figures into FILE, and the plot beside it")
    return parser.parse_args()


def plan(options):
    """What the command line asks for."""
    if options.quick:
        return campaign.Plan(measure.QUICK, options.destinations, options.payloads or [200],
                             options.rules or [goals.MANY_RULES], options.rounds, details=False,
                             budget_s=QUICK_BUDGET_S)
    return campaign.Plan(measure.FULL, options.destinations, options.payloads or [200, 64, 1400],
                         options.rules or [100, goals.MANY_RULES], options.rounds, details=True)


def run(options, results, say):
    """Measures."""
    names = options.contenders or (QUICK_CONTENDERS if options.quick else list(ALL))
    core, other_core = options.cores
    os.sched_setaffinity(0, {other_core})
    bed = Bed(core, other_core)
    try:
        course = campaign.Campaign(bed, options.output, plan(options), results, say)
        contenders = course.ask([ALL[name](bed, options.program.resolve(), options.output / "peers")
                                 for name in names])
        if contenders:
            course.run(contenders)
            course.memory(contenders)
    finally:
        bed.remove()


def publish(options, results):
    """Prints and writes what was found."""
    found = goals.all_ratios(results)
    results.goals = [{**vars(ratio), "verdict": ratio.verdict} for ratio in found]
    results.write(options.output / "results.json")
    picture = plot.draw(results, options.output)
    text = report.whole(results)
    print(text)
    print(f"Written: {options.output}/results.json" + (f", {picture}" if picture else ""))
    if options.document:
        report.into_document(options.document, text)
        if picture:
            shutil.copy(picture, options.document.with_suffix(".svg"))
    return found


def main():
    """The program."""
    options = arguments()
    if os.geteuid() != 0:
        sys.exit("bench: this needs root: sudo make bench")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench: this needs two cores: one for the appliance, one for everything else")
    # An end that is asked for takes the namespaces away and puts the sysctls back.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("bench: ended before its time, no results"))
    remove_leftovers()
    began = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)
    results = Results(machine.facts(*options.cores))
    if results.machine["load_before"] > report.BUSY_LOAD:
        say(f"the machine is busy (load {results.machine['load_before']:.2f}): "
            "figures will be too low and scattered")
    say("this takes " + ("less than three minutes" if options.quick else "about half an hour"))
    for name, why in ABSENT.items():
        results.contenders[name] = {"title": name, "remark": "", "absent": why}
    run(options, results, say)
    found = publish(options, results)
    missed = [ratio for ratio in found if ratio.verdict == "missed"]
    sys.exit(1 if options.strict and missed else 0)


if __name__ == "__main__":
    main()
