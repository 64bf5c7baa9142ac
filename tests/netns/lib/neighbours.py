# SPDX-License-Identifier: MIT
"""Neighbours as real ones are: found by asking, and now and then asked again.

Star's are known for good from the start, so that no other test has to do with them.
"""

from .waiting import wait_for


def state(star, host, family):
    """What the appliance knows of the host: its line of `ip neigh`, "" where nothing."""
    return star.appliance.run("ip", "neigh", "show", "to", host.address(family), "dev",
                              host.role).stdout.strip()


def forget(star, host, family):
    """The appliance forgets the host, and has to ask."""
    star.appliance.ip(f"neigh del {host.address(family)} dev {host.role}")


def set_state(star, host, family, name, mac=None):
    """The appliance takes the host's address to be in a state (NUD_..., as ip(8) names it)."""
    star.appliance.ip(f"neigh replace {host.address(family)} lladdr {mac or host.mac} "
                      f"nud {name} dev {host.role}")


def wait_state(star, host, family, wanted):
    """Waits until the appliance has the host in this state."""
    wait_for(f"{host.address(family)} to be {wanted}",
             lambda: wanted in state(star, host, family),
             there=lambda: state(star, host, family))


def silence(host):
    """The host answers no more questions for its link-layer address."""
    host.namespace.sysctl(ipv4__conf__all__arp_ignore=8)
    host.namespace.run("nft", "-f", "-", stdin="""
        table ip6 silence {
            chain input {
                type filter hook input priority 0;
                icmpv6 type nd-neighbor-solicit drop
            }
        }""")


def let_speak(host):
    """Takes back silence()."""
    host.namespace.sysctl(ipv4__conf__all__arp_ignore=0)
    host.namespace.run("nft", "delete", "table", "ip6", "silence")
