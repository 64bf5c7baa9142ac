# SPDX-License-Identifier: MIT
"""Other programs' configurations, imported by the program and checked by it."""

import json

import pytest

from lib.daemon import command

SAMPLICATOR = """\
# Flows of the branch offices go to both collectors.
172.20.0.0/255.255.0.0: 192.0.2.10/2055 192.0.2.11/2055/100   # every hundredth
172.21.4.9: flows.example.net/9995/1,16
[2001:db8:40::]/48: [2001:db8::10]/4739
0.0.0.0/0: 192.0.2.12
"""
PMACCT = """\
! one collector gets all, two share
id=1 ip=192.0.2.10:2055
id=2 ip=[2001:db8::10]:4739,[2001:db8::11]:4739 balance-alg=hash-agent
id=3 ip=192.0.2.20:2055,flows.example.net:2055 balance-alg=rr
"""


def imported(tmp_path, kind, text, *options):
    file = tmp_path / "other"
    file.write_text(text)
    return command("import", kind, file, *options)


def check(tmp_path, text):
    """What the program makes of an imported configuration; it must take it."""
    file = tmp_path / "config"
    file.write_text(text)
    file.chmod(0o644)
    done = command("check", "-c", file)
    assert done.returncode == 0, f"{done.stderr}\n{text}"
    return done.stdout


@pytest.mark.parametrize("kind, text, port", [("samplicator", SAMPLICATOR, 2000),
                                              ("pmacct", PMACCT, 2100)])
def test_check_takes_what_import_writes(tmp_path, kind, text, port):
    done = imported(tmp_path, kind, text)
    assert done.returncode == 0, done.stderr
    assert {rule["SOURCEPORT"] for rule in json.loads(done.stdout).values()} == {str(port)}
    assert f"SOURCEPORT is {port}" in done.stderr
    understood = check(tmp_path, done.stdout)
    for name in json.loads(done.stdout):
        assert name in understood


def test_the_port_can_be_given(tmp_path):
    done = imported(tmp_path, "pmacct", PMACCT, "--port", "6343")
    assert done.returncode == 0
    assert {rule["SOURCEPORT"] for rule in json.loads(done.stdout).values()} == {"6343"}
    check(tmp_path, done.stdout)


def test_the_rest_is_written_when_something_has_no_equivalent(tmp_path):
    done = imported(tmp_path, "samplicator", SAMPLICATOR + "10.0.0.0/8: 127.0.0.1 192.0.2.13\n")
    assert done.returncode == 1
    assert f"{tmp_path / 'other'}:6: \"127.0.0.1\": " in done.stderr
    assert json.loads(done.stdout)["from-10.0.0.0/8"]["DESTINATION"] == ["192.0.2.13/2000"]
    check(tmp_path, done.stdout)


def test_a_pool_with_tags_is_disabled(tmp_path):
    done = imported(tmp_path, "pmacct", PMACCT + "id=4 ip=192.0.2.30:2055 tag=7,10-20\n")
    assert done.returncode == 1
    assert f"{tmp_path / 'other'}:5: tag=\"7,10-20\": " in done.stderr
    assert json.loads(done.stdout)["pool-4"]["ENABLED"] is False
    check(tmp_path, done.stdout)


@pytest.mark.parametrize("text", ["", "# nothing\n", "no colon here\n"])
def test_no_output_when_nothing_can_be_used(tmp_path, text):
    done = imported(tmp_path, "samplicator", text)
    assert done.returncode == 1 and done.stderr and not done.stdout


def test_a_file_that_cannot_be_read(tmp_path):
    done = command("import", "samplicator", tmp_path / "missing")
    assert done.returncode == 1 and "No such file" in done.stderr and not done.stdout


@pytest.mark.parametrize("arguments", [
    ["import"], ["import", "samplicator"], ["import", "nprobe", "/dev/null"],
    ["import", "pmacct", "/dev/null", "more"], ["import", "pmacct", "/dev/null", "--port", "0"],
    ["import", "pmacct", "/dev/null", "--port", "x"], ["check", "--port", "514"]])
def test_usage(arguments):
    done = command(*arguments)
    assert done.returncode == 2 and done.stderr and not done.stdout


def test_help():
    done = command("import", "--help")
    assert done.returncode == 0 and not done.stderr
    for word in ("samplicator", "pmacct", "FILE", "--port"):
        assert word in done.stdout
