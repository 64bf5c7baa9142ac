/* SPDX-License-Identifier: MIT */
#include "core/ruleset.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * One entry per port and family, so that a look-up is one load however many rules there are. Ports
 * that the same rules listen to share their action.
 */
struct ruleset_table {
	uint32_t action[UINT16_MAX + 1]; /* by port in host byte order; 0: none, else index + 1 */
	struct ruleset_action *actions;
	size_t action_count;
};

enum { TABLE_IPV4, TABLE_IPV6, TABLE_COUNT };

static uint8_t table_family(size_t table)
{
	return table == TABLE_IPV4 ? AF_INET : AF_INET6;
}

static bool rule_listens_to(const struct config_rule *rule, unsigned port)
{
	for (size_t i = 0; i < rule->port_count; i++)
		if (port >= rule->ports[i].first && port <= rule->ports[i].last)
			return true;
	return false;
}

static bool rule_sends_to_family(const struct config_rule *rule, uint8_t family)
{
	for (size_t i = 0; i < rule->destination_count; i++)
		if (rule->destinations[i].address.family == family)
			return true;
	return false;
}

/* The index of address among the routes, added if it is new. */
static uint32_t route_index(struct ruleset *ruleset, const struct ip_address *address)
{
	uint32_t i;

	for (i = 0; i < ruleset->route_count; i++)
		if (ip_equal(&ruleset->routes[i], address))
			return i;
	ruleset->routes[ruleset->route_count++] = *address;
	return i;
}

static bool fill_destinations(struct ruleset *ruleset, const struct config *config)
{
	size_t count = 0;

	for (size_t r = 0; r < config->rule_count; r++)
		count += config->rules[r].destination_count;
	ruleset->rules = calloc(config->rule_count, sizeof(*ruleset->rules));
	ruleset->destinations = calloc(count, sizeof(*ruleset->destinations));
	ruleset->routes = calloc(count, sizeof(*ruleset->routes));
	if (!ruleset->rules || !ruleset->destinations || !ruleset->routes)
		return false;

	ruleset->rule_count = config->rule_count;
	for (size_t r = 0; r < config->rule_count; r++) {
		const struct config_rule *rule = &config->rules[r];

		ruleset->rules[r].config = rule;
		ruleset->rules[r].first_destination = ruleset->destination_count;
		for (size_t d = 0; d < rule->destination_count; d++) {
			struct ruleset_destination *out =
				&ruleset->destinations[ruleset->destination_count++];

			out->config = &rule->destinations[d];
			out->rule = (uint32_t)r;
			out->route = route_index(ruleset, &out->config->address);
			packet_target_init(&out->target, &out->config->address,
					   htons(out->config->port));
		}
	}
	return true;
}

/* Whether an action sends to the same place already, for packets that go to this port. */
static bool sends_there(const struct ruleset *ruleset, const struct ruleset_action *action,
			const struct ruleset_destination *destination, unsigned port)
{
	unsigned to = destination->config->port ? destination->config->port : port;

	for (size_t i = 0; i < action->destination_count; i++) {
		const struct ruleset_destination *other =
			&ruleset->destinations[action->destinations[i]];
		unsigned other_to = other->config->port ? other->config->port : port;

		if (to == other_to && other->route == destination->route)
			return true;
	}
	return false;
}

/* Arrays as large as any action can need, to build each action in. */
struct scratch {
	uint32_t *rules;
	uint32_t *destinations;
	bool boundary[UINT16_MAX + 2]; /* what happens may differ from the port below */
};

/* Adds a rule to the action that is built in scratch. */
static void add_rule(const struct ruleset *ruleset, struct ruleset_action *action,
		     struct scratch *scratch, uint32_t r, uint8_t family, unsigned port)
{
	const struct ruleset_rule *rule = &ruleset->rules[r];

	scratch->rules[action->rule_count++] = r;
	for (size_t d = 0; d < rule->config->destination_count; d++) {
		uint32_t index = (uint32_t)(rule->first_destination + d);
		const struct ruleset_destination *destination = &ruleset->destinations[index];

		if (destination->target.address.family == family &&
		    !sends_there(ruleset, action, destination, port))
			scratch->destinations[action->destination_count++] = index;
	}
	/* The enum is in the order of precedence: auto, forward, drop. */
	if (rule->config->original > action->original)
		action->original = rule->config->original;
}

static uint32_t *copy_indices(const uint32_t *from, size_t count)
{
	uint32_t *copy = malloc(count * sizeof(*copy) + 1); /* never malloc(0) */

	return copy ? memcpy(copy, from, count * sizeof(*copy)) : NULL;
}

