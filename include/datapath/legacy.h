/* SPDX-License-Identifier: MIT */
/* What the datapath of one process leaves to the next: queues with all that waits in them. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_LEGACY_H
#define TRAFFICDUPLICATOR_DATAPATH_LEGACY_H

#include "core/config.h"

#include <stddef.h>
#include <stdint.h>

struct legacy_queue {
	int fd; /* the queue's socket; -1: none, or taken over */
	uint16_t number;
	uint32_t last_packet_id; /* that was handed over */
	/* The kernel's counters of this queue, as far as they are in dropped_pkts. */
	uint32_t dropped_full_pkts, dropped_user_pkts;
};

struct legacy {
	size_t queue_count;
	struct legacy_queue queues[CONFIG_WORKERS_MAX];
	uint64_t dropped_pkts; /* by the kernel, in all queues and at the ingress */
};

#endif
