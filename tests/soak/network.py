# SPDX-License-Identifier: MIT
"""The network of the soak: Star of tests/netns/lib/topology.py, with wires that can be broken and
mended, and with what the kernel itself counted as lost on them.

Behind receiver1 are 10.64.0.1 and fd64::1, which it has itself.
"""

from lib.topology import Star, _offloads_off, wait_running


class SoakStar(Star):
    """Star, mended after faults."""

    BEHIND = {"receiver1": ("10.64.0.1", "fd64::1")}

    def build(self):
        super().build()
        for role, (v4, v6) in self.BEHIND.items():
            getattr(self, role).namespace.ip(f"addr add {v4}/32 dev lo",
                                             f"addr add {v6}/128 dev lo nodad")

    def routes(self, role):
        """The routes that lead to what is behind a host, as `ip route` takes them."""
        host = getattr(self, role)
        return [f"10.64.0.0/24 via {host.v4}", f"fd64::/64 via {host.v6}"] \
            if role in self.BEHIND else []

    def neighbours(self, role):
        """The appliance's neighbour entries of a host, as `ip neigh` takes them."""
        host = getattr(self, role)
        return [f"{address} lladdr {host.mac} nud permanent dev {role}"
                for address in (host.v4, host.v6)]

    def repair(self, role):
        """Puts back what the appliance loses with an interface that goes down: addresses,
        neighbours, routes."""
        host = getattr(self, role)
        self.appliance.ip(f"link set {role} up")
        wait_running(self.appliance, role)
        self.appliance.ip(
            f"addr replace {host.gateway_v4}/24 dev {role}",
            f"addr replace {host.gateway_v6}/64 dev {role} nodad",
            *(f"neigh replace {line}" for line in self.neighbours(role)),
            *(f"route replace {line}" for line in self.routes(role)))

    def repair_client(self, role):
        """The same at a client's own end, and at the appliance's."""
        host = getattr(self, role)
        host.namespace.ip("link set eth0 up")
        self.repair(role)
        wait_running(host.namespace, "eth0")
        host.namespace.ip(
            f"addr replace {host.v4}/24 dev eth0", f"addr replace {host.v6}/64 dev eth0 nodad",
            f"neigh replace {host.gateway_v4} lladdr {host.far_mac} nud permanent dev eth0",
            f"neigh replace {host.gateway_v6} lladdr {host.far_mac} nud permanent dev eth0",
            f"route replace default via {host.gateway_v4}",
            f"route replace ::/0 via {host.gateway_v6}")

    def remove_wire(self, role):
        """Takes a host's wire away, both ends."""
        self.appliance.ip(f"link del {role}")

    def make_wire(self, role):
        """Lays a host's wire anew: interfaces with other indexes and the same addresses."""
        host = getattr(self, role)
        self.appliance.ip(
            f"link add {role} address {host.far_mac} mtu 1500 type veth peer name eth0 "
            f"address {host.mac} mtu 1500 netns {host.namespace.name}")
        host.namespace.ip("link set eth0 up", f"addr add {host.v4}/24 dev eth0",
                          f"addr add {host.v6}/64 dev eth0 nodad")
        self.repair(role)
        host.namespace.ip(
            f"neigh replace {host.gateway_v4} lladdr {host.far_mac} nud permanent dev eth0",
            f"neigh replace {host.gateway_v6} lladdr {host.far_mac} nud permanent dev eth0")
        for namespace, interface in ((self.appliance, role), (host.namespace, "eth0")):
            wait_running(namespace, interface)
            _offloads_off(namespace, interface)

    def wire_drops(self):
        """{role: packets that the kernel lost between the appliance and a host}: at the
        interface's queue, on the wire, and at the host's sockets."""
        sent = _interface_drops(self.appliance)
        return {role: sent.get(role, 0) + _socket_drops(self.namespaces[role])
                for role in self.ROLES}


def _interface_drops(namespace):
    """{interface: packets dropped on their way out}."""
    with namespace.entered(), open("/proc/thread-self/net/dev", encoding="ascii") as file:
        lines = file.read().splitlines()[2:]
    return {name.strip(): int(values.split()[11])
            for name, _, values in (line.partition(":") for line in lines)}


def _socket_drops(namespace):
    """Datagrams that found a socket's buffer full."""
    with namespace.entered():
        with open("/proc/thread-self/net/snmp", encoding="ascii") as file:
            names, values = [line.split() for line in file if line.startswith("Udp:")]
        with open("/proc/thread-self/net/snmp6", encoding="ascii") as file:
            six = dict(line.split() for line in file)
    return int(values[names.index("RcvbufErrors")]) + int(six["Udp6RcvbufErrors"])
