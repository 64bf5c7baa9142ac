/* SPDX-License-Identifier: MIT */
#include "core/ruleset.h"

#include "core/hash_index.h"
#include "core/ruleset_tables.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static size_t count_destinations(const struct config *config)
{
	size_t count = 0;

	for (size_t r = 0; r < config->rule_count; r++)
		count += config->rules[r].destination_count;
	return count;
}

/* A ruleset under construction, with what finds equal addresses and places in it. */
struct builder {
	struct ruleset *ruleset;
	struct hash_index routes; /* indices into ruleset->routes */
	struct hash_index places; /* indices into ruleset->destinations, the first of each place */
};

struct wanted_route {
	const struct ruleset *ruleset;
	const struct ip_address *address;
};

static bool is_route(const void *context, uint32_t entry)
{
	const struct wanted_route *wanted = context;

	return ip_equal(&wanted->ruleset->routes[entry], wanted->address);
}

/* The index of address among the routes, added if it is new. */
static uint32_t route_index(struct builder *builder, const struct ip_address *address)
{
	struct ruleset *ruleset = builder->ruleset;
	struct wanted_route wanted = {ruleset, address};
	uint32_t added = (uint32_t)ruleset->route_count;

	/* Names that are not resolved have nothing in common. */
	if (address->family != AF_UNSPEC) {
		uint32_t *slot = hash_index_find(
			&builder->routes, hash_bytes(address, sizeof(*address)), is_route, &wanted);

		if (*slot != HASH_INDEX_NONE)
			return *slot;
		*slot = added;
	}
	ruleset->routes[ruleset->route_count++] = *address;
	return added;
}

struct wanted_place {
	const struct ruleset *ruleset;
	uint32_t route;
	uint32_t port_be;
};

static bool is_place(const void *context, uint32_t entry)
{
	const struct wanted_place *wanted = context;
	const struct ruleset_destination *other = &wanted->ruleset->destinations[entry];

	return other->route == wanted->route && other->target.port_be == wanted->port_be;
}

/* A number for address and port, the same as that of a destination before this one with both. */
static uint32_t place_index(struct builder *builder, uint32_t route, uint16_t port_be)
{
	struct ruleset *ruleset = builder->ruleset;
	struct wanted_place wanted = {ruleset, route, port_be};
	uint32_t key[] = {route, port_be};
	uint32_t *slot =
		hash_index_find(&builder->places, hash_bytes(key, sizeof(key)), is_place, &wanted);

	if (*slot != HASH_INDEX_NONE)
		return ruleset->destinations[*slot].place;
	*slot = (uint32_t)ruleset->destination_count;
	return (uint32_t)ruleset->place_count++;
}

static void add_destination(struct builder *builder, const struct config_destination *config,
			    size_t rule)
{
	struct ruleset *ruleset = builder->ruleset;
	struct ruleset_destination *out = &ruleset->destinations[ruleset->destination_count];

	out->config = config;
	out->rule = (uint32_t)rule;
	out->route = route_index(builder, &config->address);
	/* Of nothing but the name, so that a client keeps its destination in any company. */
	out->hash_seed = hash_bytes(config->name, strlen(config->name));
	packet_target_init(&out->target, &config->address, htons(config->port));
	if (config->source == SOURCE_FIXED)
		packet_target_set_source(&out->target, &config->source_address);
	out->place = place_index(builder, out->route, out->target.port_be);
	ruleset->destination_count++;
}

static void add_rules(struct builder *builder, const struct config *config)
{
	struct ruleset *ruleset = builder->ruleset;

	for (size_t r = 0; r < config->rule_count; r++) {
		const struct config_rule *rule = &config->rules[r];

		ruleset->rules[r].config = rule;
		ruleset->rules[r].first_destination = (uint32_t)ruleset->destination_count;
		for (size_t d = 0; d < rule->destination_count; d++)
			add_destination(builder, &rule->destinations[d], r);
	}
}

static bool fill_destinations(struct ruleset *ruleset, const struct config *config)
{
	struct builder builder = {.ruleset = ruleset};
	size_t count = count_destinations(config);
	bool room = hash_index_init(&builder.routes, count);

	room = hash_index_init(&builder.places, count) && room;
	ruleset->rules = calloc(config->rule_count, sizeof(*ruleset->rules));
	ruleset->destinations = calloc(count, sizeof(*ruleset->destinations));
	ruleset->routes = calloc(count, sizeof(*ruleset->routes));
	if (room && ruleset->rules && ruleset->destinations && ruleset->routes) {
		ruleset->rule_count = config->rule_count;
		ruleset->set_words = (config->rule_count + 63) / 64;
		/* A route is a place as well, that of packets which keep their port; so routes
		 * come first. */
		ruleset->place_count = count;
		add_rules(&builder, config);
	}
	hash_index_free(&builder.routes);
	hash_index_free(&builder.places);
	return ruleset->rule_count > 0;
}

