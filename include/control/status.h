/* SPDX-License-Identifier: MIT */
/* The state of a running daemon as JSON: what `status --json` prints. */
#ifndef TRAFFICDUPLICATOR_CONTROL_STATUS_H
#define TRAFFICDUPLICATOR_CONTROL_STATUS_H

#include "core/fastpath_verdict.h"
#include "core/ruleset.h"
#include "datapath/counters.h"

#include <stdint.h>

struct status {
	uint64_t uptime_s;
	const char *config_path;
	const struct ruleset *ruleset;
	const struct counters *counters;	 /* of that ruleset, all workers' together */
	const uint8_t *is_up;			 /* per destination of that ruleset */
	const char *fastpath;			 /* "off", "on", or "unavailable: " and why */
	const struct fastpath_verdict *verdicts; /* one per rule; NULL unless it is on */
	uint64_t queue_waiting_pkts;
	uint64_t queue_dropped_kernel_pkts;
};

/* A JSON text that ends in a newline; the caller frees it. NULL when memory runs out. */
char *status_json(const struct status *status);

#endif
