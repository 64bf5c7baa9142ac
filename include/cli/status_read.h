/* SPDX-License-Identifier: MIT */
/* The daemon's state, as `status --json` has it: values, and what they grew by per second. */
#ifndef TRAFFICDUPLICATOR_CLI_STATUS_READ_H
#define TRAFFICDUPLICATOR_CLI_STATUS_READ_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

/* A rate where there is no earlier value to compare with. All others are zero or above. */
#define STATUS_READ_RATE_UNKNOWN (-1.0)

/*
 * The value of a key. Where it is missing, or of another type, or object is NULL: NULL, 0, "". What
 * is returned belongs to object.
 */
struct json_object *status_read_value(const struct json_object *object, const char *key);
uint64_t status_read_number(const struct json_object *object, const char *key);
const char *status_read_text(const struct json_object *object, const char *key);

/* An array's length; 0 for what is no array. */
size_t status_read_length(const struct json_object *array);

/*
 * The object of this name in an array of such, or NULL. Looks at place hint first: rules and
 * destinations mostly stay where they are.
 */
struct json_object *status_read_find(const struct json_object *array, const char *name,
				     size_t hint);

/* What to say of a destination's state: that its copies come back is worse than any other. */
const char *status_read_state(const struct json_object *object);

/* Per second; unknown where there is no earlier object or the counter began anew. */
double status_read_rate(const struct json_object *earlier, const struct json_object *later,
			const char *key, double elapsed_s);

#endif
