/* SPDX-License-Identifier: MIT */
#include "core/fastpath_split.h"

#include "core/ruleset_tables.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum { NONE = UINT32_MAX };

/* By route, the destinations that keep the packet's port: a list, linked by index. */
struct keepers {
	uint32_t *first; /* per route */
	uint32_t *next;	 /* per destination */
};

static bool find_keepers(struct keepers *keepers, const struct ruleset *ruleset)
{
	keepers->first = calloc(ruleset->route_count, sizeof(*keepers->first));
	keepers->next = calloc(ruleset->destination_count, sizeof(*keepers->next));
	if (!keepers->first || !keepers->next)
		return false;
	for (size_t i = 0; i < ruleset->route_count; i++)
		keepers->first[i] = NONE;
	for (uint32_t d = 0; d < ruleset->destination_count; d++) {
		const struct ruleset_destination *destination = &ruleset->destinations[d];

		if (destination->target.port_be != 0)
			continue;
		keepers->next[d] = keepers->first[destination->route];
		keepers->first[destination->route] = d;
	}
	return true;
}

static bool has_rule(const uint64_t *set, uint32_t rule)
{
	return set[rule / 64] >> rule % 64 & 1;
}

/* Whether packets to the port that a destination names can have a copy to its place from one that
 * keeps the port. */
static bool meets_keeper(const struct ruleset *ruleset, const struct keepers *keepers,
			 const struct ruleset_destination *named)
{
	uint32_t class = ruleset_tables_class(ruleset->tables, named->target.address.family,
					      ntohs(named->target.port_be));
	const uint64_t *rules;

	if (class == 0)
		return false;
	rules = ruleset_tables_class_set(ruleset->tables, class);
	if (!has_rule(rules, named->rule))
		return false;
	for (uint32_t k = keepers->first[named->route]; k != NONE; k = keepers->next[k])
		if (has_rule(rules, ruleset->destinations[k].rule))
			return true;
	return false;
}

struct fastpath_split *fastpath_split_create(const struct ruleset *ruleset)
{
	struct fastpath_split *split = calloc(1, sizeof(*split));
	struct keepers keepers = {0};

	if (!find_keepers(&keepers, ruleset)) {
		free(split);
		split = NULL;
	}
	for (size_t d = 0; split && d < ruleset->destination_count; d++) {
		const struct ruleset_destination *named = &ruleset->destinations[d];

		if (named->target.port_be == 0 || named->target.address.family == AF_UNSPEC)
			continue;
		if (meets_keeper(ruleset, &keepers, named))
			split->ports[named->target.address.family == AF_INET6]
				    [ntohs(named->target.port_be)] = true;
	}
	free(keepers.first);
	free(keepers.next);
	return split;
}
