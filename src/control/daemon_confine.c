/* SPDX-License-Identifier: MIT */
/* What the daemon gives up before it serves packets, and the helper that has it instead. */
#include "control/confine.h"
#include "control/daemon_state.h"
#include "control/helper.h"
#include "control/log.h"
#include "control/privileges.h"

#include <string.h>

bool daemon_helper_start(struct daemon *daemon)
{
	const struct helper_options options = {
		.rules_script = daemon->options->rules_script,
		.socket_path = daemon->options->socket_path,
		.program_fd = daemon->program_fd,
	};
	char why[CONFINE_ERROR_BYTES];

	if (helper_start(&daemon->helper, &options, why) == 0)
		return true;
	log_error("cannot start the helper process: %s", why);
	return false;
}

/* Packets are served all the same; what needs the helper fails, and says so. */
static void on_helper_ended(evutil_socket_t fd, short what, void *context)
{
	struct daemon *daemon = context;

	(void)fd;
	(void)what;
	helper_lost(daemon->helper);
	event_del(daemon->helper_ended);
	log_error("%s; packets are duplicated as before", DAEMON_HELPER_IS_GONE);
}

bool daemon_confine(struct daemon *daemon)
{
	char why[CONFINE_ERROR_BYTES];
	int error;

	daemon->helper_ended = event_new(daemon->base, helper_fd(daemon->helper),
					 EV_READ | EV_PERSIST, on_helper_ended, daemon);
	if (!daemon->helper_ended || event_add(daemon->helper_ended, NULL) < 0) {
		log_error("cannot watch the helper process: out of memory");
		return false;
	}
	error = privileges_drop(PRIVILEGES_DAEMON);
	if (error) {
		log_error("cannot give up privileges: %s", strerror(-error));
		return false;
	}
	if (confine_apply(CONFINE_DAEMON, why) < 0) {
		log_error("%s", why);
		return false;
	}
	return true;
}

void daemon_helper_end(struct daemon *daemon)
{
	if (daemon->helper_ended)
		event_free(daemon->helper_ended);
	helper_end(daemon->helper);
	daemon->helper = NULL;
}
