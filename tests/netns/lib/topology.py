# SPDX-License-Identifier: MIT
"""Networks made of namespaces and veth pairs.

Star, the network of nearly all tests; the appliance routes, and is addressed too:

    client1 10.1.1.2 ──── .1 ┐               ┌ .1 ──── 10.2.1.2 receiver1
            fd01:1::2        │               │         fd02:1::2
                             ├── appliance ──┤
    client2 10.1.2.2 ──── .1 ┘               ├ .1 ──── 10.2.2.2 receiver2
            fd01:2::2                        │         fd02:2::2
                                             └ .1 ──── 10.3.1.2 server: where originals go
                                                       fd03:1::2
    Behind receiver1, as far as the appliance's routes go: 10.64.0.0/24 and fd64::/64.

Bridge, the appliance as a bump in the wire, with an address of its own on br0:

    client1 10.9.0.11 ──┐                                ┌── 10.9.0.20 server
            fd09::11    ├── [ br0 10.9.0.1, fd09::1 ] ───┤   fd09::20
    client2 10.9.0.12 ──┘       appliance ── .1          └── 10.9.0.31 receiver1, on the same wire
            fd09::12                         │               fd09::31
                                        10.2.2.2 receiver2, on a wire of its own
                                        fd02:2::2

Every interface but the appliance's is eth0; the appliance's are named after whom they lead to.
Only clients have a way back to everywhere: so the only ICMP errors that a client can see are the
appliance's own. Neighbours are known from the start, checksum and segmentation offloads are off,
so that what is captured is what is on the wire, and the appliance's ICMP errors are not rate
limited, so that one that must not be is seen.
"""

import array
import fcntl
import socket
import struct

from .capture import Capture, Injector, Receiver
from .namespaces import Namespaces, run
from .waiting import wait_for

_SIOCGIFFLAGS, _IFF_RUNNING = 0x8913, 0x40
_SIOCETHTOOL = 0x8946
_ETHTOOL_STXCSUM, _ETHTOOL_STSO, _ETHTOOL_SGSO, _ETHTOOL_SGRO = 0x17, 0x1F, 0x24, 0x2C


def _offloads_off(namespace, interface):
    """As `ethtool -K INTERFACE tx off tso off gso off gro off`."""
    with namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in (_ETHTOOL_STSO, _ETHTOOL_SGSO, _ETHTOOL_SGRO, _ETHTOOL_STXCSUM):
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            fcntl.ioctl(control, _SIOCETHTOOL, request.ljust(40, b"\0"))


def _is_running(namespace, interface):
    """Whether the interface is up, its carrier is, and the kernel has taken note of both."""
    with namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16s24x", interface.encode())
        flags = struct.unpack_from("H", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)[0]
    return bool(flags & _IFF_RUNNING)


def wait_running(namespace, interface):
    """Waits until an interface that was set up carries: until then packets vanish."""
    wait_for(f"{namespace.name} {interface} to carry", lambda: _is_running(namespace, interface))


def _mac(text):
    return bytes.fromhex(text.replace(":", ""))


class Host:
    """A machine at the end of one wire to the appliance."""

    def __init__(self, network, role, v4, v6, mac, far_mac, inject_mac):
        self.role, self.v4, self.v6 = role, v4, v6
        self.mac, self.far_mac = mac, far_mac
        self.gateway_v4 = self.gateway_v6 = None
        self.namespace = network.namespaces[role]
        self._network = network
        self._inject_mac = inject_mac
        self._injector = None
        self._fencer = None

    def address(self, family):
        """The host's address of family 4 or 6."""
        return self.v4 if family == 4 else self.v6

    def gateway(self, family):
        """The appliance's address on this wire of Star, family 4 or 6."""
        return self.gateway_v4 if family == 4 else self.gateway_v6

    def inject(self, *data):
        """Sends IP packets towards the appliance, exactly as given."""
        if self._injector is None:
            self._injector = self._network.keep(
                Injector(self.namespace, "eth0", _mac(self.mac), _mac(self._inject_mac)))
        self._injector.send(*data)

    def rewired(self):
        """Its wire is another one now: what is injected next goes there."""
        self._injector = self._fencer = None

    def capture(self):
        """Starts a capture of what reaches the host."""
        if self._fencer is None:
            self._fencer = self._network.keep(
                Injector(self._network.appliance, self.role, _mac(self.far_mac), _mac(self.mac)))
        return self._network.keep(Capture(self.namespace, "eth0", self._fencer.fence))

    def receiver(self, port, family=4, address=None):
        """Opens a real UDP socket on the host."""
        address = address or self.address(family)
        return self._network.keep(Receiver(self.namespace, address, port))

    def socket(self, family=4, port=0):
        """A UDP socket to send from, bound to the host's address."""
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        with self.namespace.entered():
            sender = self._network.keep(socket.socket(kind, socket.SOCK_DGRAM))
            sender.bind((self.address(family), port))
        return sender


