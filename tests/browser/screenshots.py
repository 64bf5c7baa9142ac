#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make screenshots: the status page as README shows it, docs/images/status-page-*.png.

A real daemon in a network namespace, with real packets for as long as the plots go back: two
sources of syslog, NetFlow, a few traps, one server that is down, one without a route to it.
The narrow page goes to build/browser/, to be looked at. usage: screenshots.py [SECONDS]
"""

import contextlib
import math
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

FOLDER = pathlib.Path(__file__).resolve().parent
REPOSITORY = FOLDER.parents[1]
sys.path.insert(0, str(FOLDER.parent / "netns"))
os.environ["TD_PROGRAM"] = str(REPOSITORY / "build/trafficduplicator")

# pylint: disable=wrong-import-position
from browser import Browser  # noqa: E402
from lib import packets  # noqa: E402
from lib.configs import rule  # noqa: E402
from lib.daemon import Daemon  # noqa: E402
from lib.topology import Star  # noqa: E402

CONFIG = pathlib.Path("/etc/trafficduplicator/trafficduplicator.config")
IMAGES = REPOSITORY / "docs/images"
URL = "http://127.0.0.1:9514/"
PLOT_S = 305
CHECKED_PORT = 6514
STEP_S = 0.05
# Packets per second on a port, at a second since the start.
RATES = {
    514: lambda t: 620 + 90 * math.sin(t / 31) + 60 * math.sin(t / 5)
    + (700 if 140 < t < 152 else 0),
    2055: lambda t: 1500 + 260 * math.sin(t / 47) + 90 * math.sin(t / 3),
    162: lambda t: 3,
    1812: lambda t: 90 if 200 < t < 225 else 0,
}


def config(star):
    """What a site of some size might have."""
    one, two = star.receiver1.v4, star.receiver2.v4

    def to(name, address, port, **keys):
        return {"ADDRESS": address, "PORT": port, "NAME": name, **keys}
    check = {"CHECK": f"tcp/{CHECKED_PORT}"}
    return {
        "Syslog": rule("514", to("siem-a", one, 514, **check), to("siem-b", two, 514),
                       to("archive", two, 1514, CHECK="tcp/9")),
        "NetFlow": rule(["2055", "4739"], to("collector-1", one, 2055, **check),
                        to("collector-2", one, 2056, **check), to("collector-3", two, 2055),
                        BALANCE="hash"),
        "Traps": rule("162", to("nms-1", one, 162, **check), to("nms-2", two, 162),
                      BALANCE="failover"),
        "RADIUS accounting": rule("1812-1813", to("billing", "198.51.100.20", 1813)),
        "SETTINGS": {"FASTPATH": "auto"},
    }


@contextlib.contextmanager
def servers(star):
    """What answers the health checks."""
    with star.receiver1.namespace.entered():
        server = socket.create_server((star.receiver1.v4, CHECKED_PORT))

    def answer():
        with contextlib.suppress(OSError):
            while True:
                server.accept()[0].close()
    threading.Thread(target=answer, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def datagrams(star, port):
    """A few hundred clients of one kind."""
    return [packets.udp_packet(f"10.1.1.{2 + n % 250}", star.client1.gateway_v4, 5000 + n, port,
                               b"." * (180 if port == 514 else 1300 if port == 2055 else 90))
            for n in range(500)]


def send(star, from_s, to_s):
    """Sends at RATES: the time that passes here is what the plots show. What a busy machine had no
    time for is not made up for."""
    made = {port: datagrams(star, port) for port in RATES}
    due = dict.fromkeys(RATES, 0.0)
    begin = time.monotonic() - from_s
    last_s = from_s
    while last_s < to_s:
        time.sleep(STEP_S)
        now_s = time.monotonic() - begin
        for port, rate in RATES.items():
            due[port] += rate(now_s) * min(now_s - last_s, 3 * STEP_S)
            count = int(due[port])
            due[port] -= count
            star.client1.inject(*made[port][:count])
            made[port] = made[port][count:] + made[port][:count]
        last_s = now_s


def take_pictures(browser):
    """Light and dark for README, with as many colours as they need; narrow to be looked at."""
    IMAGES.mkdir(exist_ok=True)
    for scheme in ("light", "dark"):
        path = IMAGES / f"status-page-{scheme}.png"
        browser.tell("scheme", scheme=scheme)
        browser.tell("screenshot", path=str(path), full=False)
        subprocess.run(["pngquant", "--force", "--strip", "--output", path, "96", path], check=True)
        browser.tell("screenshot", path=str(REPOSITORY / f"build/browser/full-{scheme}.png"))
    browser.tell("resize", width=360, height=4000)
    browser.evaluate("new Promise((done) => setTimeout(done, 3000))")
    browser.tell("screenshot", path=str(REPOSITORY / "build/browser/narrow.png"))


def picture(seconds):
    """All of it."""
    star = Star()
    try:
        daemon = Daemon(star.appliance)
        daemon.configure(config(star))
        subprocess.run(["mount", "--bind", daemon.directory, CONFIG.parent], check=True)
        daemon.config_path = CONFIG
        with servers(star):
            daemon.start()
            browser = Browser(star.appliance)
            browser.open(URL, width=1000, height=1075)
            send(star, 0, seconds / 2)
            assert daemon.reload().returncode == 0
            send(star, seconds / 2, seconds)
            take_pictures(browser)
            browser.close()
            daemon.finish()
    finally:
        star.remove()


def main():
    """In a mount namespace of its own, so that the configuration can stand where it always does."""
    if "--inside" in sys.argv:
        picture(float(sys.argv[-1]))
        return
    seconds = sys.argv[1] if len(sys.argv) > 1 else str(PLOT_S)
    is_new = not CONFIG.parent.exists()
    CONFIG.parent.mkdir(exist_ok=True)
    try:
        subprocess.run(["unshare", "--mount", "--propagation", "private", sys.executable, __file__,
                        "--inside", seconds], check=True)
    finally:
        if is_new:
            CONFIG.parent.rmdir()


if __name__ == "__main__":
    main()
