/* SPDX-License-Identifier: MIT */
/* Which interfaces are bridges, and which are in them: their packets meet rules of their own. */
#include "control/doctor.h"

#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/socket.h>
#include <string.h>

/* The interface of this name, which the caller puts back; NULL: cannot be found. */
static struct rtnl_link *find_link(const char *name)
{
	struct nl_sock *socket = nl_socket_alloc();
	struct rtnl_link *link = NULL;

	if (!socket)
		return NULL;
	if (nl_connect(socket, NETLINK_ROUTE) < 0 ||
	    rtnl_link_get_kernel(socket, 0, name, &link) < 0)
		link = NULL;
	nl_socket_free(socket);
	return link;
}

bool doctor_bridge_is(const char *interface)
{
	struct rtnl_link *link = find_link(interface);
	const char *type = link ? rtnl_link_get_type(link) : NULL;
	bool is_bridge = type && strcmp(type, "bridge") == 0;

	rtnl_link_put(link);
	return is_bridge;
}

bool doctor_bridge_has(const char *bridge, const char *interface)
{
	struct rtnl_link *link = find_link(interface);
	const unsigned index = if_nametoindex(bridge);
	bool has = link && index != 0 && (unsigned)rtnl_link_get_master(link) == index;

	rtnl_link_put(link);
	return has;
}
