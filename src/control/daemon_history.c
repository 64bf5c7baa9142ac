/* SPDX-License-Identifier: MIT */
/* Keeps the history of totals while HTTP is there for somebody to ask for it. */
#include "control/daemon_state.h"
#include "control/timer.h"

/* Ticks come once a second, and not to the millisecond. */
#define TICK_MS 1000

static void take(struct daemon *daemon)
{
	uint64_t dropped_pkts = datapath_queue_totals(daemon->datapath).dropped_kernel_pkts;
	struct counters *counters = datapath_read(daemon->datapath);

	if (counters)
		history_add(daemon->history, daemon_uptime_ms(daemon), counters, dropped_pkts);
	counters_free(counters);
}

void daemon_history_follow(struct daemon *daemon)
{
	uint64_t now_ms = timer_now_ms();

	if (daemon->program.config->settings.http_port == 0) {
		daemon_history_close(daemon);
		return;
	}
	if (now_ms + TICK_MS / 2 < daemon->history_next_ms)
		return;
	if (!daemon->history)
		daemon->history = history_create();
	if (daemon->history)
		take(daemon);
	daemon->history_next_ms = now_ms + HISTORY_INTERVAL_MS;
}

char *daemon_history_text(const struct daemon *daemon)
{
	return history_json(daemon->history);
}

void daemon_history_close(struct daemon *daemon)
{
	history_free(daemon->history);
	daemon->history = NULL;
}
