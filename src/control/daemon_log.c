/* SPDX-License-Identifier: MIT */
/* What the daemon's log is told of regularly, and by others. */
#include "control/daemon_state.h"
#include "control/log.h"

#include <event2/event.h>
#include <inttypes.h>

enum { DROPS_QUIET_S = 60 }; /* between two lines that sum up what was dropped */

/* It would write to stderr by itself. */
static void on_libevent_message(int severity, const char *message)
{
	switch (severity) {
	case EVENT_LOG_ERR:
		log_error("libevent: %s", message);
		break;
	case EVENT_LOG_WARN:
		log_warning("libevent: %s", message);
		break;
	default:
		log_debug("libevent: %s", message);
		break;
	}
}

void daemon_log_open(void)
{
	event_set_log_callback(on_libevent_message);
}

void daemon_log_tick(struct daemon *daemon, uint64_t dropped_pkts)
{
	log_limit_tick();
	if (daemon->drops_quiet_s > 0) {
		daemon->drops_quiet_s--;
	} else if (dropped_pkts > daemon->drops_told_pkts) {
		log_warning("the kernel could not queue %" PRIu64
			    " packets: more arrive than are served",
			    dropped_pkts - daemon->drops_told_pkts);
		daemon->drops_told_pkts = dropped_pkts;
		daemon->drops_quiet_s = DROPS_QUIET_S;
	}
}
