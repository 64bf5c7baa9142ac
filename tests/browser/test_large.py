# SPDX-License-Identifier: MIT
"""The status page with a thousand rules."""

import pytest

from lib import packets
from lib.configs import rule
from lib.daemon import RELEASE

URL = "http://127.0.0.1:9514/"
RULES = 1000
FIRST_PORT = 10000


def _config(star):
    """One rule has all the destinations that a rule can have."""
    many = [f"{star.receiver1.v4}/{FIRST_PORT + n}" for n in range(64)]
    return {f"site-{n:04}": rule(FIRST_PORT + n, *(many if n == 7 else many[:4]))
            for n in range(RULES)}


@pytest.fixture(name="daemon", scope="module")
def _daemon(network, make_daemon):
    return make_daemon(program=RELEASE).start(_config(network))


def test_a_thousand_rules(network, daemon, page):
    page.open(URL)
    page.wait("the rules", "document.querySelectorAll('.rule').length > 0")
    assert page.text("#rules-count") == "1,000 rules, 4,060 destinations"
    # No more than one can look through at once, and folded.
    assert page.evaluate("document.querySelectorAll('.rule').length") == 50
    assert page.evaluate("document.querySelectorAll('*').length") < 5000
    page.tell("click", selector="#more")
    assert page.evaluate("document.querySelectorAll('.rule').length") == 100
    # An answer costs the page what has changed, not what there is.
    page.evaluate("""(() => {
        window.changes = 0;
        new MutationObserver((list) => { window.changes += list.length; }).observe(document.body,
            {subtree: true, childList: true, attributes: true, characterData: true});
    })()""")
    for _ in range(2):
        up = page.text("[data-fact=Up]")
        page.wait("another answer",
                  "document.querySelector('[data-fact=Up]').innerText !== argument", up)
    assert 0 < page.evaluate("window.changes") < 1000
    # Any of them is a few keys away, and counts on.
    page.tell("click", selector="#filter")
    page.tell("type", text=f"{FIRST_PORT + 999}")
    assert page.texts(".rule h3") == ["site-0999"]
    page.tell("click", selector=".fold")
    network.client1.inject(packets.udp_packet(
        network.client1.v4, network.client1.gateway_v4, 5000, FIRST_PORT + 999, b"large"))
    daemon.wait_received(1)
    page.wait("the packet's copy", """
        document.querySelector('.rule tbody tr [data-label=Sent]').innerText === '1'""")
    # 64 destinations fit on the narrowest screen.
    page.tell("click", selector="#filter")
    page.tell("press", key="Control+A")
    page.tell("type", text="site-0007")
    page.tell("click", selector=".fold")
    page.tell("resize", width=320, height=800)
    assert page.evaluate("document.querySelectorAll('.rule tbody tr').length") == 64
    assert page.evaluate("document.documentElement.scrollWidth") == 320
