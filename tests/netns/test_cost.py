# SPDX-License-Identifier: MIT
"""What many rules cost: no time for those that do not match, and little memory.

The network is Star, drawn in lib/topology.py.
"""

import pathlib
import re
import statistics
import struct
import time

import pytest

from lib import packets, status
from lib.configs import rule
from lib.daemon import RELEASE

pytestmark = pytest.mark.once
RULES, BATCH = 1000, 12_000
ROUNDS, ROUNDS_MAX = 15, 75
LEAST = 0.9


def _rules(star, count):
    """Rules on one port, each for clients of its own; the last is that of client1's packets."""
    to = f"{star.receiver1.v4}/514"
    clients = [f"172.{16 + n // 256}.{n % 256}.0/24" for n in range(count - 1)] + ["10.1.1.0/24"]
    return {f"Rule {n}": rule("514", to, SOURCEADDRESS=net) for n, net in enumerate(clients)}


@pytest.mark.alone
@pytest.mark.skipif(not RELEASE.exists(), reason=f"there is no release build at {RELEASE}")
def test_a_thousand_rules_are_as_fast_as_one(star, daemons):
    """Measured in turns with the same daemon, reloaded between them."""
    packet = packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514, bytes(200))
    receiver = star.receiver1.receiver(514)
    daemon = daemons(star, program=RELEASE).start(_rules(star, 1))
    rates = {1: [], RULES: []}
    ratio = 0
    # What else the machine does makes single rounds differ by half: where the medians of a few do
    # not tell, those of more do.
    while len(rates[1]) < ROUNDS or (ratio < LEAST and len(rates[1]) < ROUNDS_MAX):
        for count in rates:
            daemon.configure(_rules(star, count))
            assert daemon.reload().returncode == 0
            # Nobody asks for the status of a thousand rules: that has a cost of its own.
            begun = time.monotonic()
            star.client1.inject(*[packet] * BATCH)
            receiver.wait(BATCH)
            rates[count].append(BATCH / (time.monotonic() - begun))
        one, many = (statistics.median(rates[count]) for count in (1, RULES))
        ratio = many / one
    found = daemon.wait_received(2 * len(rates[1]) * BATCH)
    assert found["queue"]["dropped_kernel_pkts"] == 0
    print(f"one rule {one:.0f} packets/s, {RULES} rules {many:.0f} packets/s: {ratio:.3f} "
          f"in {len(rates[1])} rounds")
    assert ratio >= LEAST, rates


@pytest.mark.skipif(not RELEASE.exists(), reason=f"there is no release build at {RELEASE}")
def test_memory_of_a_thousand_rules(star, daemons):
    """1,000 rules with 8 destinations each: below 64 MiB, after traffic and reloads, too."""
    rules = {f"Rule {n}": rule("514", *(f"10.64.0.{d}/{1000 + n}" for d in range(1, 9)),
                               SOURCEADDRESS=f"172.{16 + n // 256}.{n % 256}.0/24")
             for n in range(RULES)}
    daemon = daemons(star, program=RELEASE).start(rules)

    def resident_kib():
        text = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1])
    star.client1.inject(*(packets.udp_packet(f"172.{16 + n // 256}.{n % 256}.9", star.server.v4,
                                             5000, 514, struct.pack("!I", n))
                          for n in range(RULES)))
    found = daemon.wait_received(RULES)
    assert all(status.rule(found, name)["duplicated_pkts"] == 1 for name in rules)
    before = resident_kib()
    for _ in range(3):
        assert daemon.reload().returncode == 0
    print(f"{before} KiB, after three reloads {resident_kib()} KiB")
    assert before < 64 << 10 and resident_kib() < 64 << 10
