/* SPDX-License-Identifier: MIT */
/* The running program: start in order, serve until told to stop, stop in reverse. */
#ifndef TRAFFICDUPLICATOR_CONTROL_DAEMON_H
#define TRAFFICDUPLICATOR_CONTROL_DAEMON_H

#include <stdbool.h>

struct daemon_options {
	const char *config_path;
	const char *socket_path;
	const char *rules_script;
	bool no_rules; /* the administrator installs the rules */
	bool verbose;  /* log at level debug, whatever the configuration says */
};

/*
 * Runs until SIGTERM or SIGINT. Prints one line that ends in "ready" to stdout once packets are
 * being duplicated. SIGHUP reloads: a configuration that is not valid, or that changes what only
 * a start can change, leaves all as it was. Returns the exit code: 0 fine, 1 failed, 3 invalid
 * configuration.
 */
int daemon_run(const struct daemon_options *options);

#endif
