/* SPDX-License-Identifier: MIT */
#include "core/import_draft.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Clients whose packets are copied to a destination. */
struct import_flow {
	char *destination; /* "host/port" */
	struct ip_prefix clients;
	unsigned line;
};

bool import_draft_begin(struct import_draft *draft)
{
	draft->rules = json_object_new_object();
	if (!draft->rules)
		config_report_no_memory(draft->report);
	return draft->rules;
}

static void report(struct import_draft *draft, const char *kind, const char *format,
		   va_list arguments)
{
	char *sentence = NULL;

	if (vasprintf(&sentence, format, arguments) < 0) {
		config_report_no_memory(draft->report);
		return;
	}
	config_report_add(draft->report, draft->line, "%s%s", kind, sentence);
	free(sentence);
}

void import_draft_problem(struct import_draft *draft, const char *format, ...)
{
	va_list arguments;

	draft->incomplete = true;
	va_start(arguments, format);
	report(draft, "", format, arguments);
	va_end(arguments);
}

void import_draft_note(struct import_draft *draft, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report(draft, "note: ", format, arguments);
	va_end(arguments);
}

void import_draft_destination(struct import_draft *draft, struct import_rule *rule,
			      const struct import_destination *destination)
{
	char shown[CONFIG_TEXT_SIZE];

	import_span_quote(destination->written, shown);
	for (size_t i = 0; i < rule->destination_count; i++) {
		const struct import_destination *other = &rule->destinations[i];

		if (other->port != destination->port ||
		    strcasecmp(other->host, destination->host) != 0)
			continue;
		import_draft_problem(draft,
				     "%s: stands twice in this line, and gets each packet "
				     "once; remove one of the two",
				     shown);
		return;
	}
	if (rule->destination_count < CONFIG_DESTINATIONS_MAX)
		rule->destinations[rule->destination_count++] = *destination;
	else
		import_draft_problem(draft,
				     "%s: more than %d destinations; write this one in a "
				     "second line",
				     shown, CONFIG_DESTINATIONS_MAX);
}

/* Adds a member and takes its value over, also when out of memory. */
static void put(struct import_draft *draft, struct json_object *object, const char *key,
		struct json_object *value)
{
	if (value && json_object_object_add(object, key, value) == 0)
		return;
	json_object_put(value);
	config_report_no_memory(draft->report);
}

static void put_text(struct import_draft *draft, struct json_object *object, const char *key,
		     const char *text)
{
	put(draft, object, key, json_object_new_string(text));
}

/* A destination as an object, or as a string where that says it all. */
static struct json_object *destination_json(struct import_draft *draft,
					    const struct import_destination *destination)
{
	char text[sizeof destination->host + sizeof "/65535"];
	struct json_object *json;

	if (destination->sample == 1 && destination->ttl == 0) {
		snprintf(text, sizeof text, "%s/%u", destination->host, destination->port);
		return json_object_new_string(text);
	}
	json = json_object_new_object();
	if (!json)
		return NULL;
	put_text(draft, json, "ADDRESS", destination->host);
	put(draft, json, "PORT", json_object_new_int(destination->port));
	if (destination->sample > 1)
		put(draft, json, "SAMPLE", json_object_new_int64(destination->sample));
	if (destination->ttl > 0)
		put(draft, json, "TTL", json_object_new_int(destination->ttl));
	return json;
}

static struct json_object *destinations_json(struct import_draft *draft,
					     const struct import_rule *rule)
{
	struct json_object *array = json_object_new_array(), *entry;

	for (size_t i = 0; array && i < rule->destination_count; i++) {
		entry = destination_json(draft, &rule->destinations[i]);
		if (entry && json_object_array_add(array, entry) == 0)
			continue;
		json_object_put(entry);
		config_report_no_memory(draft->report);
	}
	return array;
}

