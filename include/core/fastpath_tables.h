/* SPDX-License-Identifier: MIT */
/*
 * From rules to the tables that the fast path's kernel program goes by (core/fastpath_abi.h). What
 * the tables say of a packet is exactly what core/selection.c would do with it, or that it is to be
 * queued. Clients of each class of ports are cut where SOURCEADDRESS of one of its rules begins or
 * ends; from one cut to the next the same rules match, and one plan serves.
 */
#ifndef TRAFFICDUPLICATOR_CORE_FASTPATH_TABLES_H
#define TRAFFICDUPLICATOR_CORE_FASTPATH_TABLES_H

#include "core/fastpath_abi.h"
#include "core/fastpath_verdict.h"
#include "core/netview.h"
#include "core/ruleset.h"

/* Capacities of the kernel's maps, in entries. */
struct fastpath_limits {
	size_t classes;		 /* at least FASTPATH_FAMILIES */
	size_t ranges4, ranges6; /* at least 1 */
	size_t plans;		 /* at least FASTPATH_FIXED_PLANS */
	size_t steps;
	size_t own4, own6;
	size_t samples;
};

/* Every table begins with these plans: leave the packet to the queue. */
enum { FASTPATH_PLAN_QUEUE, FASTPATH_PLAN_QUEUE_CERTAIN, FASTPATH_FIXED_PLANS };

/* What tables are made from; all of it is borrowed. */
struct fastpath_inputs {
	const struct ruleset *ruleset;
	/* Made for the ruleset. NULL, for those who only ask for verdicts: every destination is
	 * resolved, and this machine has no address. */
	const struct netview *netview;
	const uint8_t *is_up;	/* as of selection_run; NULL: all are up */
	const uint8_t *in_loop; /* per destination: its copies come back; NULL: none */
	/* Per rule and per destination, the count that its SAMPLE goes by: an index below
	 * limits.samples, or any other number where there was no room. Read where SAMPLE is more
	 * than 1 only. NULL: all are 0. */
	const uint32_t *rule_samples;
	const uint32_t *destination_samples;
	struct fastpath_limits limits;
};

/* Arrays are as long as their counts say; NULL or not where that is 0. */
struct fastpath_tables {
	/* By destination port in host byte order: 0: matches nothing, else index + 1 of a class. */
	uint32_t ports[FASTPATH_FAMILIES][FASTPATH_PORTS];
	struct fastpath_run *classes; /* of ranges4 or ranges6, as the family of its ports */
	size_t class_count;
	struct fastpath_range4 *ranges4;
	size_t range4_count;
	struct fastpath_range6 *ranges6;
	size_t range6_count;
	struct fastpath_plan *plans; /* no two that serve are the same */
	size_t plan_count;
	struct fastpath_step *steps;
	size_t step_count;
	__u32 *own4; /* this machine's addresses, sorted */
	size_t own4_count;
	struct fastpath_own6 *own6;
	size_t own6_count;
};

/*
 * Builds the tables, and writes a verdict for each rule into verdicts. Where something exceeds the
 * limits, the packets concerned are left to the queue. Returns NULL when memory runs out; free with
 * fastpath_tables_free.
 */
struct fastpath_tables *fastpath_tables_build(const struct fastpath_inputs *inputs,
					      struct fastpath_verdict *verdicts);
/* Leaves everything to the queue. */
void fastpath_tables_serve_nothing(struct fastpath_tables *tables);
void fastpath_tables_free(struct fastpath_tables *tables);

#endif
