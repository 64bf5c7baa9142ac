/* SPDX-License-Identifier: MIT */
/* Compiled rules from a configuration's text, with ' for ". */
#ifndef TESTS_UNIT_RULES_FROM_TEXT_H
#define TESTS_UNIT_RULES_FROM_TEXT_H

#include "core/ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct rules {
	struct config *config;
	struct ruleset *ruleset;
};

static inline struct rules rules_from_text(const char *quoted)
{
	struct config_errors errors = {0};
	struct rules rules;
	char *text = strdup(quoted);

	assert_non_null(text);
	for (char *at = text; *at; at++)
		if (*at == '\'')
			*at = '"';
	rules.config = config_parse(text, strlen(text), "test", &errors);
	if (!rules.config)
		fail_msg("%s in %s", errors.messages[0], text);
	config_errors_free(&errors);
	free(text);
	rules.ruleset = ruleset_compile(rules.config);
	assert_non_null(rules.ruleset);
	return rules;
}

static inline void rules_free(struct rules *rules)
{
	ruleset_free(rules->ruleset);
	config_free(rules->config);
}

static inline struct ip_address address(const char *text)
{
	struct ip_address out = {0};

	if (!ip_parse(text, strlen(text), &out))
		fail_msg("no address: %s", text);
	return out;
}

#endif
