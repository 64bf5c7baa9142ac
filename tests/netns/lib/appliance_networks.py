# SPDX-License-Identifier: MIT
"""Networks with several appliances, by the addresses of packaging/ha.

Pair, two appliances on two LANs; keepalived gives the .1 and ::1 to one of them:

    client 192.0.2.10, ──┐                 ┌── a ──┐                 ┌── 198.51.100.10 collector1
    2001:db8:1::10       ├── clients' LAN ─┤ .2,.3 ├─ servers' LAN ──┼── 198.51.100.11 collector2
                         │  192.0.2.0/24   └── b ──┘ 198.51.100.0/24 └── 198.51.100.20 server
                            2001:db8:1::/64          2001:db8:2::/64

Cluster, four appliances behind a router, which learns the service address from each by BGP:

    client 10.1.1.10, ────┐            ┌── a1 203.0.113.11, 2001:db8:a::11 ┐
    fd01:1::10            ├── router ──┼── a2          .12                 │ 192.0.2.1 and
    collector1, 2 ────────┘            ├── a3          .13                 │ 2001:db8:5e::1 on lo
    198.51.100.10, .11                 └── a4          .14                 ┘ of each
    2001:db8:2::10, ::11

Both are made once for a file of tests, which take turns at breaking things: ready() mends all.
"""

import json
import struct

from . import ha_page, packets
from .appliances import PACKAGING, Machine
from .capture import Injector
from .namespaces import Namespaces, run
from .numbered import Client, Collector, next_numbers
from .waiting import wait_for

CONFIG = json.loads((PACKAGING / "trafficduplicator.config").read_text(encoding="utf-8"))


class _Network:
    """Namespaces around a switch or router, appliances among them, and what must end with them."""

    HOSTS = ()  # the first is the switch
    APPLIANCES = ()
    COLLECTORS = (("collector1", 10), ("collector2", 11))

    def __init__(self):
        self._kept = []
        self._machines = []
        self.namespaces = Namespaces()
        try:
            self.namespaces.add(*self.HOSTS, *self.APPLIANCES)
            self.switch = self._machine(self.HOSTS[0])
            self.build()
            self.appliances = [self._machine(name) for name in self.APPLIANCES]
            self.collectors = [
                self.keep(Collector(name, self.namespaces[name], f"198.51.100.{last}",
                                    f"2001:db8:2::{last}")) for name, last in self.COLLECTORS]
        except BaseException:
            self.remove()
            raise

    def build(self):
        """Makes the wires and addresses."""
        raise NotImplementedError

    def ports_of(self, name):
        """The switch's ports that lead to an appliance."""
        raise NotImplementedError

    def _machine(self, name):
        self._machines.append(Machine(name, self.namespaces[name]))
        return self._machines[-1]

    def keep(self, closable):
        """Closes it with the network."""
        self._kept.append(closable)
        return closable

    def wire(self, bridge, *ends):
        """Makes a bridge in the switch; ends: (port, whom it leads to, the interface there)."""
        lines = [f"link add {bridge} type bridge forward_delay 0 mcast_snooping 0",
                 f"link set {bridge} up"]
        for port, name, interface in ends:
            lines += [f"link add {port} type veth peer name {interface} "
                      f"netns {self.namespaces[name].name}",
                      f"link set {port} master {bridge}", f"link set {port} up"]
        self.switch.namespace.ip(*lines)

    def address(self, name, interface, *addresses):
        """Gives an interface its addresses, and switches it on."""
        self.namespaces[name].ip(
            f"link set {interface} up",
            *(f"addr add {a} dev {interface}{' nodad' if ':' in a else ''}" for a in addresses))

    def as_the_page_says(self, name, heading, word):
        """Runs commands of docs/high-availability.md."""
        for command in ha_page.commands(heading, word):
            self.namespaces[name].run(*command)

    def client(self, *addresses, **keywords):
        """Starts a client that sends to these addresses."""
        return self.keep(Client(self.namespaces["client"], *addresses, **keywords))

    def cut_off(self, machine):
        """The end of a machine: its power fails, and so do its links."""
        self.set_ports("down", *self.ports_of(machine.name))
        machine.die()

    def set_ports(self, state, *ports):
        """Switches ports of the switch "up" or "down"."""
        self.switch.namespace.ip(*(f"link set {port} {state}" for port in ports))

    def start(self, machine, config):
        """Has a machine's daemon run, neither drained nor cut off."""
        machine.drain("end")
        if not machine.runs_daemon:
            machine.start_daemon(config)
        self.set_ports("up", *self.ports_of(machine.name))

    def remove(self):
        """Judges the daemons, ends everything in the network, and removes it."""
        faults = []
        for closable in self._kept:
            closable.close()
        for machine in self._machines:
            try:
                machine.remove()
            except AssertionError as error:
                faults.append(str(error))
        self.namespaces.remove()
        assert not faults, "\n\n".join(faults)


