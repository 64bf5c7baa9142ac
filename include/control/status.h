/* SPDX-License-Identifier: MIT */
/* The state of a running daemon as JSON: what `status --json` prints. */
#ifndef TRAFFICDUPLICATOR_CONTROL_STATUS_H
#define TRAFFICDUPLICATOR_CONTROL_STATUS_H

#include "core/fastpath_verdict.h"
#include "core/ruleset.h"
#include "datapath/counters.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* How a reload went. */
struct status_reload {
	time_t at;
	bool ok;
	char *report; /* what it said, several lines; NULL: there has been none */
};

/* Packets that were sent to find loops, and came back. */
struct status_probes {
	uint64_t sent_pkts, returned_pkts;
};

struct status {
	uint64_t uptime_s;
	uint64_t uptime_ms; /* the same, for those who work out rates */
	time_t started_at;
	const char *health; /* "ok", or why packets cannot be duplicated */
	const char *http;   /* where it listens, "off", or "unavailable: " and why */
	struct status_reload last_reload;
	const char *config_path;
	const struct ruleset *ruleset;
	const struct counters *counters; /* of that ruleset, all workers' together */
	const uint8_t *is_up;		 /* per destination of that ruleset */
	const uint8_t *in_loop;		 /* the same: its copies come back; NULL: none */
	struct status_probes probes;
	const char *fastpath;			 /* "off", "on", or "unavailable: " and why */
	const struct fastpath_verdict *verdicts; /* one per rule; NULL unless it is on */
	uint64_t queue_waiting_pkts;
	uint64_t queue_dropped_kernel_pkts;
	uint64_t rules_restored; /* how often netfilter's rules were put back */
};

/* A JSON text that ends in a newline; the caller frees it. NULL when memory runs out. */
char *status_json(const struct status *status);

#endif
