/* SPDX-License-Identifier: MIT */
#include "control/netmon.h"

#include "control/neighbour.h"
#include "control/route.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Between two calls. While it lasts, changes pile up in the socket, and are dropped by the kernel
 * when it is full: that something changed is all that has to be known. */
#define INTERVAL_MS 100

/* Between two questions whether next hops are still there. */
#define REFRESH_S 8

struct netmon {
	uint32_t mark;
	netmon_changed *changed;
	void *context;
	struct nl_sock *changes;
	struct event readable;
	struct event interval;
	/* Where links are followed; else neighbours is NULL, and there are no hops. */
	struct nl_sock *neighbours;
	struct event neighbours_readable;
	struct event refresh;
	bool neighbours_changed;
	struct neighbour *hops; /* of the last view, sorted */
	size_t hop_count;
};

static int error_from_libnl(int error)
{
	switch (-error) {
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
		return -EPERM;
	default:
		return -EIO;
	}
}

/* Takes all messages away unread. An overrun (ENOBUFS) is a change like any other, and the queue
 * must be empty before the kernel adds to it again (net/netlink/af_netlink.c, netlink_rcv_wake). */
static void drain(int fd)
{
	char byte;

	while (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENOBUFS ||
	       errno == EINTR)
		;
}

/* Reads first and reports then: what changes in between makes the socket readable again. The
 * callback comes last, since it may close. */
static void report(struct netmon *netmon)
{
	const struct timeval interval = {.tv_usec = INTERVAL_MS * 1000};

	event_del(&netmon->readable);
	drain(nl_socket_get_fd(netmon->changes));
	netmon->neighbours_changed = false;
	event_add(&netmon->interval, &interval);
	netmon->changed(netmon->context);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	report(context);
}

static void on_interval(evutil_socket_t fd, short what, void *context)
{
	struct netmon *netmon = context;

	(void)fd;
	(void)what;
	if (netmon->neighbours_changed)
		report(netmon);
	else
		event_add(&netmon->readable, NULL);
}

/* Neighbours are heard of all the time, as most of it does not count; what does keeps to the
 * interval like any other change. */
static void on_neighbours(evutil_socket_t fd, short what, void *context)
{
	struct netmon *netmon = context;

	(void)fd;
	(void)what;
	if (!neighbour_heard(netmon->neighbours, netmon->hops, netmon->hop_count))
		return;
	netmon->neighbours_changed = true;
	if (!event_pending(&netmon->interval, EV_TIMEOUT, NULL))
		report(netmon);
}

/* Opens the socket that hears of changes. Returns 0 or -errno. */
static int listen_for_changes(struct netmon *netmon)
{
	int error;

	netmon->changes = nl_socket_alloc();
	if (!netmon->changes)
		return -ENOMEM;
	error = nl_connect(netmon->changes, NETLINK_ROUTE);
	if (error == 0)
		error = nl_socket_add_memberships(
			netmon->changes, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
			RTNLGRP_IPV6_IFINFO, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
			RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NONE);
	/* Nexthop objects (Linux 5.3) can change without a word about the routes that use them
	 * (net.ipv4.nexthop_compat_mode=0); a kernel without them refuses. */
	if (error == 0)
		nl_socket_add_membership(netmon->changes, RTNLGRP_NEXTHOP);
	if (error == 0)
		error = nl_socket_set_nonblocking(netmon->changes);
	return error < 0 ? error_from_libnl(error) : 0;
}

int netmon_open(struct netmon **out, struct event_base *base, uint32_t mark,
		netmon_changed *changed, void *context)
{
	struct netmon *netmon = calloc(1, sizeof(*netmon));
	int result;

	if (!netmon)
		return -ENOMEM;
	netmon->mark = mark;
	netmon->changed = changed;
	netmon->context = context;
	result = listen_for_changes(netmon);
	if (result < 0)
		goto out;
	event_assign(&netmon->readable, base, nl_socket_get_fd(netmon->changes),
		     EV_READ | EV_PERSIST, on_readable, netmon);
	evtimer_assign(&netmon->interval, base, on_interval, netmon);
	if (event_add(&netmon->readable, NULL) < 0) {
		result = -ENOMEM;
		goto out;
	}
	*out = netmon;
	return 0;
out:
	nl_socket_free(netmon->changes);
	free(netmon);
	return result;
}

/* That it fails now is no harm: what becomes stale is followed, and asked then. */
static void on_refresh(evutil_socket_t fd, short what, void *context)
{
	struct netmon *netmon = context;

	(void)fd;
	(void)what;
	neighbour_refresh(netmon->hops, netmon->hop_count);
}

