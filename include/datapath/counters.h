/* SPDX-License-Identifier: MIT */
/*
 * What was counted. Each worker writes its own set and nobody else's, with plain stores; the
 * control thread reads all of them. Within a set the equations that users are promised hold
 * between any two bursts.
 */
#ifndef TRAFFICDUPLICATOR_DATAPATH_COUNTERS_H
#define TRAFFICDUPLICATOR_DATAPATH_COUNTERS_H

#include "core/reason.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef _Atomic uint64_t counter;

/* Adds to a counter that only this thread writes: no locked instruction. */
static inline void counter_add(counter *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline uint64_t counter_read(const counter *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* received = matched_by_any + unmatched + malformed + truncated;
 * matched_by_any = originals_forwarded + originals_dropped. */
struct counters_total {
	counter received_pkts;
	counter matched_by_any_pkts;
	counter unmatched_pkts;
	counter malformed_pkts;
	counter truncated_pkts;
	counter originals_forwarded_pkts;
	counter originals_dropped_pkts;
};

/* matched = sampled_out + rate_limited + duplicated. Bytes are those of whole IP datagrams. */
struct counters_rule {
	counter matched_pkts;
	counter matched_bytes;
	counter sampled_out_pkts;
	counter rate_limited_pkts;
	counter duplicated_pkts;
};

/* due = sent + the sum of dropped. A copy that left in fragments counts once. */
struct counters_destination {
	counter due_pkts;
	counter sampled_out_pkts;
	counter sent_pkts;
	counter sent_bytes;
	counter dropped_pkts[REASON_COUNT];
};

/* One worker's counters for the rules and destinations of one ruleset, by its indices. */
struct counters {
	size_t rule_count;
	size_t destination_count;
	struct counters_total total;
	struct counters_rule *rules;
	struct counters_destination *destinations;
};

/* All zero; NULL when memory runs out. */
struct counters *counters_create(size_t rule_count, size_t destination_count);
void counters_free(struct counters *counters);

/* Adds every number of one struct to another. */
void counters_add_total(struct counters_total *into, const struct counters_total *from);
void counters_add_rule(struct counters_rule *into, const struct counters_rule *from);
void counters_add_destination(struct counters_destination *into,
			      const struct counters_destination *from);

/* Adds every number of from to into; both are of the same ruleset. from may still be written. */
void counters_accumulate(struct counters *into, const struct counters *from);

#endif
