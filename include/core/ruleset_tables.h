/* SPDX-License-Identifier: MIT */
/* The look-up tables of a ruleset, one per dimension. For ruleset.c only. */
#ifndef TRAFFICDUPLICATOR_CORE_RULESET_TABLES_H
#define TRAFFICDUPLICATOR_CORE_RULESET_TABLES_H

#include "core/ruleset.h"

struct ruleset_tables;

/* Sets of rules, ruleset->set_words words each: those that the key satisfies in one dimension. */
struct ruleset_sets {
	const uint64_t *port; /* port, family and ENABLED */
	const uint64_t *source;
	const uint64_t *listen;
	const uint64_t *interface;
	const uint64_t *bridge_port;
};

/* From a ruleset that is complete but for its tables. NULL when memory runs out. */
struct ruleset_tables *ruleset_tables_create(const struct ruleset *ruleset);
void ruleset_tables_free(struct ruleset_tables *tables);

/* Looks a key up. Returns false where no rule listens to the port, with *sets not written. */
bool ruleset_tables_find(const struct ruleset_tables *tables, const struct ruleset_key *key,
			 struct ruleset_sets *sets);

/* Whether a rule listens to a port (host byte order). */
bool ruleset_tables_listens(const struct config_rule *rule, unsigned port);

#endif
