# SPDX-License-Identifier: MIT
"""The release program as a file: hardened, and the same wherever it is built."""

import functools
import os
import re
import subprocess

import pytest

from conftest import REPOSITORY
from lib.namespaces import run

PROGRAM = REPOSITORY / "build/trafficduplicator"
# What gcc writes into the debug information of each object.
FLAGS = ("-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection",
         "-ftrivial-auto-var-init=zero", "-fPIE", "-O2")


@functools.cache
def _readelf(*options):
    return run("readelf", "--wide", *options, PROGRAM).stdout


def _known(flag):
    """Whether this compiler has the flag on this machine, as the Makefile asks it."""
    return subprocess.run(["gcc", "-Werror", flag, "-x", "c", "-o", "/dev/null", "-"], text=True,
                          input="int main(void){return 0;}", capture_output=True,
                          check=False).returncode == 0


def test_every_object_was_compiled_with_every_flag():
    """Of ours: the C library's start-up objects have no debug information here."""
    producers = re.findall(r"DW_AT_producer\s*: .*?: (GNU C.*)", _readelf("--debug-dump=info"))
    sources = list((REPOSITORY / "src").glob("*/*.c"))
    assert len(producers) >= len(sources)
    flags = [flag for flag in FLAGS if _known(flag)]
    assert len(flags) >= 4
    assert {flag for flag in flags for said in producers if flag not in said.split()
            and not any(word.startswith(f"{flag}=") for word in said.split())} == set()


def test_loaded_at_any_address_and_not_writable_where_it_runs():
    assert re.search(r"Type:\s+DYN", _readelf("--file-header"))
    segments = re.findall(r"^\s+(\S+)\s+0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ ([RWE ]{3})",
                          _readelf("--segments"), re.MULTILINE)
    assert ("GNU_STACK", "RW ") in segments
    assert [kind for kind, rights in segments if "W" in rights and "E" in rights] == []
    dynamic = _readelf("--dynamic")
    assert "TEXTREL" not in dynamic and "RPATH" not in dynamic and "RUNPATH" not in dynamic


def test_the_table_of_functions_is_read_only_when_it_runs():
    assert "GNU_RELRO" in _readelf("--segments")
    assert re.search(r"\(FLAGS\).*BIND_NOW", _readelf("--dynamic"))


def test_functions_of_libc_check_their_room():
    names = set(re.findall(r"UND (\w+)@", _readelf("--dyn-syms")))
    assert "__stack_chk_fail" in names
    assert {"__memcpy_chk", "__snprintf_chk", "__fprintf_chk"} <= names
    assert "gets" not in names


def test_the_same_sources_give_the_same_program(tarball, version, tmp_path):
    """Once in this folder, once in another, by another clock and for another user's eyes."""
    if run("git", "-c", f"safe.directory={REPOSITORY}", "-C", REPOSITORY, "diff", "--quiet", "HEAD",
           check=False).returncode == 1:
        pytest.skip("the tree has changes that are in no commit; build what was committed")
    run("tar", "-x", "-C", tmp_path, "-f", tarball)
    tree = tmp_path / f"trafficduplicator-{version}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    umask = os.umask(0o077)
    try:
        run("make", "-C", tree, f"-j{os.cpu_count()}", "all", timeout_s=600,
            env={**environment, "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"})
    finally:
        os.umask(umask)
    assert (tree / "build/trafficduplicator").read_bytes() == PROGRAM.read_bytes()
