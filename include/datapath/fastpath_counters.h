/* SPDX-License-Identifier: MIT */
/* From the kernel program's counters to those that users see. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_FASTPATH_COUNTERS_H
#define TRAFFICDUPLICATOR_DATAPATH_FASTPATH_COUNTERS_H

#include "datapath/counters.h"
#include "datapath/fastpath_shared.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One CPU's, in shared memory: as many rules and destinations as the ruleset in force has, or more.
 */
struct fastpath_counters {
	struct fastpath_total_counters *total;
	struct fastpath_rule_counters *rules;
	struct fastpath_destination_counters *destinations;
};

struct fastpath;

/* One CPU's in one bank, as copy says, from 0. Returns false where there are no more copies. */
bool fastpath_counters_at(const struct fastpath *fastpath, size_t copy,
			  struct fastpath_counters *at);

/*
 * Adds them to *sum, and makes them 0. Nothing else may write them meanwhile. Returns the number of
 * packets refused in place of a full queue, for which *sum has no counter.
 */
uint64_t fastpath_counters_take_in(const struct fastpath_counters *from, struct counters *sum);

#endif
