/* SPDX-License-Identifier: MIT */
#include "core/config_read.h"

#include "core/config_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Whether json-c's value is what stands in the text. json-c before 0.17 cuts strings and leaves out
 * members in silence when it gets no memory; as the scanner took the text, there is no other
 * reason.
 */
static bool agrees(const struct config_tree *tree, uint32_t node, struct json_object *json)
{
	const struct config_node *at = &tree->nodes[node];
	enum json_type type = json_object_get_type(json);

	switch (tree->text[at->begin]) {
	case '{':
		return type == json_type_object;
	case '[':
		return type == json_type_array && json_object_array_length(json) == at->child_count;
	case '"':
		return type == json_type_string &&
		       (size_t)json_object_get_string_len(json) == at->string_bytes;
	case 't':
	case 'f':
		return type == json_type_boolean;
	case 'n':
		return type == json_type_null;
	default:
		return type == json_type_int || type == json_type_double;
	}
}

struct json_object *config_read_json(const struct config_tree *tree, uint32_t node,
				     struct config_report *report)
{
	const struct config_node *at = &tree->nodes[node];
	size_t length = at->end - at->begin;
	struct json_tokener *tokener = json_tokener_new_ex(CONFIG_DEPTH_MAX + 2);
	/* A number's end shows only by what follows, so json-c needs a NUL after it. */
	char *copy = strndup(tree->text + at->begin, length);
	struct json_object *json = NULL;

	if (!tokener || !copy) {
		config_report_no_memory(report);
		goto out;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	json = json_tokener_parse_ex(tokener, copy, (int)length + 1);
	if (json_tokener_get_error(tokener) != json_tokener_success) {
		config_report_add(report, at->line, "json-c cannot read this: %s",
				  json_tokener_error_desc(json_tokener_get_error(tokener)));
	} else if (!agrees(tree, node, json)) {
		config_report_no_memory(report);
		json_object_put(json);
		json = NULL;
	}
out:
	free(copy);
	if (tokener)
		json_tokener_free(tokener);
	return json;
}

const struct config_node *config_read_node(const struct config_value *value)
{
	return &value->tree->nodes[value->node];
}

void config_read_error(const struct config_value *value, const char *format, ...)
{
	const struct config_node *node = config_read_node(value);
	char shown[CONFIG_TEXT_SIZE], *sentence = NULL;
	va_list arguments;
	int written;

	config_text_excerpt(value->tree->text + node->begin, node->end - node->begin, shown);
	va_start(arguments, format);
	written = vasprintf(&sentence, format, arguments);
	va_end(arguments);
	if (written < 0) {
		config_report_no_memory(value->report);
		return;
	}
	config_report_add(value->report, node->line, "%s%s%s: %s", value->path,
			  *value->path ? ": " : "", shown, sentence);
	free(sentence);
}

void config_read_error_about(const struct config_value *value, const char *format, ...)
{
	char *sentence = NULL;
	va_list arguments;
	int written;

	va_start(arguments, format);
	written = vasprintf(&sentence, format, arguments);
	va_end(arguments);
	if (written < 0) {
		config_report_no_memory(value->report);
		return;
	}
	config_report_add(value->report, config_read_node(value)->key_line, "%s: %s", value->path,
			  sentence);
	free(sentence);
}

void config_read_place(const struct config_value *parent, uint32_t child, struct config_value *out)
{
	out->report = parent->report;
	out->tree = parent->tree;
	out->node = child;
	out->json = NULL;
	config_locate_path(parent->tree, parent->path, child, out->path);
}

bool config_read_find(const struct config_value *parent, const char *key, struct config_value *out)
{
	const struct config_node *nodes = parent->tree->nodes;
	uint32_t found = 0;

	for (uint32_t child = nodes[parent->node].first_child; child; child = nodes[child].next)
		if (strcmp(nodes[child].key, key) == 0)
			found = child;
	if (found)
		config_read_place(parent, found, out);
	return found != 0;
}

void config_read_each(const struct config_value *parent,
		      void (*read)(const struct config_value *value, void *target), void *target)
{
	const struct config_node *nodes = parent->tree->nodes, *node;
	struct config_value value;

	for (uint32_t child = nodes[parent->node].first_child; child; child = nodes[child].next) {
		node = &nodes[child];
		config_read_place(parent, child, &value);
		if (!node->key)
			value.json = json_object_get(
				json_object_array_get_idx(parent->json, node->number - 1));
		else if (!node->superseded)
			value.json =
				json_object_get(json_object_object_get(parent->json, node->key));
		else /* json-c has forgotten it */
			value.json = config_read_json(parent->tree, child, parent->report);
		if (agrees(parent->tree, child, value.json))
			read(&value, target);
		else
			config_report_no_memory(parent->report);
		json_object_put(value.json);
	}
}

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Levenshtein's distance, letter case aside; anything far too long is simply far. */
static size_t distance(const char *a, const char *b)
{
	enum { LONGEST = 31 };
	size_t row[LONGEST + 1], length_a = strlen(a), length_b = strlen(b);

	if (length_a > LONGEST || length_b > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= length_b; j++)
		row[j] = j;
	for (size_t i = 1; i <= length_a; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= length_b; j++) {
			size_t change = diagonal + (upper(a[i - 1]) != upper(b[j - 1]));

			diagonal = row[j];
			row[j] = smallest(change, row[j] + 1, row[j - 1] + 1);
		}
	}
	return row[length_b];
}

