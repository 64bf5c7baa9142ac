/* SPDX-License-Identifier: MIT */
#include "core/config_ttl.h"

#include <string.h>

bool config_ttl_read(const struct config_value *value, struct ttl_policy *ttl)
{
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
	else {
		config_read_error(value, "write \"keep\", \"decrement\", or a number from 1 to 255 "
					 "without quotation marks");
		return false;
	}
	return true;
}