static void forget_links(struct netmon *netmon)
{
	if (!netmon->neighbours)
		return;
	event_del(&netmon->refresh);
	event_del(&netmon->neighbours_readable);
	nl_socket_free(netmon->neighbours);
	netmon->neighbours = NULL;
	free(netmon->hops);
	netmon->hops = NULL;
	netmon->hop_count = 0;
}

int netmon_follow_links(struct netmon *netmon, bool wanted)
{
	const struct timeval refresh_interval = {.tv_sec = REFRESH_S};
	int error;

	if (!wanted)
		forget_links(netmon);
	if (!wanted || netmon->neighbours)
		return 0;
	error = neighbour_listen(&netmon->neighbours);
	if (error)
		return error;
	event_assign(&netmon->neighbours_readable, event_get_base(&netmon->readable),
		     nl_socket_get_fd(netmon->neighbours), EV_READ | EV_PERSIST, on_neighbours,
		     netmon);
	event_assign(&netmon->refresh, event_get_base(&netmon->readable), -1, EV_PERSIST,
		     on_refresh, netmon);
	if (event_add(&netmon->neighbours_readable, NULL) == 0 &&
	    event_add(&netmon->refresh, &refresh_interval) == 0)
		return 0;
	forget_links(netmon);
	return -ENOMEM;
}

void netmon_close(struct netmon *netmon)
{
	if (!netmon)
		return;
	event_del(&netmon->readable);
	event_del(&netmon->interval);
	forget_links(netmon);
	nl_socket_free(netmon->changes);
	free(netmon);
}

/* Whether two addresses are the same in their first bits. */
static bool share_prefix(struct nl_addr *a, struct nl_addr *b, unsigned bits)
{
	const uint8_t *left = nl_addr_get_binary_addr(a), *right = nl_addr_get_binary_addr(b);
	unsigned whole_bytes = bits / 8, rest_bits = bits % 8;

	return memcmp(left, right, whole_bytes) == 0 &&
	       (rest_bits == 0 ||
		((left[whole_bytes] ^ right[whole_bytes]) >> (8 - rest_bits)) == 0);
}

/* The length of an address's network. Where a peer stands beside it (ip-address(8)), the network is
 * the peer's, and the address itself may lie outside of it. */
static uint8_t prefix_bits(struct rtnl_addr *address, size_t length)
{
	struct nl_addr *local = rtnl_addr_get_local(address);
	struct nl_addr *peer = rtnl_addr_get_peer(address);
	unsigned bits = (unsigned)rtnl_addr_get_prefixlen(address);

	if (bits > length * 8 ||
	    (peer && (nl_addr_get_len(peer) != length || !share_prefix(local, peer, bits))))
		bits = (unsigned)length * 8;
	return (uint8_t)bits;
}

/* Returns false for an address of another family. */
static bool address_from_libnl(struct rtnl_addr *address, struct ip_interface_address *out)
{
	struct nl_addr *local = rtnl_addr_get_local(address);
	int family = local ? nl_addr_get_family(local) : AF_UNSPEC;
	size_t length;

	if (family != AF_INET && family != AF_INET6)
		return false;
	length = ip_length_bytes((uint8_t)family);
	if (nl_addr_get_len(local) != length)
		return false;
	*out = (struct ip_interface_address){
		.address.family = (uint8_t)family,
		.prefix_bits = prefix_bits(address, length),
	};
	memcpy(out->address.bytes, nl_addr_get_binary_addr(local), length);
	return true;
}

int netmon_addresses(struct ip_interface_address **addresses, size_t *count)
{
	struct nl_sock *socket = nl_socket_alloc();
	struct ip_interface_address *found = NULL;
	struct nl_cache *cache = NULL;
	size_t found_count = 0;
	int error, result = 0;

	if (!socket)
		return -ENOMEM;
	error = nl_connect(socket, NETLINK_ROUTE);
	if (error == 0)
		error = rtnl_addr_alloc_cache(socket, &cache);
	if (error < 0) {
		result = error_from_libnl(error);
		goto out;
	}
	found = calloc((size_t)nl_cache_nitems(cache) + 1, sizeof(*found));
	if (!found) {
		result = -ENOMEM;
		goto out;
	}
	for (struct nl_object *object = nl_cache_get_first(cache); object;
	     object = nl_cache_get_next(object)) {
		if (address_from_libnl((struct rtnl_addr *)object, &found[found_count]))
			found_count++;
	}
	*addresses = found;
	*count = found_count;
out:
	nl_cache_free(cache);
	nl_socket_free(socket);
	return result;
}

