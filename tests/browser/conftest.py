# SPDX-License-Identifier: MIT
"""The status page in a real Chromium, next to a real daemon with real packets.

All of it runs in the network namespaces of tests/netns, and the browser in the appliance's.
"""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "netns"))

# pylint: disable=wrong-import-position
from browser import Browser, missing  # noqa: E402
from lib.daemon import Daemon  # noqa: E402
from lib.namespaces import remove_leftovers  # noqa: E402
from lib.topology import Star  # noqa: E402


def pytest_collection_modifyitems(items):
    """Without a browser each test is skipped by name."""
    why = missing()
    for item in items:
        if why:
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session", name="network")
def _network():
    if os.geteuid() != 0:
        pytest.exit("the tests of the page need root, for namespaces of their own", 1)
    remove_leftovers()
    network = Star()
    try:
        yield network
    finally:
        network.remove()


@pytest.fixture(scope="session", name="chromium")
def _chromium(network):
    browser = Browser(network.appliance)
    yield browser
    browser.close()


@pytest.fixture(name="page")
def _page(chromium):
    """The browser. At the test's end it must have met no fault, and asked nobody else."""
    yield chromium
    seen = chromium.tell("seen")
    assert not seen["faults"], "\n".join(seen["faults"])
    elsewhere = [url for url in seen["requests"] if not url.startswith("http://127.0.0.1:9514/")]
    assert not elsewhere, elsewhere


@pytest.fixture(scope="module", name="make_daemon")
def _make_daemon(network):
    """Makes daemons that go on from test to test, and judges each at the end."""
    made = []

    def make(**keywords):
        made.append(Daemon(network.appliance, **keywords))
        return made[-1]
    yield make
    for daemon in made:
        daemon.finish()
