/* SPDX-License-Identifier: MIT */
/* What is told about a text that somebody else wrote. */
#ifndef TESTS_FUZZ_MESSAGES_H
#define TESTS_FUZZ_MESSAGES_H

#include "fuzz.h"

#include "core/config.h"
#include "core/config_text.h"

/* Each begins with the name of the file, "fuzz", and can be shown on a terminal. */
static inline void messages_check(const struct config_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		const char *at = errors->messages[i];
		size_t left = strlen(at), length;

		FUZZ_EXPECT(strncmp(at, "fuzz:", 5) == 0);
		for (; left > 0; at += length, left -= length) {
			length = config_text_character(at, left);
			if (length == 0 || config_text_is_control(at, length))
				fprintf(stderr, "%s\n", errors->messages[i]);
			FUZZ_EXPECT(length > 0 && !config_text_is_control(at, length));
		}
	}
}

#endif
