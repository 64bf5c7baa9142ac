/* SPDX-License-Identifier: MIT */
/* Link-layer addresses of next hops, as the kernel knows them (rtnetlink(7), RTM_GETNEIGH). */
#ifndef TRAFFICDUPLICATOR_CONTROL_NEIGHBOUR_H
#define TRAFFICDUPLICATOR_CONTROL_NEIGHBOUR_H

#include "core/ip.h"

#include <linux/if_packet.h>
#include <netlink/socket.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A next hop: on this device (kernel index), this address. */
struct neighbour {
	uint32_t device;
	struct ip_address address;
	struct sockaddr_ll link; /* the answer; sll_ifindex 0: not resolved */
};

/* Sorts next hops and takes out repeated ones. Returns how many are left. */
size_t neighbour_sort(struct neighbour *neighbours, size_t count);

/* A next hop among sorted ones, or NULL. */
const struct neighbour *neighbour_find(const struct neighbour *sorted, size_t count,
				       uint32_t device, const struct ip_address *address);

/*
 * Fills the links, which are to be those of the last time, or zero. Resolved is what the kernel has
 * confirmed (NUD_REACHABLE) or been told (NUD_PERMANENT), and what was resolved the last time while
 * the kernel asks whether it still holds (NUD_PROBE). What it knows from before, and would go on to
 * use for a while (NUD_STALE and NUD_DELAY, RFC 4861 7.3.2), it is asked to confirm now, which
 * needs CAP_NET_ADMIN, and counts as not resolved until it is confirmed. Returns 0 or -errno.
 */
int neighbour_resolve(struct neighbour *neighbours, size_t count);

/*
 * Has the kernel ask those that are resolved whether they are still there. To be called more often
 * than the kernel by itself lets a confirmed one become stale, which it does after 15 s at the
 * earliest where nothing else is set (RFC 4861 6.3.2, base_reachable_time): copies that do not go
 * through its own output do not make it ask. Needs CAP_NET_ADMIN. Returns 0 or -errno.
 */
int neighbour_refresh(struct neighbour *neighbours, size_t count);

/* Opens a socket that hears of changes to all neighbours of the machine; the caller frees it with
 * nl_socket_free. Returns 0 or -errno. */
int neighbour_listen(struct nl_sock **socket);

/*
 * Takes all that the socket has heard, without waiting. Returns whether the links of sorted are no
 * longer what neighbour_resolve would answer, or one of them is to be confirmed: what happens to
 * other neighbours is of no interest, and there may be many of them.
 */
bool neighbour_heard(struct nl_sock *socket, const struct neighbour *sorted, size_t count);

#endif
