/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"
#include "control/daemon.h"
#include "control/log.h"

int verb_run(const struct options *options)
{
	const struct daemon_options daemon = {
		.config_path = options->config_path,
		.socket_path = options->socket_path,
		.rules_script = options->rules_script,
		.no_rules = options->no_rules,
		.verbose = options->verbose,
	};
	int format = options_choose("--log-format", options->log_format, "text", "json");

	if (format < 0)
		return EXIT_USAGE;
	log_set_format(format ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
	return daemon_run(&daemon);
}
