/* SPDX-License-Identifier: MIT */
#include "control/handover_state.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* Goes up when what is written could be misunderstood by those who knew the former one. */
#define FORMAT 1

struct handover_state {
	struct json_object *root;
	struct json_object *status;
	struct json_object *rules; /* an array */
	size_t rule_count, destination_count;
};

/* A counter's place in a struct, and its name in `status --json`. */
struct field {
	const char *key;
	size_t offset_bytes;
};

static const struct field total_fields[] = {
	{"received_pkts", offsetof(struct counters_total, received_pkts)},
	{"matched_by_any_pkts", offsetof(struct counters_total, matched_by_any_pkts)},
	{"unmatched_pkts", offsetof(struct counters_total, unmatched_pkts)},
	{"malformed_pkts", offsetof(struct counters_total, malformed_pkts)},
	{"truncated_pkts", offsetof(struct counters_total, truncated_pkts)},
	{NULL, 0},
};

static const struct field originals_fields[] = {
	{"forwarded_pkts", offsetof(struct counters_total, originals_forwarded_pkts)},
	{"dropped_pkts", offsetof(struct counters_total, originals_dropped_pkts)},
	{NULL, 0},
};

static const struct field rule_fields[] = {
	{"matched_pkts", offsetof(struct counters_rule, matched_pkts)},
	{"matched_bytes", offsetof(struct counters_rule, matched_bytes)},
	{"sampled_out_pkts", offsetof(struct counters_rule, sampled_out_pkts)},
	{"rate_limited_pkts", offsetof(struct counters_rule, rate_limited_pkts)},
	{"duplicated_pkts", offsetof(struct counters_rule, duplicated_pkts)},
	{NULL, 0},
};

static const struct field destination_fields[] = {
	{"due_pkts", offsetof(struct counters_destination, due_pkts)},
	{"sampled_out_pkts", offsetof(struct counters_destination, sampled_out_pkts)},
	{"sent_pkts", offsetof(struct counters_destination, sent_pkts)},
	{"sent_bytes", offsetof(struct counters_destination, sent_bytes)},
	{NULL, 0},
};

/* ---- Writing ---- */

/* Takes ownership of value. Returns whether it was added. */
static bool put(struct json_object *object, const char *key, struct json_object *value)
{
	if (value && json_object_object_add(object, key, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

static bool put_number(struct json_object *object, const char *key, uint64_t number)
{
	return put(object, key, json_object_new_uint64(number));
}

static struct json_object *queue_object(const struct legacy_queue *queue)
{
	struct json_object *object = json_object_new_object();

	if (object && put_number(object, "number", queue->number) &&
	    put_number(object, "last_packet_id", queue->last_packet_id) &&
	    put_number(object, "dropped_full_pkts", queue->dropped_full_pkts) &&
	    put_number(object, "dropped_user_pkts", queue->dropped_user_pkts))
		return object;
	json_object_put(object);
	return NULL;
}

static bool put_queues(struct json_object *root, const struct legacy *legacy)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < legacy->queue_count; i++) {
		struct json_object *queue = queue_object(&legacy->queues[i]);

		if (!queue || json_object_array_add(array, queue) < 0) {
			json_object_put(queue);
			json_object_put(array);
			return false;
		}
	}
	return put(root, "queues", array);
}

static bool put_left(struct json_object *root, const struct fastpath_left *left)
{
	struct json_object *object = json_object_new_object();

	return put(root, "fastpath", object) && put_number(object, "copies", left->copies) &&
	       put_number(object, "rule_room", left->rule_room) &&
	       put_number(object, "destination_room", left->destination_room);
}

char *handover_state_write(const char *status, const char *config, const struct legacy *legacy,
			   const struct fastpath_left *left)
{
	struct json_object *root = json_object_new_object();
	const char *text = NULL;
	char *copy;

	if (root && put_number(root, "format", FORMAT) &&
	    put_number(root, "dropped_pkts", legacy->dropped_pkts) && put_queues(root, legacy) &&
	    put(root, "config", json_object_new_string(config)) &&
	    (!left || put_left(root, left)) && put(root, "status", json_tokener_parse(status)))
		text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN);
	copy = text ? strdup(text) : NULL;
	json_object_put(root);
	return copy;
}

/* ---- Reading ---- */

/* Where a key is missing, or of another type: NULL, 0, an empty array. All go on from there. */
static struct json_object *value(const struct json_object *object, const char *key)
{
	struct json_object *found = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, key, &found);
	return found;
}

static uint64_t number(const struct json_object *object, const char *key)
{
	const struct json_object *found = value(object, key);

	return json_object_is_type(found, json_type_int) ? json_object_get_uint64(found) : 0;
}

