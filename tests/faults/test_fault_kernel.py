# SPDX-License-Identifier: MIT
"""What the kernel keeps for the appliance overflows: netlink's buffers, a device's queue, the table
of connections; or its clock is another one. Packets flow all the while; see lib/passage.py.
"""

import pathlib

import pytest

from lib import packets, status
from lib.configs import syslog
from lib.fastpath import FastPath
from lib.passage import Passage
from lib.waiting import wait_for

ROUTES = 3000


def _netlink_drops(daemon):
    """What was dropped at the process's netlink sockets, all together."""
    pid = daemon.process.pid
    inodes = {str(path.readlink())[8:-1] for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()
              if str(path.readlink()).startswith("socket:")}
    lines = pathlib.Path(f"/proc/{pid}/net/netlink").read_text().splitlines()[1:]
    return sum(int(words[8]) for words in map(str.split, lines) if words[9] in inodes)


def test_a_flood_of_route_changes(star, daemons):
    """More than the socket that hears of them can take: the last one is followed all the same."""
    daemon = daemons(star).start(syslog(star.receiver1.v4, star.receiver2.v4))
    passage = Passage(star, daemon)
    before = _netlink_drops(daemon)
    net = [f"10.{100 + n // 250}.{n % 250}.0/24 via 10.3.1.2" for n in range(ROUTES)]

    def flood():
        star.appliance.ip(*(f"route add {line}" for line in net),
                          *(f"route del {line}" for line in net))
        return _netlink_drops(daemon) > before
    wait_for("an overrun", flood)
    star.appliance.ip("link set receiver1 mtu 600")
    found = passage.finish()
    assert status.dropped(status.destination(found, "DuplicateSyslog", star.receiver1.v4)) == 0
    capture = star.receiver1.capture()
    sent = 0

    def in_pieces():
        nonlocal sent
        star.client1.inject(packets.udp_packet(star.client1.v4, star.server.v4, 5000, 514,
                                               bytes(1000)))
        sent += 1
        daemon.wait_received(passage.stream.count + sent)
        return len(capture.take_udp()) == 2
    wait_for("copies by the new MTU", in_pieces)


@pytest.mark.way("ip", reason="see test_a_full_device_queue of test_link.py and "
                 "test_fastpath_changes.py")
def test_a_full_device_queue(star, daemons):
    """What the queue of the way out drops is counted as no_buffer; all else has arrived."""
    star.appliance.run("tc", "qdisc", "add", "dev", "receiver1", "root", "tbf", "rate", "400kbit",
                       "burst", "3000", "limit", "3000")
    daemon = daemons(star).start(syslog(star.receiver1.v4, star.receiver2.v4))
    passage = Passage(star, daemon)
    wait_for("drops", lambda: status.destination(
        daemon.status(), "DuplicateSyslog", star.receiver1.v4)["dropped"]["no_buffer"] > 100)
    star.appliance.run("tc", "qdisc", "del", "dev", "receiver1", "root")
    passage.goes_on()
    found = passage.finish(lost=["receiver1"])  # what waited in the queue has gone with it
    one, two = (status.destination(found, "DuplicateSyslog", host.v4)
                for host in (star.receiver1, star.receiver2))
    assert {r for r, n in one["dropped"].items() if n} == {"no_buffer"}
    assert one["sent_pkts"] - len(passage.seen["receiver1"]) <= 100
    assert status.dropped(two) == 0


def test_the_table_of_connections_stays_empty(star, daemons):
    """Full or not, it is none of ours: neither originals nor copies take a place there, though the
    admin's firewall tracks all else."""
    star.appliance.run("nft", "-f", "-", stdin="""
        table inet admin_firewall {
            chain forward {
                type filter hook forward priority 0;
                ct state invalid,new,established,untracked accept
            }
            chain output {
                type filter hook output priority 0;
                ct state new,established,untracked accept
            }
        }""")
    daemon = daemons(star).start(syslog(star.receiver1.v4, star.receiver2.v4))
    passage = Passage(star, daemon)

    def tracked():
        path = "/proc/sys/net/netfilter/nf_conntrack_count"
        return int(star.appliance.run("cat", path).stdout)
    star.client1.inject(packets.udp_packet(star.client1.v4, star.server.v4, 5000, 9, b"other"))
    wait_for("other traffic to be tracked", lambda: tracked() == 1, there=tracked)
    passage.finish()
    assert tracked() == 1


@pytest.mark.way("fastpath", reason="only the fast path has two clocks")
def test_a_time_namespace(star, daemons):
    """Where the daemon's clock is not the kernel's, the fast path serves, and stops serving when
    the daemon hangs."""
    if not pathlib.Path("/proc/self/timens_offsets").exists():
        pytest.skip("this kernel has no time namespaces")
    fast = FastPath(star, daemons(star, wrapper=["unshare", "-T", "--monotonic", "1000000"]),
                    syslog(star.receiver1.v4))
    fast.goes("kernel")
    at_receiver = star.receiver1.capture()
    fast.daemon.freeze()
    star.client1.inject(*fast.plain(count=10))
    assert at_receiver.take_udp() == [], "a program whose daemon hangs goes on serving"
    fast.daemon.thaw()
    fast.sent += 10
    fast.daemon.wait_received(fast.sent)
    fast.goes("kernel")


@pytest.mark.once
def test_without_proc(star, daemons):
    """A chroot or container that has none: a clear word, and no start."""
    daemon = daemons(star, wrapper=["unshare", "-m", "sh", "-c", 'umount -l /proc && exec "$@"',
                                    "sh"])
    daemon.spawn(config=syslog(star.receiver1.v4))
    assert daemon.wait_exit() == 1
    assert "/proc" in daemon.stderr()
    assert "trafficduplicator" not in star.appliance.run("nft", "list", "ruleset").stdout
