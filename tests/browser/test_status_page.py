# SPDX-License-Identifier: MIT
"""The status page while packets flow, destinations die, reloads fail and the daemon stops.

The tests share one daemon, and stand in an order in which each finds what it needs.
"""

import contextlib
import re
import socket

import pytest

from lib import packets, status
from lib.configs import rule
from lib.daemon import command
from lib.stream import Stream
from lib.waiting import wait_for

URL = "http://127.0.0.1:9514/"
IMAGE = "<img src=x onerror=alert(1)>"
SCRIPT = "</td><script>alert(2)</script>"
BACKWARDS = "\u202e\"'&amp; drow"
CHECKED_PORT = 7
LIGHT_AND_DARK = ["light", "dark"]
# Wide, a phone, the narrowest that is asked for, and 1180 at 200 %.
WIDTHS = [1180, 360, 320, 590]


def _config(star):
    archive = {"ADDRESS": star.receiver2.v4, "PORT": 1514, "NAME": "Archive",
               "CHECK": f"tcp/{CHECKED_PORT}"}
    return {
        "Syslog": rule("514", f"{star.receiver1.v4}/514", archive),
        "Flows": rule(["2055-2057", "4739"], "198.51.100.1/2055", BALANCE="hash"),
        IMAGE: rule("9995", {"ADDRESS": star.receiver1.v4, "PORT": 9995, "NAME": SCRIPT}),
        BACKWARDS: rule("162", "collector.invalid/162", f"{star.receiver1.v6}/162"),
    }


@pytest.fixture(name="daemon", scope="module")
def _daemon(network, make_daemon):
    return make_daemon().start(_config(network))


def _send(star, port, count):
    star.client1.inject(*(packets.udp_packet(star.client1.v4, star.client1.gateway_v4, 5000 + n,
                                             port, b"page %d" % n) for n in range(count)))


def _label(name):
    """A string of CSS."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _row(rule_name, number):
    return f"[aria-label={_label('Rule ' + rule_name)}] tbody tr:nth-child({number})"


def _cells(page, rule_name, number):
    """A destination's row: what stands below each heading, in whole lines."""
    return page.evaluate("""Object.fromEntries(
        [...document.querySelectorAll(argument + " td")].map((cell) =>
            [cell.dataset.label, cell.innerText.trim()]))""", _row(rule_name, number))


def _numbers(page):
    """The page's totals, by the names of status --json."""
    ids = {"received_pkts": "#received-total", "sent_pkts": "#sent-total",
           "dropped_pkts": "#dropped-total", "forwarded": "#originals-forwarded",
           "ended": "#originals-dropped", "waiting": "#queue-waiting",
           "refused": "#queue-dropped", "unmatched": "#unmatched", "malformed": "#malformed"}
    return {name: page.number(selector) for name, selector in ids.items()}


def _expected(found):
    to = [d for r in found["rules"] for d in r["destinations"]]
    return {"received_pkts": found["received_pkts"], "sent_pkts": sum(d["sent_pkts"] for d in to),
            "dropped_pkts": sum(map(status.dropped, to)) + found["malformed_pkts"]
            + found["truncated_pkts"] + found["queue"]["dropped_kernel_pkts"],
            "forwarded": found["originals"]["forwarded_pkts"],
            "ended": found["originals"]["dropped_pkts"],
            "waiting": found["queue"]["waiting_pkts"],
            "refused": found["queue"]["dropped_kernel_pkts"],
            "unmatched": found["unmatched_pkts"], "malformed": found["malformed_pkts"]}


def _wait_equal(page, daemon):
    """Waits until the page has the numbers that the daemon has; returns the status."""
    found = daemon.status()
    wait_for("the page to show the daemon's numbers", lambda: _numbers(page) == _expected(found),
             there=lambda: f"{_numbers(page)}\nexpected: {_expected(found)}")
    return found


def _fits(page):
    return page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_headers(daemon, page):
    answer = page.open(URL)
    assert answer["status"] == 200 and daemon.running
    policy = answer["headers"]["content-security-policy"]
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    for directive in ("frame-ancestors", "base-uri", "form-action"):
        assert f"{directive} 'none'" in policy
    assert answer["headers"]["referrer-policy"] == "no-referrer"
    assert answer["headers"]["x-content-type-options"] == "nosniff"


