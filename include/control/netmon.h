/* SPDX-License-Identifier: MIT */
/* The machine's addresses and routes, through libnl-3, and word of every change to them. */
#ifndef TRAFFICDUPLICATOR_CONTROL_NETMON_H
#define TRAFFICDUPLICATOR_CONTROL_NETMON_H

#include "core/ip.h"
#include "core/netview.h"
#include "core/ruleset.h"

#include <event2/event.h>

struct netmon;

/* Called on the control loop after addresses, links, routes or next hops changed; a storm of
 * changes makes at most ten calls a second, and the last change is always followed by one. */
typedef void netmon_changed(void *context);

/*
 * Begins to listen for changes. Routes are looked up as for packets that carry mark, since routing
 * sees the copies' mark. Returns 0 or -errno.
 */
int netmon_open(struct netmon **netmon, struct event_base *base, uint32_t mark,
		netmon_changed *changed, void *context);
void netmon_close(struct netmon *netmon);

/*
 * Whether views have the next hops' link-layer addresses, and changes to the next hops of the last
 * view are reported. Off at first. Returns 0 or -errno.
 */
int netmon_follow_links(struct netmon *netmon, bool wanted);

/*
 * The network as it is now: own addresses of all interfaces, for each of ruleset->routes the
 * smaller of the route's MTU and the device's (NETVIEW_MTU_UNKNOWN where there is no route), the
 * source address and, with netmon_follow_links, the next hop where it is resolved
 * (control/neighbour.h) and no tunnel stands before it; and the index of each interface that rules
 * name. Returns 0 or -errno; the caller frees *view.
 */
int netmon_view(struct netmon *netmon, const struct ruleset *ruleset, struct netview **view);

/* All addresses of the machine, each with its network; *addresses is freed with free(3). Needs no
 * privilege. Returns 0 or -errno. */
int netmon_addresses(struct ip_interface_address **addresses, size_t *count);

#endif
