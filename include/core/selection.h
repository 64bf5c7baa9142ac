/* SPDX-License-Identifier: MIT */
/*
 * Of the rules that match a packet, which copies are due: SAMPLE, RATELIMIT, BALANCE, health, and
 * at most one copy for each place. Pure: the time comes from the caller, the counting goes to it.
 */
#ifndef TRAFFICDUPLICATOR_CORE_SELECTION_H
#define TRAFFICDUPLICATOR_CORE_SELECTION_H

#include "core/ruleset.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What became of a rule or a destination for one packet. */
enum selection_event {
	SELECTION_RULE_SAMPLED_OUT,
	SELECTION_RULE_RATE_LIMITED,
	SELECTION_RULE_DUPLICATED,
	SELECTION_COPY_SHARED, /* not due: a rule before has sent to the same place */
	SELECTION_COPY_SAMPLED_OUT,
	SELECTION_COPY_DOWN, /* due, and dropped since its destination is down or has no address */
	SELECTION_COPY_SEND, /* due, and to be sent */
};

/*
 * Called in the file's order: index is the rule's, or the destination's in ruleset.destinations.
 * For SELECTION_COPY_SEND returns whether the copy leaves: if not, a rule after this one may still
 * send to the same place. For all others the result means nothing.
 */
typedef bool selection_visitor(void *context, enum selection_event event, uint32_t index);

/* Token buckets of a ruleset's rules, shared by all workers. */
struct selection_limits;

struct selection_limits *selection_limits_create(const struct ruleset *ruleset);
void selection_limits_free(struct selection_limits *limits);

/* What one worker must remember from packet to packet. */
struct selection;

/* NULL when memory runs out. The ruleset and limits must outlive it. */
struct selection *selection_create(const struct ruleset *ruleset, struct selection_limits *limits);
void selection_free(struct selection *selection);

/*
 * Has SAMPLE of a rule or destination go by a count that others go by as well, from 0 up: each
 * takes the number that it finds and adds 1. NULL: by this worker's own. Before the first
 * selection_run.
 */
void selection_share_rule(struct selection *selection, uint32_t rule, _Atomic uint64_t *count);
void selection_share_destination(struct selection *selection, uint32_t destination,
				 _Atomic uint64_t *count);

/*
 * Carry what is remembered over to another ruleset, in which a rule or destination is the same as
 * one of the former. The former's worker may be at work with it; the new one's not yet.
 */
void selection_limits_adopt(struct selection_limits *to, uint32_t to_rule,
			    const struct selection_limits *from, uint32_t from_rule);
void selection_adopt_rule(struct selection *to, uint32_t to_rule, const struct selection *from,
			  uint32_t from_rule);
void selection_adopt_destination(struct selection *to, uint32_t to_destination,
				 const struct selection *from, uint32_t from_destination);

/*
 * Visits all that happens to one packet. is_up has a byte per destination, non-zero where it may
 * get copies. now_ns is of any clock that goes evenly forward. Returns whether any rule matched;
 * *original is what becomes of the packet itself by all rules that match.
 *
 * SAMPLE takes exactly one of N packets in a row: of all where the count is shared, else of those
 * that this worker sees.
 */
bool selection_run(struct selection *selection, const struct ruleset_key *key, const uint8_t *is_up,
		   uint64_t now_ns, enum original_mode *original, selection_visitor *visit,
		   void *context);

#endif