def test_the_numbers_are_the_daemons(network, daemon, page):
    page.open(URL)
    page.wait("the page to say that nothing has come",
              "document.querySelector('#headline').innerText.startsWith("
              "'Ready. No packet has arrived yet')")
    for port, count in ((514, 40), (2055, 7), (9995, 3), (162, 5)):
        _send(network, port, count)
    daemon.wait_received(55)
    found = _wait_equal(page, daemon)
    syslog = status.rule(found, "Syslog")
    assert syslog["matched_pkts"] == 40
    cells = _cells(page, "Syslog", 1)
    to = syslog["destinations"][0]
    assert (cells["Due"], cells["Sent"], cells["Dropped"]) == ("40", str(to["sent_pkts"]), "0")
    assert cells["State"] == "unchecked"
    # Every equation is shown, and adds up.
    assert page.texts(".accounts td:last-child") == ["yes"] * 4
    sums = page.texts(".accounts .sum")
    assert sums[0].startswith("= 55 matched by a rule + 0 unmatched")
    assert "UDP 2055-2057, 4739" in " ".join(page.texts(".about"))


def test_drops_say_what_they_mean_and_what_to_do(daemon, page):
    page.open(URL)
    row = page.wait("the row of no_route", """
        document.querySelector('[data-reason=no_route]')?.innerText""")
    assert "7" in row.split() and "no route to the destination" in row
    assert "trafficduplicator doctor" in row
    assert "7\nno_route" in _cells(page, "Flows", 1)["Dropped"]
    reasons = set(page.evaluate(
        "[...document.querySelectorAll('#drops code')].map((c) => c.textContent)"))
    assert status.REASONS <= reasons
    text = page.evaluate("document.body.textContent")
    assert "This page does not know it" not in text
    # The commands that it names are there.
    verbs = set(re.findall(r"trafficduplicator ([a-z]+)", text))
    assert "doctor" in verbs and all(command(verb, "--help").returncode == 0 for verb in verbs)
    assert daemon.running


def test_rates_and_plots_move_with_the_traffic(network, daemon, page):
    page.open(URL)
    daemon.expect_anything()
    flow = Stream(network.client1, network.client1.gateway_v4, rate_pps=300)
    try:
        page.wait("rates that are not zero", """
            [...document.querySelectorAll('#received-rate, [aria-label="Rule Syslog"] .matched b')]
                .every((found) => parseInt(found.innerText) > 0)""")
        page.wait("a rate of copies to a destination",
                  "parseInt(document.querySelector(argument)?.innerText) > 0",
                  _row("Syslog", 1) + " [data-label=Copies]")
        assert page.text("#headline").startswith("Duplicating packets")
    finally:
        flow.stop()
    page.wait("rates of zero when it ends", """
        [...document.querySelectorAll('#received-rate, [aria-label="Rule Syslog"] .matched b')]
            .every((found) => parseInt(found.innerText) === 0)""")
    _wait_equal(page, daemon)
    # What was before the page was opened is there at once: one that opens it now sees it.
    page.open(URL)
    heights = page.wait("a plot", """(() => {
        const path = document.querySelector('.plot.received .line').getAttribute('d') ?? "";
        return path.split(/[ML]/).slice(1).map((point) => Number(point.split(" ")[1]));
    })()""")
    assert len(heights) > 2 and min(heights) < max(heights) - 5


def test_names_are_text_whatever_they_say(daemon, page):
    """That nothing was run and nothing asked for is judged when the test ends."""
    page.open(URL)
    page.wait("the rules", "document.querySelectorAll('.rule').length === 4")
    names = page.evaluate(
        "[...document.querySelectorAll('.rule h3 bdi, .rule th bdi')].map((n) => n.textContent)")
    assert {IMAGE, SCRIPT, BACKWARDS} <= set(names)
    assert page.evaluate("document.querySelectorAll('img, script:not([src])').length") == 0
    assert daemon.running


