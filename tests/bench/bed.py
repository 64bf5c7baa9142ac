# SPDX-License-Identifier: MIT
"""The test bed: three namespaces, two cores, and the counters that judge a trial.

    generator eth0 ──── in [ appliance ] out ──── eth0 receivers
    10.1.0.2                10.1.0.1              10.2.0.1 to .64, all behind one wire
    clients 10.1.1.0 ...

What the appliance does runs on one core: RPS hands every frame that arrives on `in` to it, and
every process of a contender is bound to it. The generator and the softirq of the receivers (RPS
again) have the other. Receivers are a counter per destination at nftables' ingress hook, which
drops what it has counted: no socket, no route lookup, nothing that could be the bottleneck.
Neighbours are static, GRO, GSO, TSO and transmit checksum offload are off on every wire.
"""

import contextlib
import json
import os
import time

from lib.namespaces import Namespaces, run
from lib.waiting import wait_for

APPLIANCE = "10.1.0.1"
FIRST_CLIENT = "10.1.1.0"
CLIENTS = 256
PORT = 2055
DESTINATIONS = [f"10.2.0.{n}" for n in range(1, 65)]
SYSCTLS = {
    # Room in the receivers' backlog for the time in which the generator has their core.
    "net.core.netdev_max_backlog": 16384,
    # What the manuals of all contenders ask for at high rates.
    "net.core.rmem_max": 1 << 25,
    "net.core.wmem_max": 1 << 25,
}
_REST_S = 0.05  # counters that did not move for so long are at rest


class GlobalSettings:
    """Sysctls that no namespace has of its own: set for the run, put back at its end."""

    def __init__(self):
        self._former = {}

    def apply(self):
        """Raises each to what SYSCTLS says."""
        for key, value in SYSCTLS.items():
            path = "/proc/sys/" + key.replace(".", "/")
            with open(path, encoding="ascii") as file:
                self._former[path] = file.read()
            with open(path, "w", encoding="ascii") as file:
                file.write(str(value))

    def restore(self):
        """Puts back what was there."""
        for path, value in self._former.items():
            with open(path, "w", encoding="ascii") as file:
                file.write(value)
        self._former.clear()


def softnet(core):
    """A core's packets taken in and dropped at its full backlog, since boot."""
    with open("/proc/net/softnet_stat", encoding="ascii") as file:
        for line in file:
            words = [int(word, 16) for word in line.split()]
            if words[12] == core:
                return {"taken": words[0], "dropped": words[1]}
    raise AssertionError(f"/proc/net/softnet_stat has no core {core}")


def busy_s(core):
    """The time a core was not idle, up to a constant."""
    with open("/proc/stat", encoding="ascii") as file:
        words = next(line for line in file if line.startswith(f"cpu{core} ")).split()
    idle = int(words[4]) + int(words[5])
    return time.monotonic() - idle / os.sysconf("SC_CLK_TCK")


