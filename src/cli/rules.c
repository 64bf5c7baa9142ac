/* SPDX-License-Identifier: MIT */
#include "cli/load.h"
#include "cli/verbs.h"
#include "control/cpus.h"
#include "core/rules_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The daemon says how many workers it has, since CPUs may have come or gone after its start. */
static unsigned cpu_count(void)
{
	const char *workers = getenv("TRAFFICDUPLICATOR_WORKERS");
	long count = workers ? strtol(workers, NULL, 10) : 0;

	return count >= 1 && count <= CONFIG_WORKERS_MAX ? (unsigned)count : cpus_usable();
}

/* The daemon also says what the destinations' host names have been resolved to. Returns false when
 * memory runs out. */
static bool take_resolved(struct rules_text_options *options, struct ip_address **resolved)
{
	const char *at = getenv("TRAFFICDUPLICATOR_RESOLVED");
	/* The shortest address, "::", has a space behind it. */
	size_t most = at ? strlen(at) / 3 : 0;

	*resolved = calloc(most + 1, sizeof(**resolved));
	if (!*resolved)
		return false;
	options->resolved = *resolved;
	for (; at && *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");

		if (length >= 2 && options->resolved_count < most &&
		    ip_parse(at, length, &(*resolved)[options->resolved_count]))
			options->resolved_count++;
		at += length;
	}
	return true;
}

int verb_rules(const struct options *options)
{
	int way = options_choose("--way", options->way, "nft", "iptables");
	int defragmentation =
		options_choose("--defragmentation", options->defragmentation, "tproxy", "ct");
	int format = options_choose("--format", options->format, "nft", "iptables");
	struct rules_text_options text_options = {.cpu_count = cpu_count()};
	struct ip_address *resolved;
	struct config *config;
	char *text = NULL;
	int code;

	if (way < 0 || defragmentation < 0 || format < 0)
		return EXIT_USAGE;
	code = load_config(options, &config);
	if (code != EXIT_FINE)
		return code;
	text_options.way = way ? RULES_WAY_IPTABLES : RULES_WAY_NFT;
	text_options.defragmentation =
		defragmentation ? RULES_DEFRAGMENTATION_CT : RULES_DEFRAGMENTATION_TPROXY;
	if (take_resolved(&text_options, &resolved))
		text = format ? rules_text_iptables(config, &text_options)
			      : rules_text_nft(config, &text_options);
	free(resolved);
	config_free(config);
	if (!text) {
		fprintf(stderr, "trafficduplicator: out of memory\n");
		return EXIT_FAILED;
	}
	fputs(text, stdout);
	free(text);
	return EXIT_FINE;
}