static bool has_interface(const struct ruleset *ruleset, const char *name)
{
	for (size_t i = 0; i < ruleset->interface_count; i++)
		/* All of them are names. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
		if (strcmp(ruleset->interfaces[i], name) == 0)
			return true;
	return false;
}

static bool fill_interfaces(struct ruleset *ruleset, const struct config *config)
{
	size_t count = 0;

	for (size_t r = 0; r < config->rule_count; r++)
		count += config->rules[r].interface_count;
	ruleset->interfaces = calloc(count + 1, sizeof(*ruleset->interfaces));
	if (!ruleset->interfaces)
		return false;
	for (size_t r = 0; r < config->rule_count; r++)
		for (size_t i = 0; i < config->rules[r].interface_count; i++) {
			const char *name = config->rules[r].interfaces[i];

			if (!has_interface(ruleset, name))
				ruleset->interfaces[ruleset->interface_count++] = name;
		}
	return true;
}

struct ruleset *ruleset_compile(const struct config *config)
{
	struct ruleset *ruleset = calloc(1, sizeof(*ruleset));

	if (!ruleset)
		return NULL;
	if (!fill_destinations(ruleset, config) || !fill_interfaces(ruleset, config))
		goto fail;
	ruleset->tables = ruleset_tables_create(ruleset);
	if (!ruleset->tables)
		goto fail;
	return ruleset;
fail:
	ruleset_free(ruleset);
	return NULL;
}

void ruleset_free(struct ruleset *ruleset)
{
	if (!ruleset)
		return;
	ruleset_tables_free(ruleset->tables);
	free(ruleset->rules);
	free(ruleset->destinations);
	free(ruleset->routes);
	free(ruleset->interfaces);
	free(ruleset);
}

bool ruleset_match(const struct ruleset *ruleset, const struct ruleset_key *key, uint64_t *set)
{
	struct ruleset_sets sets;
	uint64_t any = 0;

	if (!ruleset_tables_find(ruleset->tables, key, &sets))
		return false;
	for (size_t w = 0; w < ruleset->set_words; w++) {
		uint64_t interfaces = sets.interface[w] | sets.bridge_port[w];

		set[w] = sets.port[w] & sets.source[w] & sets.listen[w] & interfaces;
		any |= set[w];
	}
	return any != 0;
}

size_t ruleset_next(const struct ruleset *ruleset, const uint64_t *set, size_t from)
{
	uint64_t bits;

	if (!set || from >= ruleset->rule_count)
		return from < ruleset->rule_count ? from : ruleset->rule_count;
	bits = set[from / 64] >> from % 64;
	if (bits != 0)
		return from + (size_t)__builtin_ctzll(bits);
	for (size_t w = from / 64 + 1; w < ruleset->set_words; w++)
		if (set[w] != 0)
			return 64 * w + (size_t)__builtin_ctzll(set[w]);
	return ruleset->rule_count;
}

static bool has_bit(const uint64_t *set, size_t rule)
{
	return set[rule / 64] >> rule % 64 & 1;
}

static bool listens(const struct config_rule *rule, unsigned port)
{
	for (size_t i = 0; i < rule->port_count; i++)
		if (port >= rule->ports[i].first && port <= rule->ports[i].last)
			return true;
	return false;
}

enum ruleset_miss ruleset_why_not(const struct ruleset *ruleset, const struct ruleset_key *key,
				  size_t rule)
{
	const struct config_rule *config = ruleset->rules[rule].config;
	struct ruleset_sets sets;

	if (!config->enabled)
		return RULESET_MISS_DISABLED;
	if (!ruleset_tables_find(ruleset->tables, key, &sets) || !has_bit(sets.port, rule))
		return listens(config, ntohs(key->destination_port_be)) ? RULESET_MISS_FAMILY
									: RULESET_MISS_PORT;
	if (!has_bit(sets.source, rule))
		return RULESET_MISS_SOURCE;
	if (!has_bit(sets.listen, rule))
		return RULESET_MISS_LISTEN;
	if (!has_bit(sets.interface, rule) && !has_bit(sets.bridge_port, rule))
		return RULESET_MISS_INTERFACE;
	return RULESET_MATCH;
}