/* The known key that was probably meant, or NULL. */
static const char *nearest(const char *name, const struct config_key *keys, size_t key_count)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;

	for (size_t i = 0; i < key_count; i++) {
		size_t steps = distance(name, keys[i].name);

		if (steps <= 1 + strlen(keys[i].name) / 8 && steps < best_distance) {
			best = keys[i].name;
			best_distance = steps;
		}
	}
	return best;
}

/* The keys that an object may have, and which of them it has. */
struct known_keys {
	const struct config_key *keys;
	size_t count;
	uint32_t seen;
	void *target;
};

static void report_unknown(const struct config_value *value, const struct known_keys *known)
{
	char list[256] = "";
	const char *meant = nearest(config_read_node(value)->key, known->keys, known->count);
	size_t used = 0;

	for (size_t i = 0; i < known->count && used < sizeof list; i++)
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
					 known->keys[i].name);
	config_read_error_about(value, "unknown key%s%s%s; the keys here are %s",
				meant ? " (did you mean " : "", meant ? meant : "",
				meant ? "?)" : "", list);
}

static void read_member(const struct config_value *value, void *target)
{
	struct known_keys *known = target;

	for (size_t i = 0; i < known->count; i++) {
		if (strcmp(config_read_node(value)->key, known->keys[i].name) == 0) {
			known->seen |= UINT32_C(1) << i;
			known->keys[i].read(value, known->target);
			return;
		}
	}
	report_unknown(value, known);
}

void config_read_object(const struct config_value *value, const struct config_key *keys,
			size_t key_count, void *target)
{
	struct known_keys known = {.keys = keys, .count = key_count, .target = target};

	config_read_each(value, read_member, &known);
	for (size_t i = 0; i < key_count; i++)
		if (keys[i].example && !(known.seen & UINT32_C(1) << i))
			config_read_error_about(value, "%s is missing; add it, for example %s",
						keys[i].name, keys[i].example);
}

bool config_read_integer(const struct config_value *value, int64_t minimum, int64_t maximum,
			 int64_t *out)
{
	bool is_string = json_object_is_type(value->json, json_type_string);
	/* json-c gives the nearest it can to a number beyond 64 bits: out of range here too. */
	int64_t number = json_object_get_int64(value->json);

	if (!json_object_is_type(value->json, json_type_int) || number < minimum ||
	    number > maximum) {
		config_read_error(value, "write a whole number from %jd to %jd%s",
				  (intmax_t)minimum, (intmax_t)maximum,
				  is_string ? ", without quotation marks" : "");
		return false;
	}
	*out = number;
	return true;
}

bool config_read_bool(const struct config_value *value, bool *out)
{
	if (!json_object_is_type(value->json, json_type_boolean)) {
		config_read_error(value, "write true or false%s",
				  json_object_is_type(value->json, json_type_string)
					  ? ", without quotation marks"
					  : "");
		return false;
	}
	*out = json_object_get_boolean(value->json);
	return true;
}

bool config_read_name(const struct config_value *value, const char *name)
{
	size_t left = strlen(name), length;

	if (left == 0 || left > CONFIG_RULE_NAME_MAX) {
		config_read_error_about(value, "the name has %zu bytes; write a name of 1 to %d",
					left, CONFIG_RULE_NAME_MAX);
		return false;
	}
	for (; left > 0; name += length, left -= length) {
		length = config_text_character(name, left);
		if (config_text_is_control(name, length)) {
			config_read_error_about(value, "a control character in the name; "
						       "write a name without");
			return false;
		}
	}
	return true;
}

bool config_read_choice(const struct config_value *value, const char *const *names, unsigned *out)
{
	char list[128] = "";
	size_t used = 0;

	for (unsigned i = 0; names[i]; i++) {
		if (json_object_is_type(value->json, json_type_string) &&
		    strcmp(json_object_get_string(value->json), names[i]) == 0) {
			*out = i;
			return true;
		}
		if (used < sizeof list)
			used += (size_t)snprintf(list + used, sizeof list - used, "%s\"%s\"",
						 i == 0		? ""
						 : names[i + 1] ? ", "
								: " or ",
						 names[i]);
	}
	config_read_error(value, "write %s", list);
	return false;
}

bool config_read_digits(const char *text, size_t length, uint32_t maximum, uint32_t *out)
{
	uint64_t number = 0;

	if (length == 0 || length > 10 || (length > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(text[i] - '0');
	}
	if (number > maximum)
		return false;
	*out = (uint32_t)number;
	return true;
}
