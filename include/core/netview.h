/* SPDX-License-Identifier: MIT */
/*
 * What workers need to know of the machine's network: which addresses are its own, and how large
 * a packet may be on the way to each destination. Immutable; a change makes a new one.
 */
#ifndef TRAFFICDUPLICATOR_CORE_NETVIEW_H
#define TRAFFICDUPLICATOR_CORE_NETVIEW_H

#include "core/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stands for "not known": the copy is sent whole, and the kernel says if it was too large. */
#define NETVIEW_MTU_UNKNOWN 0

struct netview {
	struct ip_address *own; /* sorted by netview_create */
	size_t own_count;
	uint32_t *mtu_bytes; /* one per route of the ruleset it was made for */
	size_t route_count;
};

/*
 * Makes a view with copies of both arrays. Returns NULL when memory runs out; free with
 * netview_free.
 */
struct netview *netview_create(const struct ip_address *own, size_t own_count,
			       const uint32_t *mtu_bytes, size_t route_count);
void netview_free(struct netview *view);

/* Whether address is one of the machine's own. */
bool netview_is_own(const struct netview *view, const struct ip_address *address);

#endif
