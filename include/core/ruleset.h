/* SPDX-License-Identifier: MIT */
/*
 * The rules in the form that packets need: one table look-up gives everything that happens to a
 * packet. Immutable once compiled, so that any number of workers may read it.
 */
#ifndef TRAFFICDUPLICATOR_CORE_RULESET_H
#define TRAFFICDUPLICATOR_CORE_RULESET_H

#include "core/config.h"
#include "core/packet.h"

#include <stddef.h>
#include <stdint.h>

struct ruleset_rule {
	const struct config_rule *config;
	size_t first_destination; /* index of its first in ruleset.destinations */
};

struct ruleset_destination {
	const struct config_destination *config;
	struct packet_target target;
	uint32_t rule;	/* index into ruleset.rules */
	uint32_t route; /* index into ruleset.routes */
};

/* What happens to packets of one family that go to one port. */
struct ruleset_action {
	const uint32_t *rules; /* indices of the rules that match, in the file's order */
	size_t rule_count;
	const uint32_t *destinations; /* indices of the destinations that get a copy, each once */
	size_t destination_count;
	enum original_mode original; /* of all rules that match: drop wins, then forward */
};

struct ruleset {
	struct ruleset_rule *rules;
	size_t rule_count;
	struct ruleset_destination *destinations; /* rule by rule */
	size_t destination_count;
	struct ip_address *routes; /* the distinct addresses of all destinations */
	size_t route_count;
	struct ruleset_table *tables;
};

/*
 * Compiles. The config must outlive the ruleset. Returns NULL when memory runs out; free with
 * ruleset_free.
 */
struct ruleset *ruleset_compile(const struct config *config);
void ruleset_free(struct ruleset *ruleset);

/*
 * What to do with a packet of this family (AF_INET, AF_INET6) to this port. NULL: no rule matches.
 */
const struct ruleset_action *ruleset_lookup(const struct ruleset *ruleset, uint8_t family,
					    uint16_t destination_port_be);

#endif
