/* SPDX-License-Identifier: MIT */
/* Checks what config_parse says to wrong configurations, to the letter. Include after cmocka.h. */
#ifndef TRAFFICDUPLICATOR_TESTS_CONFIG_EXPECT_H
#define TRAFFICDUPLICATOR_TESTS_CONFIG_EXPECT_H

#include "core/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Joins the messages, each with a newline, and checks them against what is expected. */
static inline void expect_bytes(const char *text, size_t length, const char *expected)
{
	struct config_errors errors = {0};
	/* Without a NUL behind it, so that ASan sees any byte read too far. */
	char *copy = malloc(length), joined[16384] = "";
	struct config *config;
	size_t used = 0;

	memcpy(copy, text, length);
	config = config_parse(copy, length, "t", &errors);
	for (size_t i = 0; i < errors.count; i++)
		used += (size_t)snprintf(joined + used, sizeof joined - used, "%s\n",
					 errors.messages[i]);
	if (strcmp(joined, expected) != 0)
		fail_msg("%.300s\ngave:\n%swanted:\n%s", text, joined, expected);
	assert_null(config);
	config_errors_free(&errors);
	free(copy);
}

static inline void expect(const char *text, const char *expected)
{
	expect_bytes(text, strlen(text), expected);
}

/* Parses what must be right. */
static inline struct config *expect_config(const char *text)
{
	struct config_errors errors = {0};
	struct config *config = config_parse(text, strlen(text), "t", &errors);

	for (size_t i = 0; i < errors.count; i++)
		print_error("%s\n", errors.messages[i]);
	assert_int_equal(errors.count, 0);
	config_errors_free(&errors);
	assert_non_null(config);
	return config;
}

/* A config of one rule with a destination that may be of either family; each member begins with a
 * comma. */
static inline struct config *expect_rule(const char *members)
{
	char text[4096];

	snprintf(text, sizeof text,
		 "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": "
		 "[\"host.example\"]%s}}",
		 members);
	return expect_config(text);
}

struct wrong {
	const char *text;
	const char *message; /* what follows the prefix common to a table */
};

/* Puts each wrong piece between before and after, and its message behind prefix. */
static inline void expect_each(const struct wrong *cases, size_t count, const char *before,
			       const char *after, const char *prefix)
{
	char text[4096], expected[4096];

	for (size_t i = 0; i < count; i++) {
		snprintf(text, sizeof text, "%s%s%s", before, cases[i].text, after);
		snprintf(expected, sizeof expected, "%s%s\n", prefix, cases[i].message);
		expect(text, expected);
	}
}

#define EACH(cases, before, after, prefix)                                                         \
	expect_each(cases, sizeof(cases) / sizeof *(cases), before, after, prefix)

#endif
