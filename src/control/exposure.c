/* SPDX-License-Identifier: MIT */
#include "control/exposure.h"

#include "control/route.h"
#include "core/config_clients.h"
#include "core/ip_public.h"

#include <errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t families[] = {AF_INET, AF_INET6};
#define FAMILY_COUNT 2

/* The way to the Internet is the way to these: the first and the last of the root servers of the
 * DNS (root-servers.org), a.root-servers.net and m.root-servers.net. A router that has all routes
 * of the Internet has no default route, and reading them all takes seconds. Nothing is sent. */
static const struct ip_address far[] = {
	{.family = AF_INET, .bytes = {198, 41, 0, 4}},
	{.family = AF_INET, .bytes = {202, 12, 27, 33}},
	{.family = AF_INET6,
	 .bytes = {0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0x30}},
	{.family = AF_INET6,
	 .bytes = {0x20, 0x01, 0x0d, 0xc3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x35}},
};
#define FAR_COUNT (sizeof(far) / sizeof(far[0]))

struct own_address {
	struct ip_address address;
	char interface[IF_NAMESIZE];
};

/* What is known of this machine. */
struct machine {
	struct own_address *public;
	size_t public_count;
	struct nl_cache *links;
	/* By which the Internet is reached, per entry of far; "" where it is not. */
	char ways[FAR_COUNT][IF_NAMESIZE];
};

static void add_if_public(struct machine *machine, struct rtnl_addr *found)
{
	struct own_address *own = &machine->public[machine->public_count];
	struct nl_addr *local = rtnl_addr_get_local(found);
	struct ip_address address = {0};

	if (!local)
		return;
	address.family = (uint8_t)nl_addr_get_family(local);
	if ((address.family != AF_INET && address.family != AF_INET6) ||
	    nl_addr_get_len(local) != ip_length_bytes(address.family))
		return;
	memcpy(address.bytes, nl_addr_get_binary_addr(local), ip_length_bytes(address.family));
	if (!ip_is_public(&address) ||
	    !if_indextoname((unsigned)rtnl_addr_get_ifindex(found), own->interface))
		return;
	own->address = address;
	machine->public_count++;
}

/* Returns 0 or -errno. */
static int find_public(struct machine *machine)
{
	struct nl_sock *socket = nl_socket_alloc();
	struct nl_cache *cache = NULL;
	int result = -EIO;

	if (!socket)
		return -ENOMEM;
	if (nl_connect(socket, NETLINK_ROUTE) < 0 || rtnl_addr_alloc_cache(socket, &cache) < 0 ||
	    rtnl_link_alloc_cache(socket, AF_UNSPEC, &machine->links) < 0)
		goto out;
	machine->public = calloc((size_t)nl_cache_nitems(cache) + 1, sizeof(*machine->public));
	result = machine->public ? 0 : -ENOMEM;
	for (struct nl_object *object = result == 0 ? nl_cache_get_first(cache) : NULL; object;
	     object = nl_cache_get_next(object))
		add_if_public(machine, (struct rtnl_addr *)object);
out:
	nl_cache_free(cache);
	nl_socket_free(socket);
	return result;
}

/* That the kernel does not say leaves the ways unknown. */
static void find_ways(struct machine *machine)
{
	struct route routes[FAR_COUNT] = {0};

	if (route_find(0, far, FAR_COUNT, routes) < 0)
		return;
	for (size_t i = 0; i < FAR_COUNT; i++)
		if (routes[i].device == 0 || !if_indextoname(routes[i].device, machine->ways[i]))
			machine->ways[i][0] = '\0';
}

/* Whether an interface is a port of another, as of a bridge, which has the addresses. */
static bool is_port_of(const struct machine *machine, const char *port, const char *name)
{
	struct rtnl_link *link = rtnl_link_get_by_name(machine->links, port);
	int master = link ? rtnl_link_get_master(link) : 0;
	char found[IF_NAMESIZE];

	rtnl_link_put(link);
	return master > 0 && if_indextoname((unsigned)master, found) && strcmp(found, name) == 0;
}

static bool names_interface(const struct machine *machine, const struct config_rule *rule,
			    const char *name)
{
	for (size_t i = 0; i < rule->interface_count; i++)
		if (strcmp(rule->interfaces[i], name) == 0 ||
		    is_port_of(machine, rule->interfaces[i], name))
			return true;
	return false;
}

/* Whether packets from the Internet to an address arrive where the rule looks for them. */
static bool faces_internet(const struct machine *machine, const struct config_rule *rule,
			   const struct own_address *own)
{
	if (rule->interface_count == 0 || names_interface(machine, rule, own->interface))
		return true;
	for (size_t i = 0; i < FAR_COUNT; i++)
		if (far[i].family == own->address.family && machine->ways[i][0] &&
		    names_interface(machine, rule, machine->ways[i]))
			return true;
	return false;
}

static bool is_open(const struct config_rule *rule, uint8_t family)
{
	return config_rule_takes(rule, family) && config_rule_is_open(rule, family);
}

/* The first address at which a rule is exposed, or NULL. */
static const struct own_address *find_exposed(const struct machine *machine,
					      const struct config_rule *rule)
{
	for (size_t f = 0; f < FAMILY_COUNT; f++) {
		if (!is_open(rule, families[f]))
			continue;
		for (size_t i = 0; i < machine->public_count; i++) {
			const struct own_address *own = &machine->public[i];

			if (own->address.family == families[f] &&
			    config_rule_listens_at(rule, &own->address) &&
			    faces_internet(machine, rule, own))
				return own;
		}
	}
	return NULL;
}

int exposure_examine(const struct config *config, exposure_tell *tell, void *context)
{
	struct machine machine = {0};
	int result = find_public(&machine);

	if (result == 0 && machine.public_count > 0)
		find_ways(&machine);
	for (size_t r = 0; result >= 0 && machine.public_count > 0 && r < config->rule_count; r++) {
		const struct own_address *own = find_exposed(&machine, &config->rules[r]);
		struct exposure_finding finding = {.rule = &config->rules[r]};

		if (!own)
			continue;
		finding.address = own->address;
		memcpy(finding.interface, own->interface, sizeof(finding.interface));
		tell(context, &finding);
		result++;
	}
	nl_cache_free(machine.links);
	free(machine.public);
	return result;
}

bool exposure_has_open_rule(const struct config *config)
{
	for (size_t r = 0; r < config->rule_count; r++)
		for (size_t f = 0; f < FAMILY_COUNT; f++)
			if (is_open(&config->rules[r], families[f]))
				return true;
	return false;
}

const char *exposure_describe(const struct exposure_finding *finding,
			      char text[static EXPOSURE_TEXT_SIZE])
{
	char address[IP_TEXT_SIZE];

	snprintf(
		text, EXPOSURE_TEXT_SIZE,
		"takes packets from any client at %s (%s), a public address: whoever on the "
		"Internet reaches it can have the destinations receive anything in anybody's name; "
		"list your clients in \"SOURCEADDRESS\", and keep others away before this machine",
		ip_format(&finding->address, address), finding->interface);
	return text;
}
