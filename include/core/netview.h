/* SPDX-License-Identifier: MIT */
/*
 * What workers need to know of the machine's network: which addresses are its own, and on the way
 * to each destination how large a packet may be and who the next hop is. Immutable; a change makes
 * a new one.
 */
#ifndef TRAFFICDUPLICATOR_CORE_NETVIEW_H
#define TRAFFICDUPLICATOR_CORE_NETVIEW_H

#include "core/ip.h"

#include <linux/if_packet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stands for "not known": the copy is sent whole, and the kernel says if it was too large. */
#define NETVIEW_MTU_UNKNOWN 0

/* The way out to one destination address. */
struct netview_route {
	uint32_t mtu_bytes;
	/* The link is down: what the kernel is given for it vanishes without an error. */
	bool no_carrier;
	/* What this machine sends from when it goes that way; AF_UNSPEC where there is no way. */
	struct ip_address source;
	/* The next hop on the link, as a packet socket wants it (packet(7)): device, protocol and
	 * link-layer address. sll_ifindex 0: not resolved, the kernel has to find the way. */
	struct sockaddr_ll link;
	/* The address of the device itself, where the next hop is resolved. */
	uint8_t link_source[6];
};

/* An interface that rules name and that is there. */
struct netview_interface {
	uint32_t kernel_index;
	uint32_t number; /* the ruleset's */
};

struct netview {
	struct ip_address *own; /* sorted by netview_create */
	size_t own_count;
	struct netview_route *routes; /* one per route of the ruleset it was made for */
	size_t route_count;
	struct netview_interface *interfaces; /* sorted by kernel index */
	size_t interface_count;
};

/*
 * Makes a view with copies of all arrays. interfaces has the kernel's index of each interface of
 * the ruleset, 0 where it is not there. Returns NULL when memory runs out; free with netview_free.
 */
struct netview *netview_create(const struct ip_address *own, size_t own_count,
			       const struct netview_route *routes, size_t route_count,
			       const uint32_t *interfaces, size_t interface_count);
void netview_free(struct netview *view);

/* Whether address is one of the machine's own. */
bool netview_is_own(const struct netview *view, const struct ip_address *address);

/*
 * The ruleset's number for the interface with this kernel index, or NETVIEW_NO_INTERFACE where no
 * rule names it.
 */
uint32_t netview_interface(const struct netview *view, uint32_t kernel_index);
#define NETVIEW_NO_INTERFACE UINT32_MAX

#endif