/* Appends the action built in scratch to the table. Returns false when memory runs out. */
static bool append_action(struct ruleset_table *table, const struct ruleset_action *built)
{
	struct ruleset_action action = *built;
	struct ruleset_action *actions;

	actions = realloc(table->actions, (table->action_count + 1) * sizeof(*actions));
	if (!actions)
		return false;
	table->actions = actions;
	action.rules = copy_indices(built->rules, built->rule_count);
	action.destinations = copy_indices(built->destinations, built->destination_count);
	actions[table->action_count++] = action;
	return action.rules && action.destinations;
}

/* Decides what happens to packets to one port. Returns false when memory runs out. */
static bool decide_port(struct ruleset *ruleset, const struct config *config,
			struct scratch *scratch, size_t t, unsigned port)
{
	struct ruleset_action action = {.rules = scratch->rules,
					.destinations = scratch->destinations};
	struct ruleset_table *table = &ruleset->tables[t];

	for (size_t r = 0; r < config->rule_count; r++)
		if (rule_listens_to(&config->rules[r], port) &&
		    rule_sends_to_family(&config->rules[r], table_family(t)))
			add_rule(ruleset, &action, scratch, (uint32_t)r, table_family(t), port);
	if (action.rule_count == 0)
		return true;
	if (!append_action(table, &action))
		return false;
	table->action[port] = (uint32_t)table->action_count;
	return true;
}

/*
 * Marks the ports where a range of some rule begins or has ended, and those that are a
 * destination's own: there it may meet one that keeps the packet's port.
 */
static void mark_boundaries(struct scratch *scratch, const struct config *config)
{
	for (size_t r = 0; r < config->rule_count; r++) {
		const struct config_rule *rule = &config->rules[r];

		for (size_t i = 0; i < rule->port_count; i++) {
			scratch->boundary[rule->ports[i].first] = true;
			scratch->boundary[rule->ports[i].last + 1u] = true;
		}
		for (size_t d = 0; d < rule->destination_count; d++) {
			scratch->boundary[rule->destinations[d].port] = true;
			scratch->boundary[rule->destinations[d].port + 1u] = true;
		}
	}
}

static bool fill_tables(struct ruleset *ruleset, const struct config *config)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));
	bool done = false;

	if (!scratch)
		return false;
	scratch->rules = calloc(config->rule_count, sizeof(*scratch->rules));
	scratch->destinations = calloc(ruleset->destination_count, sizeof(*scratch->destinations));
	if (!scratch->rules || !scratch->destinations)
		goto out;
	mark_boundaries(scratch, config);
	for (size_t t = 0; t < TABLE_COUNT; t++) {
		uint32_t *action = ruleset->tables[t].action;

		for (unsigned port = 1; port <= UINT16_MAX; port++) {
			if (!scratch->boundary[port])
				action[port] = action[port - 1];
			else if (!decide_port(ruleset, config, scratch, t, port))
				goto out;
		}
	}
	done = true;
out:
	free(scratch->rules);
	free(scratch->destinations);
	free(scratch);
	return done;
}

struct ruleset *ruleset_compile(const struct config *config)
{
	struct ruleset *ruleset = calloc(1, sizeof(*ruleset));

	if (!ruleset)
		return NULL;
	ruleset->tables = calloc(TABLE_COUNT, sizeof(*ruleset->tables));
	if (!ruleset->tables || !fill_destinations(ruleset, config) ||
	    !fill_tables(ruleset, config)) {
		ruleset_free(ruleset);
		return NULL;
	}
	return ruleset;
}

void ruleset_free(struct ruleset *ruleset)
{
	if (!ruleset)
		return;
	for (size_t t = 0; ruleset->tables && t < TABLE_COUNT; t++) {
		for (size_t a = 0; a < ruleset->tables[t].action_count; a++) {
			free((void *)ruleset->tables[t].actions[a].rules);
			free((void *)ruleset->tables[t].actions[a].destinations);
		}
		free(ruleset->tables[t].actions);
	}
	free(ruleset->tables);
	free(ruleset->rules);
	free(ruleset->destinations);
	free(ruleset->routes);
	free(ruleset);
}

const struct ruleset_action *ruleset_lookup(const struct ruleset *ruleset, uint8_t family,
					    uint16_t destination_port_be)
{
	const struct ruleset_table *table =
		&ruleset->tables[family == AF_INET ? TABLE_IPV4 : TABLE_IPV6];
	uint32_t action = table->action[ntohs(destination_port_be)];

	return action == 0 ? NULL : &table->actions[action - 1];
}
