/* SPDX-License-Identifier: MIT */
#include "core/config_ports.h"

#include <stdlib.h>
#include <string.h>

#define PORTS_FORM                                                                                 \
	"write a port from 1 to 65535, for example \"514\", or a range, for example \"2055-2060\""

struct entry {
	struct port_range range;
	uint32_t node;
};

/* The entries of one SOURCEPORT, valid ones only. */
struct entries {
	struct entry *all;
	size_t count;
};

static bool parse_port(const char *text, size_t length, uint16_t *port)
{
	uint32_t number;

	if (!config_read_digits(text, length, UINT16_MAX, &number) || number == 0)
		return false;
	*port = (uint16_t)number;
	return true;
}

static bool parse_range(const char *text, size_t length, struct port_range *range)
{
	const char *dash = memchr(text, '-', length);
	size_t first_length = dash ? (size_t)(dash - text) : length;

	if (!parse_port(text, first_length, &range->first))
		return false;
	range->last = range->first;
	return !dash || parse_port(dash + 1, length - first_length - 1, &range->last);
}

static void read_entry(const struct config_value *value, void *target)
{
	struct entries *entries = target;
	struct entry entry = {.node = value->node};
	int64_t number = json_object_get_int64(value->json);
	bool valid = false;

	if (json_object_is_type(value->json, json_type_string)) {
		valid = parse_range(json_object_get_string(value->json),
				    (size_t)json_object_get_string_len(value->json), &entry.range);
	} else if (json_object_is_type(value->json, json_type_int)) {
		valid = number >= 1 && number <= UINT16_MAX;
		entry.range.first = entry.range.last = (uint16_t)number;
	}
	if (!valid)
		config_read_error(value, PORTS_FORM);
	else if (entry.range.first > entry.range.last)
		config_read_error(value, "the first port is the larger one; write \"%u-%u\"",
				  entry.range.last, entry.range.first);
	else
		entries->all[entries->count++] = entry;
}

static int by_first_port(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	if (a->range.first != b->range.first)
		return a->range.first < b->range.first ? -1 : 1;
	return (a->node > b->node) - (a->node < b->node);
}

/* Reports each entry that shares a port with another, at the one that stands later in the file. */
static void report_overlaps(const struct config_value *list, const struct entries *entries)
{
	const struct entry *widest = entries->all, *later, *earlier;
	struct config_value place, other;

	for (const struct entry *entry = widest + 1; entry < entries->all + entries->count;
	     entry++) {
		if (entry->range.first <= widest->range.last) {
			later = entry->node > widest->node ? entry : widest;
			earlier = later == entry ? widest : entry;
			config_read_place(list, later->node, &place);
			config_read_place(list, earlier->node, &other);
			config_read_error(&place,
					  "port %u stands in entry %u already; "
					  "write each port once",
					  entry->range.first, config_read_node(&other)->number);
		}
		if (entry->range.last > widest->range.last)
			widest = entry;
	}
}

/* Hands the sorted entries over to the rule, touching ones as one range. */
static void merge(const struct entries *entries, struct config_rule *rule)
{
	struct port_range *last = NULL;

	free(rule->ports);
	rule->port_count = 0;
	rule->ports = calloc(entries->count, sizeof *rule->ports);
	for (size_t i = 0; rule->ports && i < entries->count; i++) {
		struct port_range range = entries->all[i].range;

		if (!last || range.first > last->last + 1) {
			last = &rule->ports[rule->port_count++];
			*last = range;
		} else if (range.last > last->last) {
			last->last = range.last;
		}
	}
}

void config_ports_read(const struct config_value *value, void *target)
{
	bool is_array = json_object_is_type(value->json, json_type_array);
	size_t room = is_array ? json_object_array_length(value->json) : 1;
	struct entries entries = {0};
	struct config_rule *rule = target;

	if (room == 0) {
		config_read_error(value, "no port at all; write for example [\"514\"]");
		return;
	}
	entries.all = calloc(room, sizeof *entries.all);
	if (!entries.all) {
		config_report_no_memory(value->report);
		return;
	}
	if (is_array)
		config_read_each(value, read_entry, &entries);
	else
		read_entry(value, &entries);
	if (entries.count > 0) {
		qsort(entries.all, entries.count, sizeof *entries.all, by_first_port);
		report_overlaps(value, &entries);
		merge(&entries, rule);
		if (!rule->ports)
			config_report_no_memory(value->report);
	}
	free(entries.all);
}

bool config_ports_contain(const struct config_rule *rule, uint16_t port)
{
	for (size_t i = 0; i < rule->port_count; i++)
		if (port >= rule->ports[i].first && port <= rule->ports[i].last)
			return true;
	return false;
}