class Pair(_Network):
    """Two appliances of which one has the service address; see the drawing above."""

    HOSTS = ("switch", "client", "collector1", "collector2", "server")
    APPLIANCES = ("a", "b")
    SERVICE = ("192.0.2.1", "2001:db8:1::1")
    SERVER = ("198.51.100.20", "2001:db8:2::20")
    _OUTER = (("192.0.2.1/24", "eth0"), ("2001:db8:1::1/64", "eth0"),
              ("198.51.100.1/24", "eth1"), ("2001:db8:2::1/64", "eth1"))

    def build(self):
        self.wire("clients", ("client", "client", "eth0"),
                  *((f"{name}0", name, "eth0") for name in self.APPLIANCES))
        self.wire("servers", *((name, name, "eth0") for name in self.HOSTS[2:]),
                  *((f"{name}1", name, "eth1") for name in self.APPLIANCES))
        self.address("client", "eth0", "192.0.2.10/24", "2001:db8:1::10/64")
        self.namespaces["client"].ip(  # for gateway.conf
            "route add default via 192.0.2.1", "route add ::/0 via 2001:db8:1::1")
        for last, name in enumerate(self.APPLIANCES, 2):
            self.as_the_page_says(name, "Inline, as a gateway", "sysctl")
            self.address(name, "eth0", f"192.0.2.{last}/24", f"2001:db8:1::{last}/64")
            self.address(name, "eth1", f"198.51.100.{last}/24", f"2001:db8:2::{last}/64")
        for name, last in (*self.COLLECTORS, ("server", 20)):
            self.address(name, "eth0", f"198.51.100.{last}/24", f"2001:db8:2::{last}/64")

    def ports_of(self, name):
        return f"{name}0", f"{name}1"

    def cut_off(self, machine):
        super().cut_off(machine)
        # keepalived's addresses are gone with the power.
        for address, interface in self._OUTER:
            run("ip", "-n", machine.namespace.name, "addr", "del", address, "dev", interface,
                check=False)

    def ready(self, keepalived="keepalived.conf", edits=(str, str), config=None):
        """All runs and is healthy; returns who has the service address, and who has not."""
        for machine, edit in zip(self.appliances, edits):
            self.start(machine, config or CONFIG)
            if not machine.runs("keepalived"):
                machine.start_keepalived(f"keepalived/{keepalived}", edit)
        wait_for("both to be rated healthy", lambda: all(
            m.runs("keepalived") and m.is_rated_healthy() for m in self.appliances),
                 there=self._said)
        return self.holder()

    def _said(self):
        return "\n".join(f"{m.name}:\n{m.log()[-3000:]}" for m in self.appliances)

    def holder(self):
        """Waits until just one has the service address; returns it and the other."""
        def only_one():
            found = [m for m in self.appliances if m.has_addresses(*self.SERVICE)]
            return found if len(found) == 1 else None
        found = wait_for("one appliance to have the service address", only_one, there=self._said)
        return found + [m for m in self.appliances if m not in found]


