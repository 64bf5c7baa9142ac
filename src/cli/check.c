/* SPDX-License-Identifier: MIT */
#include "cli/load.h"
#include "cli/verbs.h"
#include "control/cpus.h"

#include <stdio.h>
#include <stdlib.h>

int verb_check(const struct options *options)
{
	struct config *config;
	char *description;
	int code = load_config(options, &config);

	if (code != EXIT_FINE)
		return code;
	description = config_describe(config, cpus_usable());
	config_free(config);
	if (!description) {
		fprintf(stderr, "trafficduplicator: out of memory\n");
		return EXIT_FAILED;
	}
	fputs(description, stdout);
	free(description);
	return EXIT_FINE;
}
