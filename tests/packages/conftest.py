# SPDX-License-Identifier: MIT
"""What is tested here is built once, outside the repository's own build/."""

import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "netns")]


@pytest.fixture(scope="session")
def package_maker():
    """Runs one of packaging/make-* of a tree; returns the path of what it made."""
    from lib.namespaces import run

    def make(script, folder, tree=REPOSITORY, **environment):
        inherited = {name: value for name, value in os.environ.items()
                     if name != "SOURCE_DATE_EPOCH"}
        folder.mkdir(exist_ok=True)
        done = run(tree / "packaging" / script, folder, env={**inherited, **environment},
                   timeout_s=900)
        return pathlib.Path(done.stdout.strip())
    return make


@pytest.fixture(scope="session")
def tarball(package_maker, tmp_path_factory):
    """The source tarball."""
    return package_maker("make-dist", tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def version():
    """What this version is called."""
    return (REPOSITORY / "VERSION").read_text().strip()
