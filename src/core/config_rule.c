/* SPDX-License-Identifier: MIT */
#include "core/config_rule.h"

#include "core/config_destination.h"
#include "core/config_names.h"
#include "core/config_ports.h"
#include "core/config_text.h"

#include <stdlib.h>
#include <string.h>

/* A rule while it is read. */
struct draft {
	struct config_rule *rule;
	struct config_destinations destinations;
};

static void read_ports(const struct config_value *value, void *target)
{
	struct draft *draft = target;

	config_ports_read(value, draft->rule);
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

static void read_ttl(const struct config_value *value, void *target)
{
	struct draft *draft = target;
	struct ttl_policy *ttl = &draft->rule->ttl;
	const char *word = json_object_is_type(value->json, json_type_string)
				   ? json_object_get_string(value->json)
				   : "";
	int64_t number = json_object_get_int64(value->json);

	if (json_object_is_type(value->json, json_type_int) && number >= 1 && number <= UINT8_MAX)
		*ttl = (struct ttl_policy){.mode = TTL_SET, .value = (uint8_t)number};
	else if (strcmp(word, "keep") == 0)
		*ttl = (struct ttl_policy){.mode = TTL_KEEP};
	else if (strcmp(word, "decrement") == 0)
		*ttl = (struct ttl_policy){.mode = TTL_DECREMENT};
	else
		config_read_error(value, "write \"keep\", \"decrement\", or a number from 1 to 255 "
					 "without quotation marks");
}

static void check_name(const struct config_value *value, const char *name)
{
	size_t left = strlen(name), length;

	if (left == 0 || left > CONFIG_RULE_NAME_MAX) {
		config_read_error_about(value, "the name has %zu bytes; write a name of 1 to %d",
					left, CONFIG_RULE_NAME_MAX);
		return;
	}
	for (; left > 0; name += length, left -= length) {
		length = config_text_character(name, left);
		if (config_text_is_control(name, length)) {
			config_read_error_about(value, "a control character in the name; "
						       "write a name without");
			return;
		}
	}
}

void config_rule_read(const struct config_value *value, struct config_rule *rule)
{
	static const struct config_key keys[] = {
		{"SOURCEPORT", "\"SOURCEPORT\": \"514\"", read_ports},
		{"DESTINATION", "\"DESTINATION\": [\"192.0.2.10/514\"]", read_destinations},
		{"ORIGINAL", NULL, read_original},
		{"OVERSIZE", NULL, read_oversize},
		{"TTL", NULL, read_ttl},
	};
	const struct config_node *node = config_read_node(value);
	struct draft draft = {.rule = rule};

	check_name(value, node->key);
	if (!json_object_is_type(value->json, json_type_object)) {
		config_read_error(value, "a rule is an object; write { \"SOURCEPORT\": \"514\", "
					 "\"DESTINATION\": [\"192.0.2.10/514\"] }");
		return;
	}
	rule->line = node->key_line;
	rule->name = strdup(node->key);
	if (!rule->name)
		config_report_no_memory(value->report);
	config_read_object(value, keys, sizeof keys / sizeof *keys, &draft);
	config_destination_compare(&draft.destinations, rule);
	rule->destinations = draft.destinations.all;
	rule->destination_count = draft.destinations.count;
}

void config_rule_free(struct config_rule *rule)
{
	free(rule->name);
	free(rule->ports);
	config_destination_free(rule->destinations, rule->destination_count);
}
