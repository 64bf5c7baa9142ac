/* SPDX-License-Identifier: MIT */
#include "control/doctor_neighbours.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <netlink/addr.h>
#include <netlink/netlink.h>
#include <netlink/route/neighbour.h>
#include <netlink/socket.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>

/* Three questions a second apart (ip-sysctl.rst, ucast_solicit and mcast_solicit), and some more:
 * to all on the link, and before that, where there is an old address, to that. */
enum { ROUNDS = 2, WAIT_MS = 4000, STEP_MS = 50 };

static struct nl_addr *libnl_address(const struct ip_address *address)
{
	return nl_addr_build(address->family, address->bytes, ip_length_bytes(address->family));
}

static enum doctor_neighbour_state state_from_kernel(int state)
{
	if (state & (NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP))
		return DOCTOR_NEIGHBOUR_KNOWN;
	/* It had an address once: whether it still answers there is to be asked. */
	if (state & (NUD_STALE | NUD_DELAY | NUD_PROBE))
		return DOCTOR_NEIGHBOUR_OLD;
	return state & NUD_FAILED ? DOCTOR_NEIGHBOUR_SILENT : DOCTOR_NEIGHBOUR_UNKNOWN;
}

/* Reads the kernel's tables. Returns 0 or -errno. */
static int look(struct nl_sock *socket, struct doctor_neighbour *neighbours, size_t count)
{
	struct nl_cache *cache;

	if (rtnl_neigh_alloc_cache(socket, &cache) < 0)
		return -EIO;
	for (size_t i = 0; i < count; i++) {
		struct nl_addr *address = libnl_address(&neighbours[i].address);
		struct rtnl_neigh *entry =
			address ? rtnl_neigh_get(cache, (int)neighbours[i].device, address) : NULL;

		if (entry && rtnl_neigh_get_state(entry) >= 0)
			neighbours[i].state = state_from_kernel(rtnl_neigh_get_state(entry));
		rtnl_neigh_put(entry);
		nl_addr_put(address);
	}
	nl_cache_free(cache);
	return 0;
}

/* Returns whether the kernel asks. One with an old address would be asked only after a delay
 * (delay_first_probe_time), but for being put in the state that comes after it. */
static bool ask(struct nl_sock *socket, const struct doctor_neighbour *neighbour)
{
	const bool is_old = neighbour->state == DOCTOR_NEIGHBOUR_OLD;
	struct rtnl_neigh *entry = rtnl_neigh_alloc();
	struct nl_addr *address = libnl_address(&neighbour->address);
	bool asks = false;

	if (entry && address) {
		rtnl_neigh_set_ifindex(entry, (int)neighbour->device);
		rtnl_neigh_set_family(entry, neighbour->address.family);
		rtnl_neigh_set_dst(entry, address);
		if (!is_old)
			rtnl_neigh_set_flags(entry, NTF_USE);
		rtnl_neigh_set_state(entry, is_old ? NUD_PROBE : NUD_NONE);
		asks = rtnl_neigh_add(socket, entry, is_old ? NLM_F_REPLACE : NLM_F_CREATE) == 0;
	}
	rtnl_neigh_put(entry);
	nl_addr_put(address);
	return asks;
}

static bool is_open(const struct doctor_neighbour *neighbour)
{
	return neighbour->state == DOCTOR_NEIGHBOUR_UNKNOWN ||
	       neighbour->state == DOCTOR_NEIGHBOUR_OLD;
}

static bool any_open(const struct doctor_neighbour *neighbours, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_open(&neighbours[i]))
			return true;
	}
	return false;
}

/* Asks for those not known, also for those given up earlier, but none twice in the same way.
 * Returns whether any is asked for now. */
static bool ask_all(struct nl_sock *socket, struct doctor_neighbour *neighbours, size_t count)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		struct doctor_neighbour *neighbour = &neighbours[i];
		const bool is_old = neighbour->state == DOCTOR_NEIGHBOUR_OLD;

		if (neighbour->state == DOCTOR_NEIGHBOUR_KNOWN || neighbour->asked_all ||
		    !ask(socket, neighbour))
			continue;
		neighbour->asked_all = !is_old;
		if (!is_old)
			neighbour->state = DOCTOR_NEIGHBOUR_UNKNOWN;
		any = true;
	}
	return any;
}

int doctor_neighbours_find(struct doctor_neighbour *neighbours, size_t count)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
	struct nl_sock *socket = nl_socket_alloc();
	int result = socket && nl_connect(socket, NETLINK_ROUTE) == 0 ? 0 : -EIO;

	for (size_t i = 0; i < count; i++)
		neighbours[i].state = DOCTOR_NEIGHBOUR_UNKNOWN;
	if (result == 0)
		result = look(socket, neighbours, count);
	for (int round = 0; result == 0 && round < ROUNDS; round++) {
		if (!ask_all(socket, neighbours, count))
			break;
		for (int waited_ms = 0; result == 0 && waited_ms < WAIT_MS; waited_ms += STEP_MS) {
			nanosleep(&step, NULL);
			result = look(socket, neighbours, count);
			if (!any_open(neighbours, count))
				break;
		}
	}
	nl_socket_free(socket);
	return result;
}
