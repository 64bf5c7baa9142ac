/* SPDX-License-Identifier: MIT */
/*
 * Typed reading of a configuration's values: json-c's tree and config_locate's are walked side by
 * side, so that every value knows its line and its path. Used by the config modules only.
 */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_READ_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_READ_H

#include "core/config_locate.h"

#include <json-c/json.h>

struct config_value {
	struct config_report *report;
	const struct config_tree *tree;
	uint32_t node;
	struct json_object *json; /* borrowed; NULL is null */
	char path[CONFIG_LOCATE_PATH_SIZE];
};

/* A key that an object may have. */
struct config_key {
	const char *name;
	const char *example; /* of the whole member, when the key is required; else NULL */
	void (*read)(const struct config_value *value, void *target);
};

/*
 * Parses a node's part of the text with json-c. Returns an object that the caller puts. NULL: it is
 * null, or something went wrong and was reported.
 */
struct json_object *config_read_json(const struct config_tree *tree, uint32_t node,
				     struct config_report *report);

const struct config_node *config_read_node(const struct config_value *value);

/* Reports an error at a value: "PATH: VALUE: " and the sentence. */
void config_read_error(const struct config_value *value, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same for what is not one value but the object itself: "PATH: " and the sentence. */
void config_read_error_about(const struct config_value *value, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The place of a child, for messages about it; its json is NULL. */
void config_read_place(const struct config_value *parent, uint32_t child, struct config_value *out);

/* The place of the member with this key, the last if there are several; false: there is none. */
bool config_read_find(const struct config_value *parent, const char *key, struct config_value *out);

/* Calls read for every member of an object or element of an array, superseded ones included. */
void config_read_each(const struct config_value *parent,
		      void (*read)(const struct config_value *value, void *target), void *target);

/*
 * Reads an object with a fixed set of keys. Unknown keys and missing required ones are reported.
 * The value must be an object.
 */
void config_read_object(const struct config_value *value, const struct config_key *keys,
			size_t key_count, void *target);

/* Reads a whole number from minimum to maximum; false when it was reported to be none. */
bool config_read_integer(const struct config_value *value, int64_t minimum, int64_t maximum,
			 int64_t *out);

/* Reads true or false; false when it was reported to be neither. */
bool config_read_bool(const struct config_value *value, bool *out);

/*
 * Reports what is wrong with the name of a rule or a destination, which value has or is: it has 1
 * to CONFIG_RULE_NAME_MAX bytes and no control characters. Returns whether nothing is.
 */
bool config_read_name(const struct config_value *value, const char *name);

/*
 * Reads one of several strings (names end with NULL) and gives its index; false when it was
 * reported to be none of them.
 */
bool config_read_choice(const struct config_value *value, const char *const *names, unsigned *out);

/*
 * Reads decimal digits without sign, spaces or leading zeros. Returns false when text is something
 * else or the number is larger than maximum. Reports nothing.
 */
bool config_read_digits(const char *text, size_t length, uint32_t maximum, uint32_t *out);

#endif
