# SPDX-License-Identifier: MIT
"""Prints how much of the program tests reach, from `llvm-cov export -summary-only`, and fails where
that is less than it has to be. usage: report.py COVERAGE.json"""

import json
import pathlib
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
GOALS = [("src/core/", "lines", 95), ("src/core/", "branches", 90), ("src/", "lines", 85)]


def read(path):
    """Per source file of the program: (covered, count) of lines and of branches."""
    files = {}
    for entry in json.loads(pathlib.Path(path).read_text())["data"][0]["files"]:
        name = entry["filename"].replace(f"{REPOSITORY}/", "").removeprefix("./")
        if name.startswith("src/"):
            files[name] = {kind: (entry["summary"][kind]["covered"],
                                  entry["summary"][kind]["count"])
                           for kind in ("lines", "branches")}
    return files


def total(files, prefix, kind):
    """(covered, count) of all files whose name begins so."""
    values = [sums[kind] for name, sums in files.items() if name.startswith(prefix)]
    return sum(covered for covered, _ in values), sum(count for _, count in values)


def percent(covered, count):
    return 100 * covered / count if count else 0.0


def line(name, lines, branches):
    return (f"{name:40} {lines[1]:6} {percent(*lines):6.1f} %  "
            f"{branches[1]:6} {percent(*branches):6.1f} %")


def main():
    files = read(sys.argv[1])
    print(f"{'':40}  lines reached   branches reached")
    for name in sorted(name for name in files if name.startswith("src/core/")):
        print(line(name, files[name]["lines"], files[name]["branches"]))
    for folder in ("src/core/", "src/datapath/", "src/control/", "src/cli/", "src/"):
        print(line(folder, total(files, folder, "lines"), total(files, folder, "branches")))
    missed = [f"{folder} {kind}: {percent(*total(files, folder, kind)):.1f} %, less than {goal} %"
              for folder, kind, goal in GOALS if percent(*total(files, folder, kind)) < goal]
    for text in missed:
        print(text, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
