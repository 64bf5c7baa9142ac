/* SPDX-License-Identifier: MIT */
/* Whether packets can be duplicated. */
#include "control/daemon_state.h"
#include "control/helper.h"
#include "control/timer.h"

/* A worker is asked once a second. */
#define SILENCE_MAX_MS 5000

void daemon_health_listen(struct daemon *daemon)
{
	bool alive = datapath_alive(daemon->datapath);

	if (alive)
		daemon->workers_heard_ms = timer_now_ms();
	daemon->workers_alive = alive;
}

/* What the rules leave to be done; NULL: at least one copy can be sent. */
static const char *nothing_to_do(const struct daemon *daemon)
{
	const struct ruleset *ruleset = daemon->program.ruleset;
	bool any_enabled = false;

	for (size_t i = 0; i < ruleset->destination_count; i++) {
		if (!ruleset->rules[ruleset->destinations[i].rule].config->enabled)
			continue;
		if (daemon->is_up[i])
			return NULL;
		any_enabled = true;
	}
	return any_enabled ? "every destination is down or unresolved" : "no rule is enabled";
}

const char *daemon_health(const struct daemon *daemon)
{
	const char *ill = daemon_guard_ill(daemon);

	if (daemon->stage == DAEMON_STARTING)
		return "starting";
	if (daemon->stage == DAEMON_STOPPING)
		return "stopping";
	if (timer_now_ms() - daemon->workers_heard_ms > SILENCE_MAX_MS)
		return "a worker does not answer";
	if (helper_is_lost(daemon->helper))
		return DAEMON_HELPER_IS_GONE;
	if (daemon->rules_stale)
		return "the netfilter rules could not be brought up to date: see the log";
	return ill ? ill : nothing_to_do(daemon);
}
