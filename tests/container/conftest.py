# SPDX-License-Identifier: MIT
"""The container in a network namespace that stands for its host, run by the commands of
docs/container.md. TD_ENGINE is the podman that has the image: tests/container/run sets it."""

import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "netns")]

collect_ignore_glob = [] if os.environ.get("TD_ENGINE") else ["test_*.py"]


@pytest.fixture
def star():
    """The host as a router: Star in tests/netns/lib/topology.py."""
    from lib.topology import Star
    network = Star()
    yield network
    network.remove()


@pytest.fixture
def container(star, tmp_path):
    """The container's engine on that host; no container runs yet."""
    from engine import Engine
    engine = Engine(star.appliance, tmp_path)
    yield engine
    engine.remove()
