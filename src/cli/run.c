/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"
#include "control/daemon.h"

int verb_run(const struct options *options)
{
	const struct daemon_options daemon = {
		.config_path = options->config_path,
		.socket_path = options->socket_path,
		.rules_script = options->rules_script,
		.no_rules = options->no_rules,
		.verbose = options->verbose,
	};

	return daemon_run(&daemon);
}
