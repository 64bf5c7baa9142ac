/* SPDX-License-Identifier: MIT */
/* A config as understood, in words. */
#include "core/config.h"

#include <stdio.h>
#include <stdlib.h>

static const char *original_words(enum original_mode mode)
{
	switch (mode) {
	case ORIGINAL_FORWARD:
		return "the original goes on to where it was going";
	case ORIGINAL_DROP:
		return "the original ends here";
	default:
		return "ends here when sent to this machine, else goes on untouched";
	}
}

static const char *oversize_words(enum oversize_mode mode)
{
	return mode == OVERSIZE_DROP ? "copies larger than the MTU are dropped and counted"
				     : "copies larger than the MTU leave in fragments";
}

static const char *when_full_words(enum when_full when_full)
{
	return when_full == WHEN_FULL_FORWARD
		       ? "originals that find the queue full go on without copies, counted"
		       : "originals that find the queue full are dropped and counted";
}

static void print_ports(FILE *out, const struct config_rule *rule)
{
	fprintf(out, "  ports         UDP ");
	for (size_t i = 0; i < rule->port_count; i++) {
		const struct port_range *range = &rule->ports[i];

		fprintf(out, "%s%u", i ? ", " : "", range->first);
		if (range->last != range->first)
			fprintf(out, "-%u", range->last);
	}
	fprintf(out, "\n");
}

static void print_ttl(FILE *out, const struct ttl_policy *ttl)
{
	fprintf(out, "  ttl           ");
	if (ttl->mode == TTL_SET)
		fprintf(out, "%u: every copy leaves with this TTL or hop limit\n", ttl->value);
	else if (ttl->mode == TTL_DECREMENT)
		fprintf(out, "decrement: one less than the packet came with\n");
	else
		fprintf(out, "keep: as the packet came\n");
}

static void print_rule(FILE *out, const struct config_rule *rule)
{
	fprintf(out, "Rule \"%s\"\n", rule->name);
	print_ports(out, rule);
	for (size_t i = 0; i < rule->destination_count; i++)
		fprintf(out, "  %-13s %*zu  %s%s\n", i ? "" : "destinations",
			rule->destination_count > 9 ? 2 : 1, i + 1, rule->destinations[i].name,
			rule->destinations[i].port ? "" : " (the packet's own port)");
	fprintf(out, "  original      %s: %s\n", original_mode_name(rule->original),
		original_words(rule->original));
	fprintf(out, "  oversize      %s: %s\n", oversize_mode_name(rule->oversize),
		oversize_words(rule->oversize));
	print_ttl(out, &rule->ttl);
	fprintf(out, "\n");
}

static void print_settings(FILE *out, const struct config_settings *settings, unsigned cpu_count)
{
	unsigned workers = config_workers(settings, cpu_count);

	fprintf(out, "Settings\n");
	fprintf(out, "  queues        %u", settings->queue);
	if (workers > 1)
		fprintf(out, "-%u", settings->queue + workers - 1);
	fprintf(out, " (%u worker%s%s)\n", workers, workers == 1 ? "" : "s",
		settings->workers ? "" : ", by the number of CPUs");
	fprintf(out, "  queue length  %u packets each\n", settings->queue_length_pkts);
	fprintf(out, "  when full     %s: %s\n", when_full_name(settings->when_full),
		when_full_words(settings->when_full));
	fprintf(out, "  mark          0x%x on every copy\n", settings->mark);
	fprintf(out, "  log level     %s\n", log_level_name(settings->log_level));
}

char *config_describe(const struct config *config, unsigned cpu_count)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (!out)
		return NULL;
	for (size_t i = 0; i < config->rule_count; i++)
		print_rule(out, &config->rules[i]);
	print_settings(out, &config->settings, cpu_count);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
