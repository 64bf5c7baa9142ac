/* SPDX-License-Identifier: MIT */
#include "control/daemon_state.h"
#include "control/helper.h"
#include "control/log.h"
#include "control/timer.h"

#include <stdlib.h>

enum {
	DRAIN_MS = 2000, /* longest wait for the queues to empty before the rules go */
	DRAIN_STEP_MS = 5,
};

/* Those who ask meanwhile are answered, by /healthz that we are stopping. */
static void serve_for_a_moment(struct daemon *daemon)
{
	const struct timeval step = {.tv_usec = DRAIN_STEP_MS * 1000};

	event_base_loopexit(daemon->base, &step);
	event_base_loop(daemon->base, 0);
}

static void drain_queues(struct daemon *daemon)
{
	uint64_t until_ms = timer_now_ms() + DRAIN_MS;

	do {
		serve_for_a_moment(daemon);
		if (datapath_queue_totals(daemon->datapath).waiting_pkts == 0)
			return;
	} while (timer_now_ms() < until_ms);
	log_warning("packets still wait in a queue after %d ms: they are lost", DRAIN_MS);
}

/*
 * The rules go while the queues are served and empty, so that no packet is lost with them. After a
 * start that failed there may be none, of which the script has to say no more than this.
 */
static bool take_rules_down(struct daemon *daemon)
{
	if (!daemon->rules_up || daemon->options->no_rules)
		return true;
	if (daemon_run_rules_script(daemon, "pause", &daemon->program))
		drain_queues(daemon);
	if (daemon_run_rules_script(daemon, "down", &daemon->program))
		return true;
	if (daemon->stage == DAEMON_STARTING)
		log_error("nor could what was loaded of the rules be taken away: run '%s down'",
			  daemon->options->rules_script);
	return false;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

bool daemon_stop(struct daemon *daemon)
{
	bool clean;

	/* What runs changes no more, whatever else happens. */
	autoreload_close(daemon->autoreload);
	daemon_follow_close(daemon);
	daemon_guard_stop(daemon);
	daemon_loops_pause(daemon);
	if (daemon->tick)
		event_del(daemon->tick);
	if (daemon->stage == DAEMON_STOPPING)
		serve_for_a_moment(daemon);
	/* What nobody has taken over goes on before the rules go, which would be its end. */
	daemon_handover_close(daemon);
	clean = daemon_handover_leave(daemon);
	if (!clean) {
		daemon_fastpath_stop(daemon);
		clean = take_rules_down(daemon);
	}
	datapath_close(daemon->datapath);
	daemon_loops_close(daemon);
	daemon_fastpath_close(daemon);
	/* Where we had none, the file is another's. */
	if (daemon->control && control_socket_look(daemon->control) == 0)
		helper_remove_socket(daemon->helper);
	daemon_guard_close(daemon);
	control_socket_close(daemon->control);
	daemon_http_close(daemon);
	daemon_history_close(daemon);
	free_event(daemon->terminate);
	free_event(daemon->interrupt);
	free_event(daemon->hangup);
	free_event(daemon->reload);
	free_event(daemon->tick);
	daemon_helper_end(daemon);
	if (daemon->base)
		event_base_free(daemon->base);
	netview_free(daemon->netview);
	free(daemon->is_up);
	free(daemon->last_reload.report);
	program_free(&daemon->program);
	return clean;
}
