/* SPDX-License-Identifier: MIT */
#include "cli/load.h"
#include "cli/verbs.h"
#include "control/cpus.h"
#include "control/exposure.h"
#include "control/log.h"
#include "core/fastpath_tables.h"
#include "core/ruleset.h"

#include <stdio.h>
#include <stdlib.h>

/* The daemon makes its tables for twice of what it starts with. */
#define ROOM (1u << 20)
static const struct fastpath_limits limits = {
	.classes = ROOM,
	.ranges4 = ROOM,
	.ranges6 = ROOM,
	.plans = ROOM,
	.steps = ROOM,
	.own4 = ROOM,
	.own6 = ROOM,
	.samples = ROOM,
};

/* Whether a kernel with room enough, and neighbours that are all known, serves each rule. */
static bool print_fast_path(const struct config *config)
{
	struct ruleset *ruleset = ruleset_compile(config);
	struct fastpath_verdict *verdicts = calloc(config->rule_count + 1, sizeof(*verdicts));
	struct fastpath_tables *tables = NULL;
	struct fastpath_inputs inputs = {.ruleset = ruleset, .limits = limits};
	char text[FASTPATH_VERDICT_SIZE];

	if (ruleset && verdicts)
		tables = fastpath_tables_build(&inputs, verdicts);
	if (tables) {
		printf("Fast path\n");
		for (uint32_t i = 0; i < config->rule_count; i++)
			printf("  %s: %s\n", config->rules[i].name,
			       fastpath_verdict_format(ruleset, verdicts, i, text));
	}
	fastpath_tables_free(tables);
	free(verdicts);
	ruleset_free(ruleset);
	return tables != NULL;
}

static void warn_of_http(const char *path, const struct config_settings *settings)
{
	char where[CONFIG_HTTP_SIZE];

	if (config_http_is_exposed(settings))
		log_warning("%s: SETTINGS: HTTP: \"%s\": " CONFIG_HTTP_EXPOSED, path,
			    config_http_format(settings, where));
}

static void warn_of_open_rule(void *context, const struct exposure_finding *finding)
{
	const char *path = context;
	char text[EXPOSURE_TEXT_SIZE];

	log_warning("%s:%u: rule \"%s\": %s", path, finding->rule->line, finding->rule->name,
		    exposure_describe(finding, text));
}

int verb_check(const struct options *options)
{
	struct config *config;
	char *description;
	bool printed = false;
	int code = load_config(options, &config);

	if (code != EXIT_FINE)
		return code;
	warn_of_http(options->config_path, &config->settings);
	/* By what this machine is like; another one, or one that does not say, leaves it silent. */
	exposure_examine(config, warn_of_open_rule, (void *)options->config_path);
	description = config_describe(config, cpus_usable());
	if (description) {
		fputs(description, stdout);
		printed = config->settings.fast_path == FASTPATH_OFF || print_fast_path(config);
	}
	free(description);
	config_free(config);
	if (!printed)
		fprintf(stderr, "trafficduplicator: out of memory\n");
	return printed ? EXIT_FINE : EXIT_FAILED;
}
