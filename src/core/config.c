/* SPDX-License-Identifier: MIT */
#include "core/config.h"

#include "core/config_duplicates.h"
#include "core/config_ports.h"
#include "core/config_rule.h"
#include "core/config_settings.h"
#include "core/config_text.h"

#include <stdlib.h>
#include <string.h>

static void read_top_level(const struct config_value *value, void *target)
{
	struct config *config = target;

	if (strcmp(config_read_node(value)->key, "SETTINGS") == 0)
		config_settings_read(value, &config->settings);
	else
		config_rule_read(value, &config->rules[config->rule_count++]);
}

/* Reads the located text; what is wrong goes to the report. NULL: out of memory, or no object. */
static struct config *read_root(const struct config_tree *tree, struct config_report *report)
{
	struct config_value root = {.report = report, .tree = tree};
	size_t members = tree->nodes[0].child_count;
	struct config *config = NULL;

	if (tree->text[tree->nodes[0].begin] != '{') {
		config_read_error(&root, "the file must hold one object; write { ... }");
		return NULL;
	}
	root.json = config_read_json(tree, 0, report);
	if (!root.json)
		return NULL;
	config = calloc(1, sizeof *config);
	if (config)
		config->rules = calloc(members + 1, sizeof *config->rules);
	if (!config || !config->rules) {
		config_report_no_memory(report);
		goto out;
	}
	config_settings_default(&config->settings);
	config_read_each(&root, read_top_level, config);
	if (config->rule_count == 0)
		config_report_add(report, tree->nodes[0].line,
				  "no rule; write at least one, for example \"Syslog\": "
				  "{ \"SOURCEPORT\": \"514\", \"DESTINATION\": "
				  "[\"192.0.2.10/514\"] }");
out:
	json_object_put(root.json);
	return config;
}

struct config *config_parse_partly(const char *text, size_t length, const char *file, bool *clean,
				   struct config_errors *errors)
{
	struct config_report report = {.file = file};
	struct config_tree tree;
	struct config *config = NULL;

	if (config_locate(text, length, &tree, &report)) {
		config_duplicates_mark(&tree, &report);
		config = read_root(&tree, &report);
	}
	*clean = config_report_is_clean(&report);
	config_locate_free(&tree);
	config_report_finish(&report, errors);
	return config;
}

struct config *config_parse(const char *text, size_t length, const char *file,
			    struct config_errors *errors)
{
	bool clean;
	struct config *config = config_parse_partly(text, length, file, &clean, errors);

	if (clean)
		return config;
	config_free(config);
	return NULL;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->rule_count; i++)
		config_rule_free(&config->rules[i]);
	free(config->rules);
	free(config);
}

unsigned config_workers(const struct config_settings *settings, unsigned cpu_count)
{
	if (settings->workers > 0)
		return settings->workers;
	if (cpu_count == 0)
		return 1;
	return cpu_count < CONFIG_WORKERS_MAX ? cpu_count : CONFIG_WORKERS_MAX;
}

/* The highest bit at or below this one that the copies' mark does not have. */
static uint32_t free_bit(const struct config_settings *settings, uint32_t bit)
{
	while (bit != 1 && settings->mark & bit)
		bit >>= 1;
	return bit;
}

uint32_t config_queue_bit(const struct config_settings *settings)
{
	return free_bit(settings, UINT32_C(1) << 30);
}

uint32_t config_served_bit(const struct config_settings *settings)
{
	return free_bit(settings, config_queue_bit(settings) >> 1);
}

/* Whether a rule listens to a port that copies to a destination of another, or the same, go to. */
static bool listens_to_port(const struct config_rule *listener, const struct config_rule *rule,
			    const struct config_destination *destination)
{
	if (destination->port != 0)
		return config_ports_contain(listener, destination->port);
	for (size_t i = 0; i < rule->port_count; i++)
		for (size_t j = 0; j < listener->port_count; j++)
			if (rule->ports[i].first <= listener->ports[j].last &&
			    listener->ports[j].first <= rule->ports[i].last)
				return true;
	return false;
}

static bool listens_at(const struct config_rule *listener, const struct ip_address *address)
{
	for (size_t i = 0; i < listener->listen_count; i++)
		if (ip_prefix_contains(&listener->listens[i].prefix, address))
			return true;
	return listener->listen_count == 0;
}

/* The rule that listens to what a destination gets, or NULL. A rule that is disabled listens to
 * nothing, but is made to listen to its own copies by nothing but to be enabled. */
static const struct config_rule *find_listener(const struct config *config,
					       const struct config_rule *rule,
					       const struct config_destination *destination)
{
	for (size_t i = 0; i < config->rule_count; i++)
		if (!config->rules[i].unsure &&
		    (config->rules[i].enabled || &config->rules[i] == rule) &&
		    listens_to_port(&config->rules[i], rule, destination) &&
		    listens_at(&config->rules[i], &destination->address))
			return &config->rules[i];
	return NULL;
}

static void check_destination(const struct config *config, const struct config_rule *rule,
			      const struct config_destination *destination,
			      const struct ip_interface_address *own, struct config_report *report)
{
	char text[IP_TEXT_SIZE], name[CONFIG_TEXT_SIZE], other[CONFIG_TEXT_SIZE];
	char place[CONFIG_PLACE_SIZE];
	const struct config_rule *listener = ip_equal(&destination->address, &own->address)
						     ? find_listener(config, rule, destination)
						     : NULL;

	config_text_quote(rule->name, name);
	config_destination_place(destination, place);
	if (listener)
		config_report_add(report, destination->line,
				  "rule %s: DESTINATION: \"%s\": this machine itself, at a port "
				  "that rule %s listens to; write another host or port",
				  name, place, config_text_quote(listener->name, other));
	if (ip_is_directed_broadcast(&destination->address, own))
		config_report_add(report, destination->line,
				  "rule %s: DESTINATION: \"%s\": the broadcast address of this "
				  "machine's network %s/%u; write the address of a host",
				  name, place, ip_format(&own->address, text), own->prefix_bits);
	if (ip_is_directed_broadcast(&destination->source_address, own))
		config_report_add(report, destination->line,
				  "rule %s: DESTINATION: \"%s\": its SOURCE is the broadcast "
				  "address of this machine's network %s/%u; write the address of a "
				  "host",
				  name, place, ip_format(&own->address, text), own->prefix_bits);
}

const char *config_unusable_here(const struct config *config, const struct config_rule *rule,
				 const struct config_destination *destination,
				 const struct ip_interface_address *addresses, size_t address_count)
{
	for (size_t i = 0; i < address_count; i++) {
		if (ip_is_directed_broadcast(&destination->address, &addresses[i]))
			return "the broadcast address of a network of this machine";
		if (ip_equal(&destination->address, &addresses[i].address) &&
		    find_listener(config, rule, destination))
			return "this machine itself, at a port that a rule listens to";
	}
	return NULL;
}

bool config_check_addresses(const struct config *config, const char *file,
			    const struct ip_interface_address *addresses, size_t address_count,
			    struct config_errors *errors)
{
	struct config_report report = {.file = file};
	bool clean;

	for (size_t i = 0; i < config->rule_count; i++) {
		const struct config_rule *rule = &config->rules[i];

		for (size_t j = 0; j < rule->destination_count; j++)
			for (size_t k = 0; k < address_count && !rule->destinations[j].unsure; k++)
				check_destination(config, rule, &rule->destinations[j],
						  &addresses[k], &report);
	}
	clean = config_report_is_clean(&report);
	config_report_finish(&report, errors);
	return clean;
}