def test_accessible_and_without_sideways_scrolling(daemon, page):
    """By the rules of axe-core, contrast among them; at all widths, with all that can unfold."""
    page.open(URL)
    page.wait("the rules", "document.querySelectorAll('.rule tbody tr').length === 6")
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    for width in WIDTHS:
        page.tell("resize", width=width, height=2400)
        assert _fits(page), f"wider than {width}"
        for scheme in LIGHT_AND_DARK if width in (1180, 360) else []:
            page.tell("scheme", scheme=scheme)
            assert not page.tell("axe"), f"{width} wide, {scheme}"
    assert daemon.running


def test_everything_can_be_reached_by_keyboard(daemon, page):
    page.open(URL)
    page.wait("the rules", "document.querySelectorAll('.rule tbody tr').length === 6")
    reached = []
    for _ in range(60):
        page.tell("press", key="Tab")
        found = page.evaluate("""(() => {
            const at = document.activeElement, style = getComputedStyle(at);
            return at === document.body ? null : {name: at.id || at.innerText || at.href,
                isMarked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2};
        })()""")
        if found is None:
            break
        reached.append(found)
    names = [found["name"] for found in reached]
    assert names[0] == "Skip to the rules"
    assert names.index("filter") < names.index("only-trouble") < names.index("Syslog")
    wanted = page.evaluate("""[...document.querySelectorAll("a, button, input, summary")]
        .filter((each) => each.checkVisibility()).length""")
    assert len(reached) == wanted, names
    assert all(found["isMarked"] for found in reached), reached
    # The skip link goes where it says, and a rule is folded by its key.
    page.evaluate("document.querySelector('.skip').focus()")
    page.tell("press", key="Enter")
    page.wait("to be at the rules", "document.activeElement.id === 'rules'")
    page.evaluate("document.querySelector('.fold').focus()")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.tell("press", key="Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"
    assert page.text(_row("Syslog", 1)) is None
    assert daemon.running


def test_find(daemon, page):
    page.open(URL)
    page.wait("the rules", "document.querySelectorAll('.rule').length === 4")
    page.tell("click", selector="#filter")
    page.tell("type", text="aRCHive")
    assert page.texts(".rule h3") == ["Syslog"]
    assert page.text("#rules-count") == "1 of 4 rules, 6 destinations"
    page.tell("type", text=" of nobody")
    assert page.texts(".rule") == [] and page.text("#rules-none") == "No rule fits."
    assert daemon.running


@contextlib.contextmanager
def _answering(host, port):
    """A server for a health check by TCP."""
    with host.namespace.entered(), socket.create_server((host.v4, port)):
        yield


def test_a_dead_destination_is_bad_and_comes_back(network, daemon, page):
    """It has been dead from the start; the page saw it go down or finds it so."""
    page.open(URL)
    down = page.wait("the destination to be shown as down",
                     "document.querySelector(argument)?.innerText",
                     _row("Syslog", 2) + "[data-state=down] .state")
    assert down.strip() == "down"
    assert page.evaluate("document.querySelector(argument).getAttribute('href')",
                         _row("Syslog", 2) + " .state use") == "#shape-down"
    assert page.evaluate("document.querySelector('#verdict').dataset.level") == "attention"
    assert "1 destination down: Archive (Syslog)" in page.text("#points")
    assert "1 destination down: Archive (Syslog)" in page.evaluate(
        "document.querySelector('[role=status][aria-live=polite]').textContent")
    assert page.text("[aria-label='Rule Syslog'] .states") == "1 down, 1 unchecked"
    page.tell("click", selector="#only-trouble")
    assert page.texts(".rule h3")[0] == "Syslog" and len(page.texts(".rule")) == 2
    with _answering(network.receiver2, CHECKED_PORT):
        page.wait("the destination to be shown as up",
                  "document.querySelector('#points').innerText.indexOf('Archive') < 0")
        page.tell("click", selector="#only-trouble")
        page.wait("its state", "document.querySelector(argument)?.innerText.trim() === 'up'",
                  _row("Syslog", 2) + " .state")
        assert status.destination(daemon.status(), "Syslog",
                                  network.receiver2.v4)["state"] == "up"


def test_a_refused_reload_shows_and_a_good_one_mends_it(network, daemon, page):
    page.open(URL)
    page.wait("no reload so far",
              "document.querySelector('[data-fact=\"Last reload\"]')?.innerText"
              " === 'none since the start'")
    daemon.configure('{"Syslog": {"SOURCEPORT": "99999"}}')
    assert daemon.reload().returncode == 3
    page.wait("the refusal", "document.querySelector('#points').innerText.includes("
              "'The last reload was refused')")
    assert page.text("[data-fact='Last reload']").startswith("refused, ")
    page.tell("click", selector="#reload-report summary")
    assert "SOURCEPORT" in page.text("#reload-text")
    daemon.configure(_config(network))
    assert daemon.reload().returncode == 0
    page.wait("the reload that went well", "document.querySelector("
              "'[data-fact=\"Last reload\"]').innerText.startsWith('done, ')")
    assert "reload" not in page.text("#points")


def test_what_is_not_duplicating_says_so_and_why(network, daemon, page):
    page.open(URL)
    daemon.configure({name: {**value, "ENABLED": False}
                      for name, value in _config(network).items()})
    assert daemon.reload().returncode == 0
    page.wait("the page to say so",
              "document.querySelector('#headline').innerText === 'Not duplicating packets'")
    assert page.evaluate("document.querySelector('#verdict').dataset.level") == "bad"
    assert page.texts("#points li")[0] == daemon.status()["health"] != "ok"
    daemon.configure(_config(network))
    assert daemon.reload().returncode == 0
    page.wait("the page to be content again",
              "document.querySelector('#verdict').dataset.level !== 'bad'")


def test_a_rule_that_is_off_is_no_problem(network, daemon, page):
    away = rule("520", {"ADDRESS": "192.0.2.99", "PORT": 514, "CHECK": "tcp/1"})
    page.open(URL)
    daemon.configure({**_config(network), "Off": {**away, "ENABLED": False}})
    assert daemon.reload().returncode == 0
    card = f"document.querySelector('[aria-label={_label('Rule Off')}]')"
    page.wait("the page to show it", f"{card}?.innerText.includes('disabled')")
    assert "disabled: nothing is duplicated" in page.evaluate(f"{card}.innerText")
    assert "192.0.2.99" not in page.text("#points")
    daemon.configure(_config(network))
    assert daemon.reload().returncode == 0


def _ask_in_vain_until_the_page_waits_long(chromium):
    """Presses the button of a page whose daemon is not there. Each time the page asks at once, and
    then leaves more time before it asks of its own accord: the next press is not too late for it."""
    waits = re.compile(r"Next try in (\d+) s\.$")
    while True:
        why = chromium.text("#stale-why")
        if waits.search(why)[1] == "30":
            break
        chromium.tell("click", selector="#retry")
        chromium.wait("the page to ask at once",
                      "document.querySelector('#stale-why').textContent !== argument", why, 5)


def test_a_stopped_daemon_is_stale_until_it_is_back(daemon, chromium):
    chromium.open(URL)
    chromium.wait("the rules", "document.querySelectorAll('.rule').length === 4")
    before = chromium.number("#received-total")
    daemon.stop()
    chromium.wait("the page to be stale", "document.body.classList.contains('is-stale')")
    assert chromium.text("#stale-since").startswith("Stale since ")
    assert "does not answer" in chromium.text("#stale-why")
    assert "Stale" in chromium.evaluate("document.title")
    assert chromium.evaluate("document.querySelector('#announcer').textContent"
                             ).startswith("Stale since ")
    assert chromium.number("#received-total") == before  # what was known is still there
    for scheme in LIGHT_AND_DARK:
        chromium.tell("scheme", scheme=scheme)
        assert not chromium.tell("axe"), scheme
    _ask_in_vain_until_the_page_waits_long(chromium)
    daemon.start()
    chromium.tell("click", selector="#retry")
    chromium.wait("the page to be fresh", "!document.body.classList.contains('is-stale')")
    assert chromium.number("#received-total") == 0
    # That it asked in vain is all that there is to complain about.
    faults = chromium.tell("seen")["faults"]
    assert faults and all("ERR_CONNECTION_REFUSED" in fault for fault in faults), faults
