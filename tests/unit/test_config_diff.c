/* SPDX-License-Identifier: MIT */
/* What a reload says that it changed. */
#include "core/config_diff.h"
#include "rules_from_text.h"

#include <stdio.h>
#include <time.h>

static void expect_diff(const char *former, const char *now, const char *expected)
{
	struct rules a = rules_from_text(former), b = rules_from_text(now);
	char *text = config_diff(a.config, b.config);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	rules_free(&a);
	rules_free(&b);
}

static void test_nothing(void **state)
{
	(void)state;
	/* Only spelling and the order of keys have changed. */
	expect_diff("{'a': {'SOURCEPORT': '514', 'DESTINATION': ['10.0.0.1/1', '10.0.0.2/1']}}",
		    "{'a': {'DESTINATION': [{'ADDRESS': '10.0.0.1', 'PORT': 1}, '10.0.0.2/1'],"
		    " 'SOURCEPORT': [514]}}",
		    "no change\n");
}

static void test_rules(void **state)
{
	(void)state;
	expect_diff("{'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1']},"
		    " 'b': {'SOURCEPORT': 2, 'DESTINATION': ['10.0.0.1/2']}}",
		    "{'b': {'SOURCEPORT': 2, 'DESTINATION': ['10.0.0.1/2']},"
		    " 'c': {'SOURCEPORT': 3, 'DESTINATION': ['10.0.0.1/3']}}",
		    "removed rule \"a\"\nadded rule \"c\"\n");
}

static void test_destinations_and_keys(void **state)
{
	(void)state;
	expect_diff("{'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1', '10.0.0.2/1']}}",
		    "{'a': {'SOURCEPORT': '1-5', 'TTL': 9,"
		    " 'DESTINATION': ['10.0.0.3/1', '10.0.0.1/1']},"
		    " 'SETTINGS': {'LOGLEVEL': 'debug'}}",
		    "changed rule \"a\"\n"
		    "  - ports         UDP 1\n"
		    "  - ttl           keep: as the packet came\n"
		    "  + ports         UDP 1-5\n"
		    "  + ttl           9: every copy leaves with this TTL or hop limit\n"
		    "  - destination   10.0.0.2/1\n"
		    "  + destination   10.0.0.3/1\n"
		    "changed SETTINGS\n"
		    "  - log level     info\n"
		    "  + log level     debug\n");
}

static void test_what_belongs_to_a_destination(void **state)
{
	(void)state;
	expect_diff("{'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1']}}",
		    "{'a': {'SOURCEPORT': 1, 'ENABLED': false,"
		    " 'DESTINATION': [{'ADDRESS': '10.0.0.1', 'PORT': 1, 'CHECK': 'icmp'}]}}",
		    "changed rule \"a\"\n"
		    "  + disabled\n"
		    "  - destination   10.0.0.1/1\n"
		    "  + destination   10.0.0.1/1 (checked by icmp)\n");
}

static void test_order_of_destinations(void **state)
{
	(void)state;
	/* Which one is the first matters: failover takes it while it is up. */
	expect_diff("{'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1', '10.0.0.2/1']}}",
		    "{'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.2/1', '10.0.0.1/1']}}",
		    "changed rule \"a\"\n"
		    "  order of destinations changed\n");
	/* What comes or goes is no change of order of the others. */
	expect_diff("{'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1', '10.0.0.2/1']}}",
		    "{'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.3/1', '10.0.0.1/1',"
		    " '10.0.0.4/1', '10.0.0.2/1']}}",
		    "changed rule \"a\"\n"
		    "  + destination   10.0.0.3/1\n"
		    "  + destination   10.0.0.4/1\n");
	expect_diff("{'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1', '10.0.0.2/1',"
		    " '10.0.0.3/1']}}",
		    "{'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.3/1', '10.0.0.1/1']}}",
		    "changed rule \"a\"\n"
		    "  - destination   10.0.0.2/1\n"
		    "  order of destinations changed\n");
}

static void test_order_of_rules(void **state)
{
	(void)state;
	/* The first rule in the file that sends to a destination counts the copy. */
	expect_diff("{'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1']},"
		    " 'b': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1']}}",
		    "{'b': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1']},"
		    " 'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1']}}",
		    "changed order of rules\n");
	expect_diff("{'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1']},"
		    " 'b': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1']}}",
		    "{'c': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1']},"
		    " 'b': {'SOURCEPORT': 1, 'DESTINATION': ['10.0.0.1/1']}}",
		    "removed rule \"a\"\nadded rule \"c\"\n");
}

/* So many rules with so many destinations each, in the time that reading takes. */
static struct config *large_config(unsigned rules, unsigned destinations)
{
	struct config_errors errors = {0};
	struct config *config;
	size_t size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (unsigned r = 0; r < rules; r++) {
		fprintf(out, "%s\"Number %u\": {\"SOURCEPORT\": 514, \"DESTINATION\": [",
			r ? ", " : "{", r);
		for (unsigned d = 0; d < destinations; d++)
			fprintf(out, "%s\"10.0.0.%u/514\"", d ? ", " : "", d + 1);
		fprintf(out, "]}");
	}
	fprintf(out, "}");
	assert_int_equal(fclose(out), 0);
	config = config_parse(text, size, "large", &errors);
	assert_non_null(config);
	free(text);
	return config;
}

/*
 * A comparison takes less CPU time than reading the two, or about as much in a build for debugging,
 * however busy the machine. That of everything with everything would take eight times as much.
 */
static void expect_soon(unsigned rules, unsigned destinations)
{
	clock_t begin = clock(), read_end;
	struct config *former = large_config(rules, destinations);
	struct config *now = large_config(rules, destinations);
	char *text;
	long took, reading;

	read_end = clock();
	text = config_diff(former, now);
	took = clock() - read_end;
	reading = read_end - begin;
	assert_non_null(text);
	assert_string_equal(text, "no change\n");
	free(text);
	config_free(former);
	config_free(now);
	if (took > 2 * reading)
		fail_msg("%u rules with %u destinations each: %ld us, and %ld us to read", rules,
			 destinations, took, reading);
}

static void test_large_configs_are_compared_soon(void **state)
{
	(void)state;
	expect_soon(1000, CONFIG_DESTINATIONS_MAX);
	expect_soon(20000, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_destinations_and_keys),
		cmocka_unit_test(test_what_belongs_to_a_destination),
		cmocka_unit_test(test_order_of_destinations),
		cmocka_unit_test(test_order_of_rules),
		cmocka_unit_test(test_large_configs_are_compared_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
