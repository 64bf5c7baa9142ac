# SPDX-License-Identifier: MIT
"""Faults of wires, interfaces, routes and neighbours; and of hosts at their ends."""

import re

from fault import Fault
from lib.waiting import wait_for

IN_FLIGHT = "what is on its way through an interface as it goes down is counted nowhere"


class _OnAWire(Fault):
    ROLES = ("receiver1", "receiver2")

    def __init__(self, soak, rng):
        super().__init__(soak, rng)
        self.role = rng.choice(self.ROLES)
        self.touches = self.role


class LinkDown(_OnAWire):
    """The interface towards a receiver goes down, and its routes and neighbours with it."""

    name = "link down"

    def __init__(self, soak, rng):
        super().__init__(soak, rng)
        self.may_lose = {f"copies {self.role}": IN_FLIGHT, "copies named": IN_FLIGHT}

    def begin(self):
        self.star.appliance.ip(f"link set {self.role} down")

    def end(self):
        self.star.repair(self.role)


class ClientLinkDown(_OnAWire):
    """A client's own interface goes down: what it cannot send is not sent, all else arrives."""

    name = "client's link down"
    ROLES = ("client1", "client2")
    _WHY = "it waits for a neighbour's address: the client's kernel has counted it as sent"
    may_lose = {"unseen": _WHY, "originals": _WHY, "others": _WHY}

    def begin(self):
        getattr(self.star, self.role).namespace.ip("link set eth0 down")

    def end(self):
        self.star.repair_client(self.role)


class ArrivalLinkDown(ClientLinkDown):
    """The appliance's interface towards a client goes down, and its addresses and routes with it.
    The client goes on sending into the wire."""

    name = "interface of arrival down"
    _WHY = "sent by a client whose wire has just lost its other end: its kernel counts only some"
    may_lose = {"unseen": _WHY, "originals": _WHY, "others": _WHY}

    def begin(self):
        self.star.appliance.ip(f"link set {self.role} down")

    def end(self):
        self.star.repair(self.role)


class InterfaceRecreated(LinkDown):
    """The interface is removed, and comes back with another index."""

    name = "interface recreated"

    def begin(self):
        self.star.remove_wire(self.role)

    def end(self):
        self.star.make_wire(self.role)


class RouteDeleted(Fault):
    """The routes to what is behind receiver1."""

    name, touches = "routes deleted", "receiver1"

    def begin(self):
        self.star.appliance.ip(*(f"route del {line}" for line in self.star.routes("receiver1")))

    def end(self):
        self.star.appliance.ip(*(f"route replace {line}"
                                 for line in self.star.routes("receiver1")))


class MtuLowered(_OnAWire):
    """The way to a receiver becomes narrower, and wide again."""

    name = "MTU lowered"

    def begin(self):
        self.star.appliance.ip(f"link set {self.role} mtu {self.rng.choice((1280, 1300, 1400))}")

    def end(self):
        self.star.appliance.ip(f"link set {self.role} mtu 1500")


class NeighbourFlushed(_OnAWire):
    """A receiver's link-layer address is forgotten, and has to be asked for."""

    name = "neighbours flushed"

    def __init__(self, soak, rng):
        super().__init__(soak, rng)
        why = "packets that wait for a neighbour's answer are dropped where they are too many"
        self.may_lose = {f"copies {self.role}": why, "copies named": why}

    def begin(self):
        host = getattr(self.star, self.role)
        self.star.appliance.ip(f"neigh del {host.v4} dev {self.role}",
                               f"neigh del {host.v6} dev {self.role}")

    def end(self):
        self.star.appliance.ip(*(f"neigh replace {line}"
                                 for line in self.star.neighbours(self.role)))


class QdiscFull(_OnAWire):
    """The way to a receiver is slower than what is to go there."""

    name = "queue of an interface full"

    def _tbf(self, verb, rate):
        self.star.appliance.run("tc", "qdisc", verb, "dev", self.role, "root", "handle", "7:",
                                "tbf", "rate", rate, "burst", "20kb", "limit", "60kb")

    def _empty(self):
        shown = self.star.appliance.run("tc", "-s", "qdisc", "show", "dev", self.role).stdout
        return shown if "backlog 0b 0p" in shown else None

    def begin(self):
        self._tbf("add", self.rng.choice(("500kbit", "2mbit")))

    def end(self):
        self._tbf("change", "1gbit")
        shown = wait_for("the qdisc to be empty", self._empty)
        self.explained = {self.role: int(re.search(r"dropped (\d+)", shown)[1])}
        self.star.appliance.run("tc", "qdisc", "del", "dev", self.role, "root")


class DestinationRefuses(_OnAWire):
    """A receiver answers with ICMP errors, which it sends to the true client."""

    name = "destination refuses"

    def begin(self):
        host = getattr(self.star, self.role)
        host.namespace.ip(f"route replace 10.1.0.0/16 via {host.gateway_v4}",
                          f"route replace fd01::/16 via {host.gateway_v6}")
        host.namespace.run("nft", "-f", "-", stdin="""
            table inet refusing {
                counter refused {}
                chain input {
                    type filter hook input priority 0;
                    meta l4proto udp counter name refused reject
                }
            }""")

    def end(self):
        host = getattr(self.star, self.role)
        host.namespace.run("nft", "flush", "chain", "inet", "refusing", "input")
        shown = host.namespace.run("nft", "list", "counter", "inet", "refusing", "refused").stdout
        self.explained = {self.role: int(re.search(r"packets (\d+)", shown)[1])}
        host.namespace.run("nft", "delete", "table", "inet", "refusing")
        host.namespace.ip("route del 10.1.0.0/16", "route del fd01::/16")


class AddressComesAndGoes(Fault):
    """The appliance gets another address, and loses it again."""

    name, touches = "address changed", "address"

    def begin(self):
        self.star.appliance.ip("addr add 10.3.1.77/24 dev server",
                               "addr add fd03:1::77/64 dev server nodad")

    def end(self):
        self.star.appliance.ip("addr del 10.3.1.77/24 dev server",
                               "addr del fd03:1::77/64 dev server")
