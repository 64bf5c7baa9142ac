# SPDX-License-Identifier: MIT
"""The source tarball. That a build from it needs no git, the packages show: they are made of it."""

import os
import re
import shutil
import subprocess
import tarfile

import pytest

from conftest import REPOSITORY
from lib.namespaces import run


@pytest.fixture(scope="module", name="tree")
def _tree(tarball, tmp_path_factory):
    """The tarball, unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    run("tar", "-x", "-C", folder, "-f", tarball)
    return next(folder.iterdir())


def test_the_same_sources_give_the_same_bytes(package_maker, tarball, tmp_path):
    umask = os.umask(0o077)
    try:
        again = package_maker("make-dist", tmp_path, TZ="Asia/Tokyo", LC_ALL="C.UTF-8")
    finally:
        os.umask(umask)
    assert again.read_bytes() == tarball.read_bytes()


def test_the_unpacked_tarball_makes_itself_again(package_maker, tarball, tree, tmp_path):
    again = package_maker("make-dist", tmp_path, tree=tree)
    assert again.read_bytes() == tarball.read_bytes()


def test_the_date_may_be_given(package_maker, tmp_path):
    made = package_maker("make-dist", tmp_path, SOURCE_DATE_EPOCH="1000000000")
    with tarfile.open(made) as tar:
        assert {member.mtime for member in tar} == {1000000000}


def test_one_folder_of_plain_files_owned_by_root(tarball, version):
    with tarfile.open(tarball) as tar:
        members = tar.getmembers()
    assert {member.name.split("/")[0] for member in members} == {f"trafficduplicator-{version}"}
    assert all(member.isfile() for member in members)
    assert {(member.uid, member.gid) for member in members} == {(0, 0)}
    assert {member.mode for member in members} == {0o644, 0o755}


def test_it_has_what_git_has(tree):
    if not (REPOSITORY / ".git").exists():
        pytest.skip("this is no checkout: there is no git to compare with")
    known = run("git", "-c", f"safe.directory={REPOSITORY}", "-C", REPOSITORY, "ls-files").stdout
    found = [str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()]
    assert sorted(found) == sorted(known.splitlines() + ["MANIFEST"])


def test_what_check_names_is_there(tree):
    """Scripts by name, and folders of tests with tests in them."""
    recipe = run("make", "-n", "-C", tree, "check").stdout.replace("\\\n", " ")
    scripts = re.search(r"^shellcheck (.*)", recipe, re.MULTILINE)[1].split()
    assert len(scripts) > 5
    assert [script for script in scripts if not (tree / script).is_file()] == []
    folders = set(re.findall(r"\btests/\w+\b", " ".join(re.findall(r"-m pytest .*", recipe))))
    assert {"tests/netns", "tests/packages"} <= folders
    assert [folder for folder in folders if not list((tree / folder).glob("test_*.py"))] == []


def test_without_git_and_list_it_says_what_is_missing(tree, tmp_path):
    shutil.copytree(tree, tmp_path / "tree", ignore=shutil.ignore_patterns("MANIFEST", "src"))
    done = subprocess.run([tmp_path / "tree/packaging/make-dist", tmp_path],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "MANIFEST" in done.stderr
    assert not list(tmp_path.glob("*.gz"))


def test_make_help_names_what_can_be_made():
    said = run("make", "-C", REPOSITORY, "help").stdout
    for target in ("dist", "deb", "rpm", "container", "check-container"):
        assert re.search(rf"\b{target}\b", said), target