class Cluster(_Network):
    """Four appliances behind a router; see the drawing above."""

    HOSTS = ("router", "client", "collector1", "collector2")
    APPLIANCES = ("a1", "a2", "a3", "a4")
    SERVICE = ("192.0.2.1", "2001:db8:5e::1")
    _FIRST = 11

    def build(self):
        self.wire("appliances", *((name, name, "eth0") for name in self.APPLIANCES))
        self.wire("clients", ("client", "client", "eth0"))
        self.wire("collectors", *((name, name, "eth0") for name, _ in self.COLLECTORS))
        self.address("router", "appliances", "203.0.113.1/24", "2001:db8:a::1/64")
        self.address("router", "clients", "10.1.1.1/24", "fd01:1::1/64")
        self.address("router", "collectors", "198.51.100.1/24", "2001:db8:2::1/64")
        self.as_the_page_says("router", "The router", "sysctl")
        self.address("client", "eth0", "10.1.1.10/24", "fd01:1::10/64")
        self.namespaces["client"].ip("route add default via 10.1.1.1",
                                     "route add ::/0 via fd01:1::1")
        for last, name in enumerate(self.APPLIANCES, self._FIRST):
            self.address(name, "eth0", f"203.0.113.{last}/24", f"2001:db8:a::{last}/64")
            self.as_the_page_says(name, "A cluster behind a router, with BIRD", "ip")
            self.namespaces[name].ip("route add default via 203.0.113.1",
                                     "route add ::/0 via 2001:db8:a::1")
        for name, last in self.COLLECTORS:
            self.address(name, "eth0", f"198.51.100.{last}/24", f"2001:db8:2::{last}/64")

    def ports_of(self, name):
        return (name,)

    def hash_by(self, what):
        """What the router chooses an appliance by."""
        policy = {"addresses": 0, "addresses and ports": 1}[what]
        self.namespaces["router"].sysctl(ipv4__fib_multipath_hash_policy=policy,
                                         ipv6__fib_multipath_hash_policy=policy)

    def ready(self):
        """All runs, and the router sends to all appliances."""
        if not self.switch.runs("bird"):
            self.switch.start_bird("bird/router.conf")
        for machine in self.appliances:
            self.start(machine, CONFIG)
            if not machine.runs("bird"):
                machine.start_bird("bird/appliance.conf")
            if not machine.runs("announcing"):
                machine.start_announcing()
        self.wait_next_hops(self.appliances)

    def send_datagrams(self, count, pieces):
        """Sends so many datagrams of both families, each from a port of its own and in so many
        packets, exactly as given; returns their numbers."""
        mac = {name: run("ip", "-n", self.namespaces[role].name, "-br", "link", "show", name)
               .stdout.split()[2] for role, name in (("client", "eth0"), ("router", "clients"))}
        injector = Injector(self.namespaces["client"], "eth0",
                            *(bytes.fromhex(m.replace(":", "")) for m in mac.values()))
        first = next_numbers()
        for n in range(2 * count):
            source, to = (("10.1.1.10", "fd01:1::10")[n % 2], self.SERVICE[n % 2])
            payload = struct.pack("!Q", first + n).ljust(1000 * pieces, b"x")
            whole = packets.udp_packet(source, to, 5000 + n // 2, 514, payload,
                                       **({} if n % 2 else {"ident": n + 1}))
            injector.send(*packets.fragments(whole, 1000 + 60, ident=n + 1)
                          if pieces > 1 else [whole])
        injector.close()
        return range(first, first + 2 * count)

    def next_hops(self, address):
        """The appliances to which the router's kernel sends what goes to an address."""
        words = run("ip", "-n", self.namespaces["router"].name,
                    "-6" if ":" in address else "-4", "route", "show", address).stdout.split()
        gateways = {after for word, after in zip(words, words[1:]) if word == "via"}
        return {machine for last, machine in enumerate(self.appliances, self._FIRST)
                if gateways & {f"203.0.113.{last}", f"2001:db8:a::{last}"}}

    def wait_next_hops(self, machines):
        """Waits until the router sends to just these."""
        def found():
            return {address: self.next_hops(address) for address in self.SERVICE}

        def said():
            hops = {address: [m.name for m in there] for address, there in found().items()}
            return f"{hops}\n" + "\n".join(f"{m.name}:\n{m.log()[-1000:]}" for m in self.appliances)
        wait_for("the router to send to just those appliances",
                 lambda: all(hops == set(machines) for hops in found().values()), there=said)
