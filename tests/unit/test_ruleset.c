/* SPDX-License-Identifier: MIT */
/* What happens to a packet, against a plain reading of the rules. */
#include "core/ruleset.h"
#include "random.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct config *parse(const char *text)
{
	struct config_errors errors = {0};
	struct config *config = config_parse(text, strlen(text), "test", &errors);

	if (!config)
		fail_msg("%s", errors.messages[0]);
	config_errors_free(&errors);
	return config;
}

/* The names of the destinations that a packet to port gets, joined by spaces; "-": no rule. */
static const char *copies(const struct ruleset *ruleset, uint8_t family, uint16_t port)
{
	const struct ruleset_action *action = ruleset_lookup(ruleset, family, htons(port));
	static char names[4096];

	if (!action)
		return "-";
	names[0] = '\0';
	for (size_t i = 0; i < action->destination_count; i++) {
		if (i > 0)
			strcat(names, " ");
		strcat(names, ruleset->destinations[action->destinations[i]].config->name);
	}
	return names;
}

static void test_ports_and_families(void **state)
{
	struct config *config = parse("{\"a\": {\"SOURCEPORT\": [514, \"2055-2060\"],"
				      " \"DESTINATION\": [\"10.0.0.1/514\", \"2001:db8::1/99\"]},"
				      " \"b\": {\"SOURCEPORT\": \"65535\","
				      " \"DESTINATION\": [\"10.0.0.2\"]}}");
	struct ruleset *ruleset = ruleset_compile(config);

	(void)state;
	assert_non_null(ruleset);
	assert_string_equal(copies(ruleset, AF_INET, 513), "-");
	assert_string_equal(copies(ruleset, AF_INET, 514), "10.0.0.1/514");
	assert_string_equal(copies(ruleset, AF_INET, 515), "-");
	assert_string_equal(copies(ruleset, AF_INET, 2054), "-");
	assert_string_equal(copies(ruleset, AF_INET, 2055), "10.0.0.1/514");
	assert_string_equal(copies(ruleset, AF_INET, 2060), "10.0.0.1/514");
	assert_string_equal(copies(ruleset, AF_INET, 2061), "-");
	assert_string_equal(copies(ruleset, AF_INET6, 514), "2001:db8::1/99");
	assert_string_equal(copies(ruleset, AF_INET, 65535), "10.0.0.2");
	/* A rule without a destination of the packet's family does not match it. */
	assert_string_equal(copies(ruleset, AF_INET6, 65535), "-");
	assert_string_equal(copies(ruleset, AF_INET, 0), "-");
	ruleset_free(ruleset);
	config_free(config);
}

/* One copy for each place, counted by the first rule of the file that sends there. */
static void test_one_copy_for_each_place(void **state)
{
	struct config *config =
		parse("{\"first\": {\"SOURCEPORT\": \"500-600\","
		      " \"DESTINATION\": [\"10.0.0.1\", \"10.0.0.2/514\"]},"
		      " \"second\": {\"SOURCEPORT\": \"510-520\","
		      " \"DESTINATION\": [\"10.0.0.1/514\", \"10.0.0.2/514\", \"10.0.0.3/514\"]}}");
	struct ruleset *ruleset = ruleset_compile(config);
	const struct ruleset_action *action;

	(void)state;
	assert_non_null(ruleset);
	/* At 514 the address that keeps the packet's port is the same place as 10.0.0.1/514. */
	assert_string_equal(copies(ruleset, AF_INET, 513),
			    "10.0.0.1 10.0.0.2/514 10.0.0.1/514 10.0.0.3/514");
	assert_string_equal(copies(ruleset, AF_INET, 514), "10.0.0.1 10.0.0.2/514 10.0.0.3/514");
	assert_string_equal(copies(ruleset, AF_INET, 515),
			    "10.0.0.1 10.0.0.2/514 10.0.0.1/514 10.0.0.3/514");
	assert_string_equal(copies(ruleset, AF_INET, 521), "10.0.0.1 10.0.0.2/514");
	action = ruleset_lookup(ruleset, AF_INET, htons(514));
	assert_int_equal(action->rule_count, 2);
	assert_int_equal(ruleset->destinations[action->destinations[1]].rule, 0);
	assert_int_equal(ruleset->route_count, 3);
	ruleset_free(ruleset);
	config_free(config);
}

