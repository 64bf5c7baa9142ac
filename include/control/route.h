/* SPDX-License-Identifier: MIT */
/* The way to an address, asked of the kernel's own route look-up. */
#ifndef TRAFFICDUPLICATOR_CONTROL_ROUTE_H
#define TRAFFICDUPLICATOR_CONTROL_ROUTE_H

#include "core/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct route {
	uint32_t device; /* kernel index of the interface that it leaves by; 0: there is no way */
	/* The smaller of the route's MTU and the device's, for IPv6 the one that IPv6 uses on the
	 * device (RFC 4861 4.6.4 lets routers announce it); 0: not stated. */
	uint32_t mtu_bytes;
	struct ip_address source;  /* sent from by default; AF_UNSPEC: not stated */
	struct ip_address gateway; /* AF_UNSPEC: the address is on the link, or no way */
	/* Packets leave as they are in an Ethernet frame: no tunnel, no local delivery, no
	 * broadcast, and the next hop is of their own family. */
	bool ethernet;
	bool no_carrier;	/* the interface's link is down, and the route has no other */
	uint8_t link_source[6]; /* the address of an Ethernet device */
};

/*
 * Looks up each address as for a packet that carries mark (rtnetlink(7), RTM_GETROUTE). Only these
 * routes are read, never a whole table. An address of no family has no way. Returns 0 or -errno.
 */
int route_find(uint32_t mark, const struct ip_address *addresses, size_t count,
	       struct route *routes);

#endif
