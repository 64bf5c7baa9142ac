/* SPDX-License-Identifier: MIT */
#include "core/config_interfaces.h"

#include "core/config_text.h"

#include <stdlib.h>
#include <string.h>

/* The rule's entries while they are read, and where each of them stands in the file. */
struct entries {
	struct config_rule *rule;
	const struct config_value *list;
	uint32_t *nodes;
};

/*
 * What the kernel takes for a name (net/core/dev.c, dev_valid_name), less what would be a pattern
 * or the end of a string to nft, and less control characters.
 */
static bool is_name(const char *text, size_t length)
{
	size_t step;

	if (length == 0 || length > CONFIG_INTERFACE_NAME_MAX || strcmp(text, ".") == 0 ||
	    strcmp(text, "..") == 0)
		return false;
	for (size_t at = 0; at < length; at += step) {
		step = config_text_character(text + at, length - at);
		if (config_text_is_control(text + at, step) || strchr(" /:\"*\\", text[at]))
			return false;
	}
	return true;
}

static void read_entry(const struct config_value *value, void *target)
{
	struct entries *entries = target;
	struct config_rule *rule = entries->rule;
	struct config_value other;
	const char *name;

	if (!json_object_is_type(value->json, json_type_string) ||
	    !is_name(json_object_get_string(value->json),
		     (size_t)json_object_get_string_len(value->json))) {
		config_read_error(value,
				  "write the name of an interface, for example \"eth0\": 1 to %d "
				  "bytes without spaces and without / : \" * \\",
				  CONFIG_INTERFACE_NAME_MAX);
		return;
	}
	name = json_object_get_string(value->json);
	for (size_t i = 0; i < rule->interface_count; i++) {
		/* All of them are names. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
		if (strcmp(rule->interfaces[i], name) != 0)
			continue;
		config_read_place(entries->list, entries->nodes[i], &other);
		config_read_error(value, "the same as entry %u; remove one of the two",
				  config_read_node(&other)->number);
		return;
	}
	entries->nodes[rule->interface_count] = value->node;
	rule->interfaces[rule->interface_count] = strdup(name);
	if (!rule->interfaces[rule->interface_count])
		config_report_no_memory(value->report);
	else
		rule->interface_count++;
}

void config_interfaces_read(const struct config_value *value, struct config_rule *rule)
{
	bool is_array = json_object_is_type(value->json, json_type_array);
	size_t room = is_array ? json_object_array_length(value->json) : 1;
	struct entries entries = {.rule = rule, .list = value};

	config_interfaces_free(rule);
	if (room == 0 || room > CONFIG_INTERFACES_MAX) {
		config_read_error(value, "%zu interfaces; write 1 to %d", room,
				  CONFIG_INTERFACES_MAX);
		return;
	}
	rule->interfaces = calloc(room, sizeof *rule->interfaces);
	entries.nodes = calloc(room, sizeof *entries.nodes);
	if (!rule->interfaces || !entries.nodes)
		config_report_no_memory(value->report);
	else if (is_array)
		config_read_each(value, read_entry, &entries);
	else
		read_entry(value, &entries);
	free(entries.nodes);
}

void config_interfaces_free(struct config_rule *rule)
{
	for (size_t i = 0; i < rule->interface_count; i++)
		free(rule->interfaces[i]);
	free(rule->interfaces);
	rule->interfaces = NULL;
	rule->interface_count = 0;
}
