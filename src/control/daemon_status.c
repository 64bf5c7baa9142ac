/* SPDX-License-Identifier: MIT */
/* What the daemon says about itself to those who ask. */
#include "control/daemon_state.h"

#include <malloc.h>
#include <stdlib.h>

uint64_t daemon_uptime_ms(const struct daemon *daemon)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - daemon->started.tv_sec) * 1000 +
			  (now.tv_nsec - daemon->started.tv_nsec) / 1000000);
}

char *daemon_status_text(const struct daemon *daemon, daemon_status_writer *writer)
{
	struct datapath_queue_totals queue = datapath_queue_totals(daemon->datapath);
	struct counters *counters = datapath_read(daemon->datapath);
	char fastpath[DAEMON_FASTPATH_SIZE], http[DAEMON_HTTP_SIZE];
	const char *ill = daemon_health(daemon);
	uint64_t uptime_ms = daemon_uptime_ms(daemon);
	struct status status = {
		.uptime_s = uptime_ms / 1000,
		.uptime_ms = uptime_ms,
		.started_at = daemon->started_at,
		.fastpath = daemon_fastpath_describe(daemon, fastpath),
		.verdicts = daemon_fastpath_verdicts(daemon),
		.health = ill ? ill : "ok",
		.http = daemon_http_describe(daemon, http),
		.last_reload = daemon->last_reload,
		.config_path = daemon->options->config_path,
		.ruleset = daemon->program.ruleset,
		.counters = counters,
		.is_up = daemon->is_up,
		.in_loop = daemon_loops_found(daemon),
		.probes = daemon_loops_probes(daemon),
		.queue_waiting_pkts = queue.waiting_pkts,
		.queue_dropped_kernel_pkts = queue.dropped_kernel_pkts,
		.rules_restored = daemon_guard_restored(daemon),
	};
	char *text = counters ? writer(&status) : NULL;

	counters_free(counters);
	/* What is made of thousands of destinations takes tens of megabytes, which would stay
	 * ours. */
	malloc_trim(0);
	return text;
}