class Network:
    """What both networks have in common."""

    ROLES = ()
    OTHER_INTERFACES = ()  # of the appliance

    def __init__(self, mtu=None):
        self._mtu = mtu or {}
        self._kept = []
        self.namespaces = Namespaces()
        try:
            self.namespaces.add("appliance", *self.ROLES)
            self.appliance = self.namespaces["appliance"]
            self.appliance.sysctl(
                ipv4__ip_forward=1, ipv6__conf__all__forwarding=1,
                ipv4__icmp_ratelimit=0, ipv6__icmp__ratelimit=0,
                ipv4__conf__all__send_redirects=0, ipv4__conf__default__send_redirects=0)
            self.build()
            self._settle()
        except BaseException:
            self.namespaces.remove()
            raise

    def build(self):
        """Makes the wires."""
        raise NotImplementedError

    def keep(self, closable):
        """Closes it with the network."""
        self._kept.append(closable)
        return closable

    def wires(self):
        """Makes a veth pair from the appliance to each role; returns {role: (mac, far mac)}."""
        macs, lines = {}, []
        for number, role in enumerate(self.ROLES, 1):
            macs[role] = f"02:00:00:00:{number:02x}:02", f"02:00:00:00:{number:02x}:01"
            mtu = f"mtu {self._mtu.get(role, 1500)}"
            lines.append(
                f"link add {role} address {macs[role][1]} {mtu} type veth peer name eth0 "
                f"address {macs[role][0]} {mtu} netns {self.namespaces[role].name}")
            lines.append(f"link set {role} up")
        self.appliance.ip(*lines)
        return macs

    def _settle(self):
        """Waits until every wire carries, which the kernel arranges in the background.

        Until then packets vanish. The interfaces' queues are set up right after IFF_RUNNING
        appears, under the lock that the change of offloads needs too: so that comes last.
        """
        ends = [(self.appliance, role) for role in self.ROLES + self.OTHER_INTERFACES]
        ends += [(self.namespaces[role], "eth0") for role in self.ROLES]
        for namespace, interface in ends:
            wait_running(namespace, interface)
            _offloads_off(namespace, interface)

    def hosts(self):
        """All hosts."""
        return [getattr(self, role) for role in self.ROLES]

    def remove(self):
        """Ends everything in the network and removes it."""
        for closable in self._kept:
            closable.close()
        self.namespaces.remove()


def _has_way_back(role):
    return role.startswith("client")


class Star(Network):
    """The appliance as a router; see the drawing above. mtu: {role: MTU of its wire}."""

    ROLES = ("client1", "client2", "receiver1", "receiver2", "server")
    _NETS = {"client1": (1, 1), "client2": (1, 2), "receiver1": (2, 1), "receiver2": (2, 2),
             "server": (3, 1)}

    def build(self):
        macs = self.wires()
        lines = []
        for role, (kind, number) in self._NETS.items():
            net4, net6 = f"10.{kind}.{number}", f"fd{kind:02}:{number}:"
            mac, far_mac = macs[role]
            host = Host(self, role, f"{net4}.2", f"{net6}:2", mac, far_mac, far_mac)
            host.gateway_v4, host.gateway_v6 = f"{net4}.1", f"{net6}:1"
            setattr(self, role, host)
            lines += [f"addr add {net4}.1/24 dev {role}", f"addr add {net6}:1/64 dev {role} nodad",
                      f"neigh add {net4}.2 lladdr {mac} nud permanent dev {role}",
                      f"neigh add {net6}:2 lladdr {mac} nud permanent dev {role}"]
            host.namespace.ip(
                "link set eth0 up", f"addr add {net4}.2/24 dev eth0",
                f"addr add {net6}:2/64 dev eth0 nodad",
                f"neigh add {net4}.1 lladdr {far_mac} nud permanent dev eth0",
                f"neigh add {net6}:1 lladdr {far_mac} nud permanent dev eth0",
                *((f"route add default via {net4}.1", f"route add ::/0 via {net6}:1")
                  if _has_way_back(role) else ()))
        lines += ["route add 10.64.0.0/24 via 10.2.1.2", "route add fd64::/64 via fd02:1::2"]
        self.appliance.ip(*lines)


