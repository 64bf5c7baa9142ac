/* SPDX-License-Identifier: MIT */
#include "cli/status_read.h"

#include <stdbool.h>
#include <string.h>

struct json_object *status_read_value(const struct json_object *object, const char *key)
{
	return json_object_object_get(object, key);
}

uint64_t status_read_number(const struct json_object *object, const char *key)
{
	return json_object_get_uint64(status_read_value(object, key));
}

const char *status_read_text(const struct json_object *object, const char *key)
{
	const char *value = json_object_get_string(status_read_value(object, key));

	return value ? value : "";
}

size_t status_read_length(const struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

struct json_object *status_read_find(const struct json_object *array, const char *name, size_t hint)
{
	size_t length = status_read_length(array);

	for (size_t i = 0; i < length; i++) {
		struct json_object *object = json_object_array_get_idx(array, (hint + i) % length);

		if (strcmp(status_read_text(object, "name"), name) == 0)
			return object;
	}
	return NULL;
}

const char *status_read_state(const struct json_object *object)
{
	bool in_loop = json_object_get_boolean(status_read_value(object, "loop"));

	return in_loop ? "loop" : status_read_text(object, "state");
}

double status_read_rate(const struct json_object *earlier, const struct json_object *later,
			const char *key, double elapsed_s)
{
	uint64_t before = status_read_number(earlier, key), now = status_read_number(later, key);

	if (!earlier || now < before || elapsed_s <= 0)
		return STATUS_READ_RATE_UNKNOWN;
	return (double)(now - before) / elapsed_s;
}
