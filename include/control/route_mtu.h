/* SPDX-License-Identifier: MIT */
/* How large a packet may be on the way to an address, asked of the kernel's own route look-up. */
#ifndef TRAFFICDUPLICATOR_CONTROL_ROUTE_MTU_H
#define TRAFFICDUPLICATOR_CONTROL_ROUTE_MTU_H

#include "core/ip.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Looks up each address as for a packet that carries mark (rtnetlink(7), RTM_GETROUTE), and writes
 * to mtu_bytes[i] the smaller of the route's MTU and that of the device it leaves by, for IPv6 the
 * one that IPv6 uses on the device (RFC 4861 4.6.4 lets routers announce it). NETVIEW_MTU_UNKNOWN
 * where there is no way, or where none is stated. Only these routes are read, never a whole table.
 * Returns 0 or -errno.
 */
int route_mtu_find(uint32_t mark, const struct ip_address *addresses, size_t count,
		   uint32_t *mtu_bytes);

#endif
