/* SPDX-License-Identifier: MIT */
/* Every destination once, with its address and the way there. */
#include "control/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool doctor_targets_same_place(const struct doctor_target *a, const struct doctor_target *b)
{
	if (a->port != b->port || a->address.family != b->address.family)
		return false;
	return a->address.family == AF_UNSPEC ? strcmp(a->name, b->name) == 0
					      : ip_equal(&a->address, &b->address);
}

/* Whether copies are sent there in the same way. */
static bool is_sent_alike(const struct doctor_target *a, const struct doctor_target *b)
{
	return a->rule->oversize == b->rule->oversize &&
	       a->destination->source == b->destination->source &&
	       ip_equal(&a->destination->source_address, &b->destination->source_address);
}

/* Adds one that is not there yet. */
static int add(struct doctor *doctor, const struct config_rule *rule,
	       const struct config_destination *destination)
{
	struct doctor_target target = {
		.rule = rule,
		.destination = destination,
		.name = destination->name,
		.address = destination->address,
		.port = destination->port ? destination->port : rule->ports[0].first,
	};
	struct doctor_target *targets;

	for (size_t i = 0; i < doctor->target_count; i++) {
		if (!doctor_targets_same_place(&doctor->targets[i], &target))
			continue;
		if (is_sent_alike(&doctor->targets[i], &target))
			return 0;
		target.is_twin = true;
	}
	targets = reallocarray(doctor->targets, doctor->target_count + 1, sizeof(*targets));
	if (!targets)
		return -ENOMEM;
	doctor->targets = targets;
	targets[doctor->target_count++] = target;
	return 0;
}

static int find_routes(struct doctor *doctor)
{
	const size_t count = doctor->target_count;
	struct ip_address *addresses = calloc(count + 1, sizeof(*addresses));
	struct route *routes = calloc(count + 1, sizeof(*routes));
	int result = -ENOMEM;

	if (!addresses || !routes)
		goto out;
	for (size_t i = 0; i < count; i++)
		addresses[i] = doctor->targets[i].address;
	result = route_find(doctor->config->settings.mark, addresses, count, routes);
	for (size_t i = 0; result == 0 && i < count; i++) {
		struct doctor_target *target = &doctor->targets[i];

		target->route = routes[i];
		if (routes[i].device && !if_indextoname(routes[i].device, target->device))
			target->device[0] = '\0';
		/* Most are at the same device as the one before. */
		if (i > 0 && strcmp(target[-1].device, target->device) == 0)
			target->by_bridge = target[-1].by_bridge;
		else
			target->by_bridge = target->device[0] && doctor_bridge_is(target->device);
	}
out:
	free(addresses);
	free(routes);
	return result;
}

int doctor_targets_find(struct doctor *doctor)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < doctor->config->rule_count; i++) {
		const struct config_rule *rule = &doctor->config->rules[i];

		for (size_t j = 0; result == 0 && rule->enabled && j < rule->destination_count; j++)
			result = add(doctor, rule, &rule->destinations[j]);
	}
	return result < 0 ? result : find_routes(doctor);
}
