# SPDX-License-Identifier: MIT
"""What the kernel does alone: rules written by hand, and plain forwarding."""

import bed as beds
from contender import Contender


class HandWritten(Contender):
    """nft netdev rules: dup to the device for all but the last, fwd for that."""

    name, title = "nft", "nft netdev rules, dup and fwd, static MACs"
    remark = "no neighbour or route lookup, no counters, IPv4 without options or fragments only"
    _each = True  # every copy is given its own MACs and port

    def version(self):
        return self.bed.appliance.run("nft", "--version").stdout.strip()

    def rules(self, setting):
        """The ruleset as text."""
        frame = f"ether saddr set {self.bed.out_mac} ether daddr set {self.bed.receiver_mac} " \
                f"udp dport set {beds.PORT} "
        addresses = setting.addresses()
        lines = [] if self._each else [frame]
        for number, address in enumerate(addresses):
            verb = "dup to" if number < len(addresses) - 1 else "fwd to"
            lines.append(f"{frame if self._each else ''}ip daddr set {address} {verb} \"out\"")
        return "table netdev bench {\n chain copy {\n" + "\n".join(lines) + f"""
 }}
 chain arrivals {{
  type filter hook ingress device "in" priority 0; policy accept;
  ip daddr {beds.APPLIANCE} udp dport {beds.PORT} jump copy
 }}
}}"""

    def start(self, setting):
        self.bed.appliance.run("nft", "-f", "-", stdin=self.rules(setting))

    def stop(self):
        self.bed.appliance.run("nft", "delete", "table", "netdev", "bench", check=False)


class HandWrittenLean(HandWritten):
    """The same with what all copies have in common set once."""

    name, title = "nft-lean", "nft netdev rules, MACs and port set once"
    remark = "only where all destinations share next hop and port"
    _each = False


class Routing(Contender):
    """No duplication at all: the generator's packets are forwarded to the one destination."""

    name, title = "routing", "plain IPv4 forwarding, no copies"
    to = beds.DESTINATIONS[0]
    max_destinations = 1
    remark = "what the bed and the kernel's forwarding cost"

    def version(self):
        return "ip_forward"

    def start(self, setting):
        pass


KERNEL = (HandWritten, HandWrittenLean, Routing)
