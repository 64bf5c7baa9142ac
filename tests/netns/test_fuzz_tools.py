# SPDX-License-Identifier: MIT
"""What runs fuzz targets and what reports coverage say so when something is wrong."""

import json
import stat
import subprocess

import pytest

from lib.daemon import REPOSITORY

pytestmark = pytest.mark.once

RUN = REPOSITORY / "tests/fuzz/run"
REPORT = REPOSITORY / "tests/coverage/report.py"
INPUTS = sorted((REPOSITORY / "tests/fuzz/corpus/nfq_wire").glob("*"))

if not RUN.exists():
    pytest.skip("the repository is not here: only the network tests are", allow_module_level=True)


def _replay(folder, script):
    """Replays the inputs of nfq_wire with a script in the target's place."""
    target = folder / "replay/nfq_wire"
    target.parent.mkdir()
    target.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    target.chmod(target.stat().st_mode | stat.S_IXUSR)
    return subprocess.run([RUN, "replay", folder, "nfq_wire"], capture_output=True, text=True,
                          check=False)


def test_replay_gives_a_target_every_input(tmp_path):
    done = _replay(tmp_path, 'echo "given $#" >&2; for input; do cat "$input" >/dev/null; done')
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"  nfq_wire: {len(INPUTS)} inputs",
        f"{len(INPUTS)} inputs for 1 fuzz targets; targets that failed: 0"]
    assert f"given {len(INPUTS)}" in (tmp_path / "nfq_wire.log").read_text(encoding="utf-8")


def test_replay_names_the_input_that_breaks_a_target(tmp_path):
    done = _replay(tmp_path, 'echo "input $2" >&2; echo "f.c:7: not true: 1 == 2" >&2; exit 1')
    assert done.returncode == 1
    assert f"FAILED at the input {INPUTS[1]}" in done.stdout
    assert "f.c:7: not true: 1 == 2" in done.stdout
    assert done.stdout.endswith("targets that failed: 1\n")


@pytest.mark.parametrize("reached, missed", [
    ((96, 91), []),
    ((94, 91), ["src/core/ lines: 94.0 %, less than 95 %"]),
    ((96, 89), ["src/core/ branches: 89.0 %, less than 90 %"]),
    ((80, 91), ["src/core/ lines: 80.0 %, less than 95 %", "src/ lines: 80.0 %, less than 85 %"]),
])
def test_coverage_below_its_goal_is_a_failure(tmp_path, reached, missed):
    summary = {kind: {"count": 100, "covered": covered}
               for kind, covered in zip(("lines", "branches"), reached)}
    files = [{"filename": f"{REPOSITORY}/{name}", "summary": summary}
             for name in ("src/core/packet.c", "tests/unit/test_packet.c")]
    path = tmp_path / "coverage.json"
    path.write_text(json.dumps({"data": [{"files": files}]}), encoding="utf-8")
    done = subprocess.run(["/usr/bin/python3", REPORT, path], capture_output=True, text=True,
                          check=False)
    assert done.stderr.splitlines() == missed
    assert done.returncode == (1 if missed else 0)
    assert "src/core/packet.c" in done.stdout and "test_packet" not in done.stdout