/* The addresses without their networks. Returns 0 or -errno. */
static int own_addresses(struct ip_address **own, size_t *count)
{
	struct ip_interface_address *addresses;
	int result = netmon_addresses(&addresses, count);

	if (result < 0)
		return result;
	*own = calloc(*count + 1, sizeof(**own));
	if (*own) {
		for (size_t i = 0; i < *count; i++)
			(*own)[i] = addresses[i].address;
	} else {
		result = -ENOMEM;
	}
	free(addresses);
	return result;
}

/* Who copies are handed to on the way to an address. */
static const struct ip_address *next_hop(const struct route *route, const struct ip_address *to)
{
	return route->gateway.family != AF_UNSPEC ? &route->gateway : to;
}

/* The link-layer addresses of the next hops, which are followed from now on. Returns 0 or -errno.
 */
static int find_links(struct netmon *netmon, const struct ruleset *ruleset,
		      const struct route *routes, struct netview_route *out)
{
	struct neighbour *hops = calloc(ruleset->route_count + 1, sizeof(*hops));
	size_t count = 0;
	int result;

	if (!hops)
		return -ENOMEM;
	for (size_t i = 0; i < ruleset->route_count; i++)
		if (routes[i].ethernet)
			hops[count++] = (struct neighbour){
				.device = routes[i].device,
				.address = *next_hop(&routes[i], &ruleset->routes[i])};
	count = neighbour_sort(hops, count);
	for (size_t i = 0; netmon->hops && i < count; i++) {
		const struct neighbour *before = neighbour_find(netmon->hops, netmon->hop_count,
								hops[i].device, &hops[i].address);

		if (before)
			hops[i].link = before->link;
	}
	result = neighbour_resolve(hops, count);
	if (result < 0) {
		free(hops);
		return result;
	}
	for (size_t i = 0; i < ruleset->route_count; i++)
		if (routes[i].ethernet) {
			out[i].link = neighbour_find(hops, count, routes[i].device,
						     next_hop(&routes[i], &ruleset->routes[i]))
					      ->link;
			memcpy(out[i].link_source, routes[i].link_source,
			       sizeof(out[i].link_source));
		}
	free(netmon->hops);
	netmon->hops = hops;
	netmon->hop_count = count;
	return 0;
}

/* The ways to all destinations. Returns 0 or -errno. */
static int find_routes(struct netmon *netmon, const struct ruleset *ruleset,
		       struct netview_route *out)
{
	struct route *routes = calloc(ruleset->route_count + 1, sizeof(*routes));
	int result = -ENOMEM;

	if (routes)
		result = route_find(netmon->mark, ruleset->routes, ruleset->route_count, routes);
	for (size_t i = 0; result == 0 && i < ruleset->route_count; i++) {
		out[i].mtu_bytes = routes[i].mtu_bytes;
		out[i].no_carrier = routes[i].no_carrier;
		out[i].source = routes[i].source;
	}
	if (result == 0 && netmon->neighbours)
		result = find_links(netmon, ruleset, routes, out);
	free(routes);
	return result;
}

/* The kernel index of an interface, 0 where there is none of this name. An alternative name is
 * none: netfilter's rules do not know it. */
static uint32_t index_of(const char *name)
{
	uint32_t index = if_nametoindex(name);
	char own_name[IF_NAMESIZE];

	if (index != 0 && (!if_indextoname(index, own_name) || strcmp(own_name, name) != 0))
		return 0;
	return index;
}

int netmon_view(struct netmon *netmon, const struct ruleset *ruleset, struct netview **view)
{
	struct netview_route *routes = calloc(ruleset->route_count + 1, sizeof(*routes));
	uint32_t *interfaces = calloc(ruleset->interface_count + 1, sizeof(*interfaces));
	struct ip_address *own = NULL;
	size_t own_count = 0;
	int result = -ENOMEM;

	if (!routes || !interfaces)
		goto out;
	result = own_addresses(&own, &own_count);
	if (result < 0)
		goto out;
	result = find_routes(netmon, ruleset, routes);
	if (result < 0)
		goto out;
	for (size_t i = 0; i < ruleset->interface_count; i++)
		interfaces[i] = index_of(ruleset->interfaces[i]);
	*view = netview_create(own, own_count, routes, ruleset->route_count, interfaces,
			       ruleset->interface_count);
	if (!*view)
		result = -ENOMEM;
out:
	free(own);
	free(routes);
	free(interfaces);
	return result;
}
