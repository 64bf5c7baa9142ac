# SPDX-License-Identifier: MIT
"""Many packets: sent = counted = received by both, exactly. The network is Star, drawn in
lib/topology.py, with client1, client2 and the server as senders.

The senders go on as fast as the daemon answers for what they have sent, so that nothing is lost
by overload; each datagram carries its number, and each receiver must have every number once.
"""

import struct

import pytest

from lib import packets, status
from lib.configs import syslog
from lib.daemon import RELEASE

PACKETS, WINDOW = 100_000, 4_000


@pytest.mark.alone
@pytest.mark.parametrize("family", [4, 6])
def test_a_hundred_thousand_packets(star, daemons, family):
    if not RELEASE.exists():
        pytest.skip(f"there is no release build at {RELEASE}")
    receivers = star.receiver1, star.receiver2
    sockets = [host.receiver(port, family) for host, port in zip(receivers, (514, 5514))]
    daemon = daemons(star, program=RELEASE).start(syslog(
        f"{receivers[0].address(family)}/514", f"{receivers[1].address(family)}/5514"))
    clients = star.client1, star.client2, star.server
    to = {c: c.gateway(family) for c in clients}
    share = PACKETS if family == 4 else PACKETS // 4  # what differs by family shows with fewer
    sent = 0
    while sent < share:
        batch = min(WINDOW, share - sent)
        for number in range(sent, sent + batch):
            client = clients[number % 3]
            client.inject(packets.udp_packet(client.address(family), to[client], 5000 + number % 7,
                                             514, struct.pack("!Q", number)))
        sent += batch
        daemon.wait_received(sent)
        for socket in sockets:
            socket.pull()
    found = daemon.status()
    numbers = status.rule(found, "DuplicateSyslog")
    assert found["received_pkts"] == found["matched_by_any_pkts"] == sent
    assert found["queue"]["dropped_kernel_pkts"] == 0
    assert [d["sent_pkts"] for d in numbers["destinations"]] == [sent, sent]
    for socket in sockets:
        received = socket.wait(sent)
        assert sorted(struct.unpack("!Q", payload)[0] for payload, _, _ in received) == \
            list(range(sent))
        senders = {(address, int.from_bytes(payload, "big") % 3)
                   for payload, address, _ in received}
        assert senders == {(client.address(family), n) for n, client in enumerate(clients)}
