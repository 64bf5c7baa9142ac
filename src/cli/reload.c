/* SPDX-License-Identifier: MIT */
#include "cli/status_sample.h"
#include "cli/verbs.h"
#include "control/control_socket.h"
#include "control/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* As the service's ExecReload=, what is wrong is an error to the journal as well. */
static void say_why_not(const char *text)
{
	if (log_is_journal())
		log_lines(LOG_LEVEL_ERROR, "", text);
	else
		fputs(text, stderr);
}

int verb_reload(const struct options *options)
{
	char failure[STATUS_SAMPLE_FAILURE_SIZE];
	char *body = NULL;
	int error =
		control_socket_ask(options->socket_path, "reload", CONTROL_SOCKET_RELOAD_S, &body);
	/* Without a body, the error is one of this side's system calls. */
	bool invalid = error == -EINVAL && body;

	if (error == 0) {
		fputs(body, stdout);
	} else if (body) {
		say_why_not(body);
	} else {
		status_sample_explain(options->socket_path, error, body, failure);
		fprintf(stderr, "trafficduplicator: %s\n", failure);
	}
	free(body);
	if (invalid)
		return EXIT_INVALID_CONFIG;
	return error == 0 ? EXIT_FINE : EXIT_FAILED;
}