/* Remembers who sends where. */
static void add_flow(struct import_draft *draft, const struct import_rule *rule,
		     const struct import_destination *destination)
{
	size_t capacity = draft->flow_capacity ? draft->flow_capacity * 2 : 64;
	struct import_flow *flows = draft->flows, *flow;

	if (draft->flow_count == draft->flow_capacity) {
		flows = reallocarray(flows, capacity, sizeof *flows);
		if (!flows) {
			config_report_no_memory(draft->report);
			return;
		}
		draft->flows = flows;
		draft->flow_capacity = capacity;
	}
	flow = &flows[draft->flow_count];
	*flow = (struct import_flow){.clients = rule->clients, .line = draft->line};
	if (asprintf(&flow->destination, "%s/%u", destination->host, destination->port) < 0)
		config_report_no_memory(draft->report);
	else
		draft->flow_count++;
}

void import_draft_name(const struct import_draft *draft, const char *name, struct import_rule *rule)
{
	if (json_object_object_get_ex(draft->rules, name, NULL))
		snprintf(rule->name, sizeof rule->name, "%.48s-line-%u", name, draft->line);
	else
		snprintf(rule->name, sizeof rule->name, "%s", name);
}

void import_draft_rule(struct import_draft *draft, const struct import_rule *rule)
{
	struct json_object *json = json_object_new_object();
	char text[IP_PREFIX_TEXT_SIZE];

	if (!json) {
		config_report_no_memory(draft->report);
		return;
	}
	snprintf(text, sizeof text, "%u", draft->port);
	put_text(draft, json, "SOURCEPORT", text);
	if (rule->clients.address.family != AF_UNSPEC)
		put_text(draft, json, "SOURCEADDRESS", ip_prefix_format(&rule->clients, text));
	put(draft, json, "DESTINATION", destinations_json(draft, rule));
	if (rule->balance != BALANCE_ALL)
		put_text(draft, json, "BALANCE", balance_mode_name(rule->balance));
	if (rule->disabled)
		put(draft, json, "ENABLED", json_object_new_boolean(false));
	for (size_t i = 0; i < rule->destination_count && !rule->disabled; i++)
		add_flow(draft, rule, &rule->destinations[i]);
	put(draft, draft->rules, rule->name, json);
}

/* By destination; then networks, each before those that lie in it. */
static int by_destination(const void *left, const void *right)
{
	const struct import_flow *a = left, *b = right;
	int order = strcasecmp(a->destination, b->destination);

	if (order == 0)
		order = memcmp(&a->clients, &b->clients, sizeof a->clients);
	if (order == 0)
		order = (a->line > b->line) - (a->line < b->line);
	return order;
}

static bool covers(const struct import_flow *wide, const struct import_flow *narrow)
{
	return strcasecmp(wide->destination, narrow->destination) == 0 &&
	       (wide->clients.address.family == AF_UNSPEC ||
		ip_prefix_contains(&wide->clients, &narrow->clients.address));
}

/* A destination gets one copy of a packet, where other programs send one for each line. */
static void note_overlaps(struct import_draft *draft)
{
	const struct import_flow *wide = draft->flows;

	if (draft->flow_count < 2)
		return;
	qsort(draft->flows, draft->flow_count, sizeof *draft->flows, by_destination);
	for (size_t i = 1; i < draft->flow_count; i++) {
		const struct import_flow *flow = &draft->flows[i];

		if (!covers(wide, flow)) {
			wide = flow;
			continue;
		}
		draft->line = flow->line > wide->line ? flow->line : wide->line;
		import_draft_note(draft,
				  "%s: line %u sends to it as well; a packet to which both apply "
				  "goes there once",
				  flow->destination,
				  flow->line > wide->line ? wide->line : flow->line);
	}
}

char *import_draft_finish(struct import_draft *draft)
{
	char *text = NULL;

	note_overlaps(draft);
	if (json_object_object_length(draft->rules) > 0) {
		if (asprintf(&text, "%s\n",
			     json_object_to_json_string_ext(
				     draft->rules, JSON_C_TO_STRING_PRETTY |
							   JSON_C_TO_STRING_PRETTY_TAB |
							   JSON_C_TO_STRING_SPACED |
							   JSON_C_TO_STRING_NOSLASHESCAPE)) < 0)
			config_report_no_memory(draft->report);
	}
	for (size_t i = 0; i < draft->flow_count; i++)
		free(draft->flows[i].destination);
	free(draft->flows);
	json_object_put(draft->rules);
	return text;
}
