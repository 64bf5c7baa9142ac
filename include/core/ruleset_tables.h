/* SPDX-License-Identifier: MIT */
/* The look-up tables of a ruleset, one per dimension. For ruleset.c and the fast path's tables. */
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

/*
 * Ports of a family to which the same rules listen have the same class: 0 where none does, else at
 * most ruleset_tables_class_count. Port in host byte order.
 */
uint32_t ruleset_tables_class(const struct ruleset_tables *tables, uint8_t family, unsigned port);
size_t ruleset_tables_class_count(const struct ruleset_tables *tables);

/* The set of rules of a class other than 0. */
const uint64_t *ruleset_tables_class_set(const struct ruleset_tables *tables, uint32_t class);

/*
 * All addresses at which SOURCEADDRESS of one of a set of rules begins or has ended, sorted, each
 * once, and the lowest of the family before all: from each to the next, clients satisfy the same
 * of these rules. Returns *count of them, which the caller frees; NULL when memory runs out.
 */
struct ip_address *ruleset_tables_client_starts(const struct ruleset *ruleset, const uint64_t *set,
						uint8_t family, size_t *count);

#endif
