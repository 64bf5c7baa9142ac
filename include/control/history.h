/* SPDX-License-Identifier: MIT */
/*
 * The totals of the last five minutes, for plots that are full at once. Keeps what it is given: no
 * clock, no timer of its own.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_HISTORY_H
#define TRAFFICDUPLICATOR_CONTROL_HISTORY_H

#include "datapath/counters.h"

#include <stdint.h>

#define HISTORY_INTERVAL_MS 2000
/* Five minutes have 150 intervals, and these have 151 ends. */
#define HISTORY_SAMPLES 151

struct history;

/* Empty; NULL when memory runs out. */
struct history *history_create(void);
void history_free(struct history *history);

/*
 * Adds the totals at a moment in place of the oldest ones: packets received, copies sent, and what
 * was dropped for any reason, by the kernel in front of the queue too. at_ms: since the start of
 * the daemon, never less than before.
 */
void history_add(struct history *history, uint64_t at_ms, const struct counters *counters,
		 uint64_t dropped_kernel_pkts);

/*
 * {"interval_ms", "at_ms": [...], "received_pkts": [...], "sent_pkts": [...], "dropped_pkts":
 * [...]}: counters since the start, the oldest first, and a newline. Without a history the arrays
 * are empty. The caller frees it. NULL when memory runs out.
 */
char *history_json(const struct history *history);

#endif
