/* SPDX-License-Identifier: MIT */
/* Which of the kernel program's counts SAMPLE of each rule and destination goes by. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_FASTPATH_SAMPLES_H
#define TRAFFICDUPLICATOR_DATAPATH_FASTPATH_SAMPLES_H

#include "datapath/fastpath_maps.h"
#include "datapath/generation.h"

#include <stdint.h>

/* Stands for no count: there was no room, or none is needed. */
#define FASTPATH_NO_SAMPLE UINT32_MAX

struct fastpath_samples {
	const struct ruleset *ruleset;
	uint32_t *rules, *destinations;
};

/*
 * Deals counts out for a ruleset. One whose rule or destination, and whose N, were in the former
 * ruleset as well goes on; the others begin at 0. No count that the former has is given to another,
 * since the program still goes by it. kinship is with the former ruleset; NULL where that is the
 * same. NULL when memory runs out.
 */
struct fastpath_samples *fastpath_samples_create(const struct fastpath_map *counts,
						 const struct ruleset *ruleset,
						 const struct kinship *kinship,
						 const struct fastpath_samples *former);
void fastpath_samples_free(struct fastpath_samples *samples);

#endif
