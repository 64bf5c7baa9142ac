/* SPDX-License-Identifier: MIT */
/*
 * What a kernel program counts on after its daemon has ended: its counters, which the next daemon
 * takes in once its own program stands at every ingress.
 */
#ifndef TRAFFICDUPLICATOR_DATAPATH_FASTPATH_LEFT_H
#define TRAFFICDUPLICATOR_DATAPATH_FASTPATH_LEFT_H

#include "datapath/counters.h"

#include <stddef.h>
#include <stdint.h>

/* BPF maps as fastpath_maps.h has them; descriptors are -1 where there is none. */
struct fastpath_left {
	int totals_fd, rules_fd, destinations_fd;
	size_t copies; /* of each table */
	size_t rule_room, destination_room;
};

/*
 * Adds what was counted to *sum, made for the ruleset of the program that counted, and what was
 * refused to *refused_pkts. To be called when that program is attached nowhere any more. Returns 0,
 * -EINVAL where the maps are not as described, as those of another version may be, or -errno.
 */
int fastpath_left_read(const struct fastpath_left *left, struct counters *sum,
		       uint64_t *refused_pkts);

#endif
