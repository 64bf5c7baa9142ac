# SPDX-License-Identifier: MIT
"""The fast path from outside: which way packets took, and where its program is.

What is queued is counted by nft, in the chain that queues; what the kernel's program serves never
gets there.
"""

import ctypes
import errno
import json
import os
import pathlib
import platform
import struct

from . import packets, status
from .configs import settings
from .namespaces import run
from .waiting import wait_for

# Runs a program as a kernel before 6.6 would have it: without tcx links.
OLD_KERNEL = ["/usr/bin/python3", str(pathlib.Path(__file__).with_name("old_kernel.py"))]

_libc = ctypes.CDLL(None, use_errno=True)
_SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_BPF_PROG_QUERY, _TCX_INGRESS = 16, 46  # include/uapi/linux/bpf.h
_ROOM = 16


def linked_programs(namespace, interface):
    """The ids of all programs at an interface's ingress by tcx links, whoever's they are."""
    ids, index = (ctypes.c_uint32 * _ROOM)(), _index(namespace, interface)
    with namespace.entered():
        attributes = ctypes.create_string_buffer(
            struct.pack("=IIIIQI", index, _TCX_INGRESS, 0, 0, ctypes.addressof(ids), _ROOM), 64)
        if _libc.syscall(_SYS_BPF, _BPF_PROG_QUERY, attributes, 64) != 0:
            error = ctypes.get_errno()
            if error == errno.EINVAL:  # a kernel without such links
                return []
            raise OSError(error, f"BPF_PROG_QUERY of {interface}: {os.strerror(error)}")
    return list(ids)[:struct.unpack_from("=I", attributes, 24)[0]]


def _index(namespace, interface):
    return json.loads(namespace.run("ip", "-j", "link", "show", interface).stdout)[0]["ifindex"]


def filters(namespace, interface):
    """The tc filters at an interface's ingress, as tc lists them; None without such a qdisc."""
    found = namespace.run("tc", "qdisc", "show", "dev", interface).stdout
    if "clsact" not in found:
        return None
    return namespace.run("tc", "filter", "show", "dev", interface, "ingress").stdout


def interfaces(namespace):
    """The names of all interfaces of a namespace, but for its loopback."""
    found = json.loads(namespace.run("ip", "-j", "link").stdout)
    return [link["ifname"] for link in found if link["ifname"] != "lo"]


def is_loaded(program):
    """Whether the kernel still has the program of this id."""
    return run("bpftool", "prog", "show", "id", str(program), check=False).returncode == 0


def queued_pkts(namespace):
    """How many packets the rules have queued since they were last put up."""
    text = namespace.run("nft", "-j", "list", "chain", "inet", "trafficduplicator",
                         "duplicate").stdout
    return sum(e["counter"]["packets"] for item in json.loads(text)["nftables"]
               if "rule" in item for e in item["rule"]["expr"] if "counter" in e)


class FastPath:
    """A daemon with FASTPATH auto, and what its clients send."""

    def __init__(self, network, daemon, rules, **values):
        self.network = network
        self.values = {"FASTPATH": "auto", **values}
        self.daemon = daemon.start(settings(rules, **self.values))
        self.sent = 0

    def reload(self, rules, **values):
        """Puts other rules and SETTINGS in force."""
        self.values.update(values)
        self.daemon.configure(settings(rules, **self.values))
        done = self.daemon.reload()
        assert done.returncode == 0, done
        return done.stdout

    def queued_of(self, send, count):
        """Calls send, waits until that many more packets that match have been dealt with, and
        returns how many of them were queued."""
        before = queued_pkts(self.network.appliance)
        send()
        self.sent += count
        self.daemon.wait_received(self.sent)
        return queued_pkts(self.network.appliance) - before

    def send(self, *data, host=None, count=None):
        """Has client1, or host, send packets; as queued_of."""
        host = host or self.network.client1
        return self.queued_of(lambda: host.inject(*data), len(data) if count is None else count)

    def plain(self, family=4, count=1, port=514):
        """Packets in transit from client1 that have nothing special."""
        client, server = self.network.client1, self.network.server
        return [packets.udp_packet(client.address(family), server.address(family), 5000, port,
                                   struct.pack("!Q", self.sent + n)) for n in range(count)]

    def goes(self, way, family=4):
        """Sends packets until one goes that way, "kernel" or "queue"."""
        wait_for(f"packets to go by the {way}", lambda: self.send(*self.plain(family)) ==
                 (way == "queue"), there=lambda: status.shown(self.daemon.status()))

    def sentence(self, name="R"):
        """What status says of the rule."""
        return status.rule(self.daemon.status(), name)["fastpath"]