class Bed:
    """The namespaces and their wires. core: the appliance's; other_core: everything else's.

    tuned: for figures; without it, the machine's own settings stay as they are.
    """

    def __init__(self, core, other_core, tuned=True):
        self.core, self.other_core = core, other_core
        self._settings = GlobalSettings()
        self._namespaces = Namespaces()
        try:
            self._namespaces.add("generator", "appliance", "receivers")
            self.generator, self.appliance, self.receivers = (
                self._namespaces[role] for role in ("generator", "appliance", "receivers"))
            self._wires()
            self._addresses()
            self._counters()
            self._device_counter = self._open_device_counter()
            if tuned:
                self._settings.apply()
        except BaseException:
            self.remove()
            raise

    def _wires(self):
        for role, near in ((self.generator, "in"), (self.receivers, "out")):
            run("ip", "link", "add", near, "netns", self.appliance.name, "type", "veth",
                "peer", "name", "eth0", "netns", role.name)
        for namespace, device, core in (
                (self.generator, "eth0", self.other_core), (self.appliance, "in", self.core),
                (self.appliance, "out", self.core), (self.receivers, "eth0", self.other_core)):
            namespace.run("ethtool", "-K", device, "gro", "off", "gso", "off", "tso", "off",
                          "tx", "off")
            # /sys of a namespace is seen where it was mounted, and ip netns exec mounts it.
            run("ip", "netns", "exec", namespace.name, "sh", "-c",
                f"echo {1 << core:x} >/sys/class/net/{device}/queues/rx-0/rps_cpus")
            namespace.ip(f"link set {device} up")

    def _addresses(self):
        self.in_mac = self._mac(self.appliance, "in")
        self.out_mac = self._mac(self.appliance, "out")
        self.receiver_mac = self._mac(self.receivers, "eth0")
        self.generator.ip("addr add 10.1.0.2/16 dev eth0")
        self.appliance.sysctl(ipv4__ip_forward=1, ipv4__conf__in__rp_filter=0,
                              ipv4__conf__out__rp_filter=0)
        self.appliance.ip(
            f"addr add {APPLIANCE}/16 dev in", "addr add 10.2.0.254/24 dev out",
            *(f"neigh add {a} lladdr {self.receiver_mac} nud permanent dev out"
              for a in DESTINATIONS))
        self.receivers.ip(*(f"addr add {a}/24 dev eth0" for a in DESTINATIONS))

    @staticmethod
    def _mac(namespace, device):
        return json.loads(namespace.run("ip", "-j", "link", "show", device).stdout)[0]["address"]

    def _counters(self):
        elements = ", ".join(f"{a} counter" for a in DESTINATIONS)
        self.receivers.run("nft", "-f", "-", stdin=f"""
            table netdev bench {{
                set destinations {{ type ipv4_addr; counter; elements = {{ {elements} }} }}
                chain arrivals {{
                    type filter hook ingress device "eth0" priority 0; policy accept;
                    udp dport {PORT} ip daddr @destinations drop
                }}
            }}""")

    def _open_device_counter(self):
        with self.receivers.entered():
            return os.open("/proc/thread-self/net/dev", os.O_RDONLY | os.O_CLOEXEC)

    def arrived(self):
        """All frames that reached the receivers' device: cheap to read, and for waiting only."""
        for line in os.pread(self._device_counter, 4096, 0).decode().splitlines():
            name, _, numbers = line.partition(":")
            if name.strip() == "eth0":
                return int(numbers.split()[1])
        raise AssertionError("the receivers have no eth0")

    def delivered(self):
        """Copies that arrived at each destination so far, in the order of DESTINATIONS."""
        listed = json.loads(self.receivers.run(
            "nft", "-j", "list", "set", "netdev", "bench", "destinations").stdout)
        elements = next(e["set"]["elem"] for e in listed["nftables"] if "set" in e)
        counts = {e["elem"]["val"]: e["elem"]["counter"]["packets"] for e in elements}
        return [counts[a] for a in DESTINATIONS]

    def wait_rest(self, timeout_s=30.0):
        """Waits until no more copies arrive; returns when the last one was seen to."""
        last = {"count": self.arrived(), "at": time.monotonic()}

        def still():
            count, now = self.arrived(), time.monotonic()
            if count != last["count"]:
                last.update(count=count, at=now)
            return now - last["at"] >= _REST_S
        while not still():
            if time.monotonic() - last["at"] > timeout_s:
                break
            time.sleep(0.001)
        return last["at"]

    def wait_bound(self, port=PORT):
        """Waits until somebody on the appliance listens to a UDP port."""
        def bound():
            with self.appliance.entered(), open("/proc/thread-self/net/udp",
                                                encoding="ascii") as file:
                return any(line.split()[1].endswith(f":{port:04X}")
                           for line in list(file)[1:])
        wait_for(f"a socket at UDP port {port}", bound)

    def remove(self):
        """Puts everything back."""
        self._settings.restore()
        with contextlib.suppress(AttributeError):
            os.close(self._device_counter)
        self._namespaces.remove()