class Bridge(Network):
    """The appliance as a bridge; see the drawing above."""

    ROLES = ("client1", "client2", "server", "receiver1", "receiver2")
    OTHER_INTERFACES = ("br0",)
    _LAST = {"client1": 11, "client2": 12, "server": 20, "receiver1": 31}
    BRIDGE_MAC = "02:00:00:00:ff:01"

    def build(self):
        run("modprobe", "-q", "br_netfilter", check=False)
        macs = self.wires()
        self.appliance.ip(
            f"link add br0 address {self.BRIDGE_MAC} type bridge forward_delay 0 mcast_snooping 0",
            "link set br0 up", "addr add 10.9.0.1/24 dev br0", "addr add fd09::1/64 dev br0 nodad",
            *(f"link set {role} master br0" for role in self._LAST))
        self.appliance.sysctl(**{"bridge__bridge-nf-call-iptables": 1,
                                 "bridge__bridge-nf-call-ip6tables": 1})
        for role, last in self._LAST.items():
            mac, far_mac = macs[role]
            host = Host(self, role, f"10.9.0.{last}", f"fd09::{last}", mac, far_mac,
                        macs["server"][0])
            setattr(self, role, host)
            self._join(host, macs, last)
        mac, far_mac = macs["receiver2"]
        self.receiver2 = Host(self, "receiver2", "10.2.2.2", "fd02:2::2", mac, far_mac, far_mac)
        self.appliance.ip(
            "addr add 10.2.2.1/24 dev receiver2", "addr add fd02:2::1/64 dev receiver2 nodad",
            f"neigh add 10.2.2.2 lladdr {mac} nud permanent dev receiver2",
            f"neigh add fd02:2::2 lladdr {mac} nud permanent dev receiver2")
        self.receiver2.namespace.ip("link set eth0 up", "addr add 10.2.2.2/24 dev eth0",
                                    "addr add fd02:2::2/64 dev eth0 nodad")
        # Those on the same wire as the clients keep their ICMP errors to themselves.
        for role in ("server", "receiver1"):
            self.namespaces[role].run("nft", "-f", "-", stdin="""
                table inet silent {
                    chain output {
                        type filter hook output priority 0;
                        icmp type destination-unreachable drop
                        icmpv6 type destination-unreachable drop
                    }
                }""")
        # The bridge learns where everybody is from here, and not by flooding during a test.
        run("bridge", "-n", self.appliance.name, "-batch", "-", stdin="".join(
            f"fdb replace {macs[role][0]} dev {role} master static\n" for role in self._LAST))

    def _join(self, host, macs, last):
        others = [("1", self.BRIDGE_MAC)] + [
            (str(self._LAST[role]), macs[role][0]) for role in self._LAST if role != host.role]
        host.namespace.ip(
            "link set eth0 up", f"addr add 10.9.0.{last}/24 dev eth0",
            f"addr add fd09::{last}/64 dev eth0 nodad",
            *(line for end, mac in others for line in (
                f"neigh add 10.9.0.{end} lladdr {mac} nud permanent dev eth0",
                f"neigh add fd09::{end} lladdr {mac} nud permanent dev eth0")))
        self.appliance.ip(
            f"neigh add {host.v4} lladdr {host.mac} nud permanent dev br0",
            f"neigh add {host.v6} lladdr {host.mac} nud permanent dev br0")

    def to_appliance(self, host):
        """An injector from host to the bridge's own address."""
        return self.keep(Injector(host.namespace, "eth0", _mac(host.mac), _mac(self.BRIDGE_MAC)))
