/* SPDX-License-Identifier: MIT */
#include "core/config_rule.h"

#include "core/config_compare.h"
#include "core/config_destination.h"
#include "core/config_families.h"
#include "core/config_interfaces.h"
#include "core/config_names.h"
#include "core/config_ports.h"
#include "core/config_prefixes.h"
#include "core/config_ttl.h"

#include <stdlib.h>
#include <string.h>

/* A rule while it is read. */
struct draft {
	struct config_rule *rule;
	struct config_destinations destinations;
	struct config_prefixes sources;
	struct config_prefixes listens;
};

/* Notes what a key does to what the rule listens to: errors_before were reported before it. */
static void note_errors(struct draft *draft, const struct config_value *value, size_t errors_before)
{
	draft->rule->unsure |= value->report->count != errors_before;
}

static void read_ports(const struct config_value *value, void *target)
{
	size_t errors_before = value->report->count;
	struct draft *draft = target;

	config_ports_read(value, draft->rule);
	note_errors(draft, value, errors_before);
}

static void read_destinations(const struct config_value *value, void *target)
{
	struct draft *draft = target;

	config_destination_read(value, &draft->destinations);
}

static void read_original(const struct config_value *value, void *target)
{
	struct draft *draft = target;
	unsigned choice;

	if (config_read_choice(value, config_names_original, &choice))
		draft->rule->original = (enum original_mode)choice;
}

static void read_oversize(const struct config_value *value, void *target)
{
	struct draft *draft = target;
	unsigned choice;

	if (config_read_choice(value, config_names_oversize, &choice))
		draft->rule->oversize = (enum oversize_mode)choice;
}

static void read_balance(const struct config_value *value, void *target)
{
	struct draft *draft = target;
	unsigned choice;

	if (config_read_choice(value, config_names_balance, &choice))
		draft->rule->balance = (enum balance_mode)choice;
}

static void read_sources(const struct config_value *value, void *target)
{
	struct draft *draft = target;

	config_prefixes_read(value, true, &draft->sources);
}

static void read_listens(const struct config_value *value, void *target)
{
	size_t errors_before = value->report->count;
	struct draft *draft = target;

	config_prefixes_read(value, false, &draft->listens);
	note_errors(draft, value, errors_before);
}

static void read_interfaces(const struct config_value *value, void *target)
{
	struct draft *draft = target;

	config_interfaces_read(value, draft->rule);
}

static void read_sample(const struct config_value *value, void *target)
{
	struct draft *draft = target;
	int64_t number;

	if (config_read_integer(value, 1, CONFIG_RATE_MAX, &number))
		draft->rule->sample = (uint32_t)number;
}

static void read_rate_limit(const struct config_value *value, void *target)
{
	struct draft *draft = target;
	int64_t number;

	if (config_read_integer(value, 1, CONFIG_RATE_MAX, &number))
		draft->rule->rate_limit_pps = (uint32_t)number;
}

static void read_ttl(const struct config_value *value, void *target)
{
	struct draft *draft = target;

	config_ttl_read(value, &draft->rule->ttl);
}

static void read_enabled(const struct config_value *value, void *target)
{
	size_t errors_before = value->report->count;
	struct draft *draft = target;

	config_read_bool(value, &draft->rule->enabled);
	note_errors(draft, value, errors_before);
}

/* What only all keys together show, and the hand-over of what was read. */
static void finish(const struct draft *draft)
{
	struct config_rule *rule = draft->rule;

	config_compare_destinations(&draft->destinations, rule);
	config_families_check(&draft->sources, &draft->listens, &draft->destinations);
	config_destination_inherit(&draft->destinations, &rule->ttl);
	rule->destinations = draft->destinations.all;
	rule->destination_count = draft->destinations.count;
	rule->sources = draft->sources.all;
	rule->source_count = draft->sources.count;
	rule->listens = draft->listens.all;
	rule->listen_count = draft->listens.count;
}

void config_rule_read(const struct config_value *value, struct config_rule *rule)
{
	static const struct config_key keys[] = {
		{"SOURCEPORT", "\"SOURCEPORT\": \"514\"", read_ports},
		{"DESTINATION", "\"DESTINATION\": [\"192.0.2.10/514\"]", read_destinations},
		{"SOURCEADDRESS", NULL, read_sources},
		{"LISTENADDRESS", NULL, read_listens},
		{"INTERFACE", NULL, read_interfaces},
		{"ORIGINAL", NULL, read_original},
		{"BALANCE", NULL, read_balance},
		{"SAMPLE", NULL, read_sample},
		{"RATELIMIT", NULL, read_rate_limit},
		{"TTL", NULL, read_ttl},
		{"OVERSIZE", NULL, read_oversize},
		{"ENABLED", NULL, read_enabled},
	};
	const struct config_node *node = config_read_node(value);
	struct draft draft = {.rule = rule};

	config_read_name(value, node->key);
	if (!json_object_is_type(value->json, json_type_object)) {
		config_read_error(value, "a rule is an object; write { \"SOURCEPORT\": \"514\", "
					 "\"DESTINATION\": [\"192.0.2.10/514\"] }");
		return;
	}
	rule->line = node->key_line;
	rule->enabled = true;
	rule->sample = 1;
	rule->name = strdup(node->key);
	if (!rule->name)
		config_report_no_memory(value->report);
	config_read_object(value, keys, sizeof keys / sizeof *keys, &draft);
	finish(&draft);
}

void config_rule_free(struct config_rule *rule)
{
	free(rule->name);
	free(rule->ports);
	free(rule->sources);
	free(rule->listens);
	config_interfaces_free(rule);
	config_destination_free(rule->destinations, rule->destination_count);
}
