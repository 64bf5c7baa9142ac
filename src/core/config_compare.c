/* SPDX-License-Identifier: MIT */
#include "core/config_compare.h"

#include "core/config_ports.h"

#include <string.h>

/* The length of a host name without its final dot. */
static size_t host_length(const char *host)
{
	size_t length = strlen(host);

	return length > 0 && host[length - 1] == '.' ? length - 1 : length;
}

static bool same_host(const struct config_destination *a, const struct config_destination *b)
{
	if (!a->host || !b->host)
		return !a->host && !b->host && ip_equal(&a->address, &b->address);
	return host_length(a->host) == host_length(b->host) &&
	       memcmp(a->host, b->host, host_length(a->host)) == 0;
}

/* The port at which two destinations are one and the same, or -1. Port 0 of both: any port. */
static int shared_port(const struct config_destination *a, const struct config_destination *b,
		       const struct config_rule *rule)
{
	uint16_t port = a->port ? a->port : b->port;

	if (!same_host(a, b))
		return -1;
	if (a->port == b->port)
		return a->port;
	return (!a->port || !b->port) && config_ports_contain(rule, port) ? port : -1;
}

static void report_shared(const struct config_destinations *destinations, size_t earlier,
			  size_t later, int port)
{
	const struct config_destination *all = destinations->all;
	struct config_value place, other;

	config_read_place(&destinations->list, destinations->nodes[later], &place);
	config_read_place(&destinations->list, destinations->nodes[earlier], &other);
	if (all[earlier].port == all[later].port)
		config_read_error(&place, "the same as entry %u; remove one of the two",
				  config_read_node(&other)->number);
	else
		config_read_error(&place,
				  "with entry %u, a packet to port %d would go twice to the same "
				  "place, because \"%s\" keeps a packet's own port; remove one of "
				  "the two",
				  config_read_node(&other)->number, port,
				  all[all[earlier].port ? later : earlier].name);
}

/* At least one of the two has a NAME: what is called after its place is found by shared_port. */
static void report_name(const struct config_destinations *destinations, size_t earlier,
			size_t later)
{
	struct config_value entry, other, name;

	config_read_place(&destinations->list, destinations->nodes[later], &entry);
	config_read_place(&destinations->list, destinations->nodes[earlier], &other);
	if (!config_read_find(&entry, "NAME", &name)) {
		config_read_find(&other, "NAME", &name);
		other = entry;
	}
	config_read_error(&name, "entry %u has the same name; write another one",
			  config_read_node(&other)->number);
}

/* Whether there was something to report. */
static bool report_same(const struct config_destinations *destinations, size_t earlier,
			size_t later, const struct config_rule *rule)
{
	const struct config_destination *a = &destinations->all[earlier];
	const struct config_destination *b = &destinations->all[later];
	int port = shared_port(a, b, rule);

	if (port >= 0)
		report_shared(destinations, earlier, later, port);
	else if (strcmp(a->name, b->name) == 0)
		report_name(destinations, earlier, later);
	else
		return false;
	return true;
}

void config_compare_destinations(const struct config_destinations *destinations,
				 const struct config_rule *rule)
{
	for (size_t later = 1; later < destinations->count; later++)
		for (size_t earlier = 0; earlier < later; earlier++)
			if (report_same(destinations, earlier, later, rule))
				break;
}