static size_t length(const struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

static struct json_object *destinations(const struct json_object *rule)
{
	return value(rule, "destinations");
}

struct handover_state *handover_state_read(const char *text)
{
	struct handover_state *state = calloc(1, sizeof(*state));

	if (!state)
		return NULL;
	state->root = json_tokener_parse(text);
	state->status = value(state->root, "status");
	state->rules = value(state->status, "rules");
	if (number(state->root, "format") != FORMAT || !state->rules) {
		handover_state_free(state);
		return NULL;
	}
	state->rule_count = length(state->rules);
	for (size_t i = 0; i < state->rule_count; i++)
		state->destination_count +=
			length(destinations(json_object_array_get_idx(state->rules, i)));
	return state;
}

void handover_state_free(struct handover_state *state)
{
	if (!state)
		return;
	json_object_put(state->root);
	free(state);
}

void handover_state_legacy(const struct handover_state *state, struct legacy *legacy)
{
	struct json_object *queues = value(state->root, "queues");

	*legacy = (struct legacy){.dropped_pkts = number(state->root, "dropped_pkts")};
	for (size_t i = 0; i < length(queues) && i < CONFIG_WORKERS_MAX; i++) {
		const struct json_object *queue = json_object_array_get_idx(queues, i);

		legacy->queues[legacy->queue_count++] = (struct legacy_queue){
			.fd = -1,
			.number = (uint16_t)number(queue, "number"),
			.last_packet_id = (uint32_t)number(queue, "last_packet_id"),
			.dropped_full_pkts = (uint32_t)number(queue, "dropped_full_pkts"),
			.dropped_user_pkts = (uint32_t)number(queue, "dropped_user_pkts"),
		};
	}
}

bool handover_state_left(const struct handover_state *state, struct fastpath_left *left)
{
	const struct json_object *object = value(state->root, "fastpath");

	left->copies = number(object, "copies");
	left->rule_room = number(object, "rule_room");
	left->destination_room = number(object, "destination_room");
	return object != NULL;
}

/* Where the object of this name stands in an array, or its length. Looks at hint first: most stay
 * where they are. */
static size_t find(const struct json_object *array, const char *name, size_t hint)
{
	size_t count = length(array);

	for (size_t i = 0; i < count; i++) {
		size_t at = (hint + i) % count;
		const char *found =
			json_object_get_string(value(json_object_array_get_idx(array, at), "name"));

		if (found && strcmp(found, name) == 0)
			return at;
	}
	return count;
}

bool handover_state_is_of(const struct handover_state *state, const char *config)
{
	const char *theirs = json_object_get_string(value(state->root, "config"));

	return theirs && strcmp(theirs, config) == 0;
}

bool handover_state_address(const struct handover_state *state, const struct config_rule *rule,
			    const struct config_destination *destination,
			    struct ip_address *address)
{
	const struct json_object *array = destinations(
		json_object_array_get_idx(state->rules, find(state->rules, rule->name, 0)));
	const char *text = json_object_get_string(value(
		json_object_array_get_idx(array, find(array, destination->name, 0)), "address"));

	return text && ip_parse(text, strlen(text), address);
}

static void read_fields(const struct field *fields, const struct json_object *object, void *into)
{
	for (; fields->key; fields++)
		counter_add((counter *)((uint8_t *)into + fields->offset_bytes),
			    number(object, fields->key));
}

static void read_destination(const struct json_object *object, struct counters_destination *into)
{
	const struct json_object *dropped = value(object, "dropped");

	read_fields(destination_fields, object, into);
	for (int reason = 0; reason < REASON_COUNT; reason++)
		counter_add(&into->dropped_pkts[reason],
			    number(dropped, reason_name((enum reason)reason)));
}

struct counters *handover_state_counters(const struct handover_state *state)
{
	struct counters *counters = counters_create(state->rule_count, state->destination_count);
	size_t destination = 0;

	if (!counters)
		return NULL;
	read_fields(total_fields, state->status, &counters->total);
	read_fields(originals_fields, value(state->status, "originals"), &counters->total);
	for (size_t r = 0; r < state->rule_count; r++) {
		const struct json_object *rule = json_object_array_get_idx(state->rules, r);

		read_fields(rule_fields, rule, &counters->rules[r]);
		for (size_t d = 0; d < length(destinations(rule)); d++)
			read_destination(json_object_array_get_idx(destinations(rule), d),
					 &counters->destinations[destination++]);
	}
	return counters;
}

static void translate_rule(const struct handover_state *state, const struct counters *theirs,
			   size_t at, size_t first, const struct ruleset_rule *rule,
			   struct counters *ours)
{
	const struct json_object *array = destinations(json_object_array_get_idx(state->rules, at));

	for (size_t d = 0; d < rule->config->destination_count; d++) {
		size_t from = find(array, rule->config->destinations[d].name, d);

		if (from < length(array))
			counters_add_destination(&ours->destinations[rule->first_destination + d],
						 &theirs->destinations[first + from]);
	}
}

struct counters *handover_state_translate(const struct handover_state *state,
					  const struct counters *theirs,
					  const struct ruleset *ruleset)
{
	struct counters *ours = counters_create(ruleset->rule_count, ruleset->destination_count);
	size_t *firsts = calloc(state->rule_count + 1, sizeof(*firsts));

	for (size_t r = 0; firsts && r < state->rule_count; r++)
		firsts[r + 1] = firsts[r] +
				length(destinations(json_object_array_get_idx(state->rules, r)));
	for (size_t r = 0; ours && firsts && r < ruleset->rule_count; r++) {
		const struct ruleset_rule *rule = &ruleset->rules[r];
		size_t at = find(state->rules, rule->config->name, r);

		if (at == state->rule_count)
			continue;
		counters_add_rule(&ours->rules[r], &theirs->rules[at]);
		translate_rule(state, theirs, at, firsts[at], rule, ours);
	}
	if (ours && firsts)
		counters_add_total(&ours->total, &theirs->total);
	free(firsts);
	return ours;
}