static void test_original_precedence(void **state)
{
	static const struct {
		const char *modes[3];
		enum original_mode expected;
	} cases[] = {
		{{"auto", "auto", "auto"}, ORIGINAL_AUTO},
		{{"auto", "forward", "auto"}, ORIGINAL_FORWARD},
		{{"forward", "drop", "auto"}, ORIGINAL_DROP},
		{{"drop", "auto", "forward"}, ORIGINAL_DROP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[512];
		struct config *config;
		struct ruleset *ruleset;

		snprintf(text, sizeof(text),
			 "{\"a\": {\"SOURCEPORT\": 9, \"DESTINATION\": [\"10.0.0.1/9\"], "
			 "\"ORIGINAL\": \"%s\"},"
			 "\"b\": {\"SOURCEPORT\": 9, \"DESTINATION\": [\"10.0.0.2/9\"], "
			 "\"ORIGINAL\": \"%s\"},"
			 "\"c\": {\"SOURCEPORT\": 9, \"DESTINATION\": [\"10.0.0.3/9\"], "
			 "\"ORIGINAL\": \"%s\"}}",
			 cases[i].modes[0], cases[i].modes[1], cases[i].modes[2]);
		config = parse(text);
		ruleset = ruleset_compile(config);
		assert_non_null(ruleset);
		assert_int_equal(ruleset_lookup(ruleset, AF_INET, htons(9))->original,
				 cases[i].expected);
		ruleset_free(ruleset);
		config_free(config);
	}
}

/* A random configuration, and for each port what the rules say when they are read one by one. */
static void append_random_rules(char *text, size_t size, unsigned rules)
{
	size_t used = 0;

	used += (size_t)snprintf(text, size, "{");
	for (unsigned r = 0; r < rules; r++) {
		unsigned first = 1 + random_below(300), last = first + random_below(30);

		used += (size_t)snprintf(
			text + used, size - used,
			"%s\"r%u\": {\"SOURCEPORT\": \"%u-%u\", \"DESTINATION\": [", r ? ", " : "",
			r, first, last);
		for (unsigned d = 0, host = random_below(3); d < 3; d++, host++)
			used += (size_t)snprintf(text + used, size - used, "%s\"10.0.0.%u/%u\"",
						 d ? ", " : "", 1 + host, 400 + random_below(3));
		used += (size_t)snprintf(text + used, size - used, "]}");
	}
	snprintf(text + used, size - used, "}");
}

static void expect_copies(const struct config *config, unsigned port, char *names)
{
	bool any = false;

	names[0] = '\0';
	for (size_t r = 0; r < config->rule_count; r++) {
		const struct config_rule *rule = &config->rules[r];

		if (port < rule->ports[0].first || port > rule->ports[0].last)
			continue;
		any = true;
		for (size_t d = 0; d < rule->destination_count; d++) {
			char word[80], padded[4096];

			snprintf(word, sizeof(word), " %s ", rule->destinations[d].name);
			snprintf(padded, sizeof(padded), " %s ", names);
			if (strstr(padded, word))
				continue;
			if (names[0])
				strcat(names, " ");
			strcat(names, rule->destinations[d].name);
		}
	}
	if (!any)
		strcpy(names, "-");
}

static void test_random_rules(void **state)
{
	static char text[65536], expected[4096];

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct config *config;
		struct ruleset *ruleset;

		append_random_rules(text, sizeof(text), 1 + random_below(20));
		config = parse(text);
		ruleset = ruleset_compile(config);
		assert_non_null(ruleset);
		for (unsigned port = 0; port < 350; port++) {
			expect_copies(config, port, expected);
			assert_string_equal(copies(ruleset, AF_INET, (uint16_t)port), expected);
		}
		ruleset_free(ruleset);
		config_free(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports_and_families),
		cmocka_unit_test(test_one_copy_for_each_place),
		cmocka_unit_test(test_original_precedence),
		cmocka_unit_test(test_random_rules),
	};

	random_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
