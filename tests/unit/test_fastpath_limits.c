/* SPDX-License-Identifier: MIT */
/* How much the fast path's tables hold, and what becomes of what finds no room. */
#include "fastpath_fixture.h"

#include <stdio.h>
#include <time.h>

/* {'r0': {'SOURCEPORT': ..., 'SOURCEADDRESS': ..., 'DESTINATION': [so many]}, ...} */
static char *many_rules(unsigned rules, unsigned destinations, bool clients)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (unsigned r = 0; r < rules; r++) {
		fprintf(out, "%s'r%u': {'SOURCEPORT': 514", r ? ", " : "{", r);
		if (clients)
			fprintf(out, ", 'SOURCEADDRESS': '10.%u.%u.0/24'", r / 256, r % 256);
		fprintf(out, ", 'DESTINATION': [");
		for (unsigned d = 0; d < destinations; d++)
			fprintf(out, "%s'172.%u.%u.%u/514'", d ? ", " : "", 16 + d, r / 200,
				1 + r % 200);
		fprintf(out, "]}");
	}
	fprintf(out, "}");
	fclose(out);
	return text;
}

static void test_too_many_copies(void **state)
{
	char *text = many_rules(9, 8, false);
	struct bench bench;

	(void)state;
	bench_open(&bench, text);
	bench_build(&bench);
	for (uint32_t r = 0; r < 9; r++)
		expect(&bench, r,
		       "queued: its packets match too many rules, or lead to more than "
		       "64 copies");
	/* Those of one that is down are none. */
	memset(bench.is_up, 0, 8);
	bench_build(&bench);
	for (uint32_t r = 0; r < 9; r++)
		expect(&bench, r, "in the kernel");
	bench_close(&bench);
	free(text);
}

/* One copy less than too many; then a rule that sends each packet to one of two. */
static void test_one_copy_too_many(void **state)
{
	char *text = many_rules(8, 8, false);
	struct bench bench;

	(void)state;
	bench_open(&bench, text);
	bench_build(&bench);
	assert_int_equal(bench.verdicts[0].reason, FASTPATH_IN_KERNEL);
	bench_close(&bench);
	strcpy(strrchr(text, '}'), "");
	text = realloc(text, strlen(text) + 200);
	assert_non_null(text);
	strcat(text, ", 'hash': {'SOURCEPORT': 514, 'BALANCE': 'hash',"
		     " 'DESTINATION': ['172.31.0.1/514', '172.31.0.2/514']}}");
	bench_open(&bench, text);
	bench_build(&bench);
	assert_int_equal(bench.verdicts[0].reason, FASTPATH_TOO_MANY_COPIES);
	bench_close(&bench);
	free(text);
}

/* Rules whose collectors are down lead to no copies, but to steps. Each of the last rule's steps
 * is once the first that finds no room. */
static void test_too_many_steps(void **state)
{
	(void)state;
	for (unsigned before = FASTPATH_STEPS_MAX - 3; before <= FASTPATH_STEPS_MAX; before++) {
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		struct bench bench;

		assert_non_null(out);
		/* Two steps each, but for one of three where the number is odd. */
		for (unsigned r = 0; r < before / 2; r++)
			fprintf(out, "%s'r%u': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.1.%u'%s]}",
				r ? ", " : "{", r, 1 + r,
				before % 2 && r == 0 ? ", '10.9.2.1'" : "");
		fprintf(out, ", 'last': {'SOURCEPORT': 514, 'BALANCE': 'hash',"
			     " 'DESTINATION': ['10.9.3.1', '10.9.3.2']}}");
		fclose(out);
		bench_open(&bench, text);
		memset(bench.is_up, 0, bench.rules.ruleset->destination_count);
		bench_build(&bench);
		assert_int_equal(bench.verdicts[0].reason, FASTPATH_TOO_MANY_COPIES);
		assert_int_equal(bench.tables->step_count, 0);
		bench_close(&bench);
		free(text);
	}
}

static void test_too_many_rules_for_the_tables(void **state)
{
	struct bench bench;
	char *text = many_rules(20, 8, true);
	unsigned in_kernel = 0;

	(void)state;
	bench_open(&bench, text);
	/* Half of the rules: one step for each, and eight for its copies. */
	bench.limits.steps = 10 * 9;
	bench_build(&bench);
	for (uint32_t r = 0; r < 20; r++)
		if (bench.verdicts[r].reason == FASTPATH_IN_KERNEL)
			in_kernel++;
		else
			expect(&bench, r, "queued: too many rules for its tables");
	assert_int_equal(in_kernel, 10);
	bench.limits = ample;
	bench.limits.ranges4 = 20;
	bench_build(&bench);
	for (uint32_t r = 0; r < 20; r++)
		assert_int_equal(bench.verdicts[r].reason, FASTPATH_TABLES_FULL);
	assert_int_equal(bench.tables->range4_count, 1);
	bench.limits.ranges4 = 21;
	bench_build(&bench);
	for (uint32_t r = 0; r < 20; r++)
		assert_int_equal(bench.verdicts[r].reason, FASTPATH_IN_KERNEL);
	/* Without the machine's addresses, ORIGINAL auto has no answer. */
	bench.limits.own4 = 0;
	bench_build(&bench);
	assert_int_equal(bench.verdicts[0].reason, FASTPATH_TABLES_FULL);
	bench_close(&bench);
	free(text);
}

static void test_no_count_for_a_sample(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 1, 'SAMPLE': 2, 'DESTINATION': ['10.9.0.1/5']},"
			   " 'b': {'SOURCEPORT': 2, 'DESTINATION': ['10.9.0.2/5',"
			   " {'ADDRESS': '10.9.0.1', 'SAMPLE': 2}]},"
			   " 'c': {'SOURCEPORT': 3, 'DESTINATION': ['10.9.0.1/5']}}");
	bench.samples[0] = bench.samples[2] = 8;
	bench_build(&bench);
	assert_int_equal(bench.verdicts[0].reason, FASTPATH_TABLES_FULL);
	assert_int_equal(bench.verdicts[1].reason, FASTPATH_TABLES_FULL);
	assert_int_equal(bench.verdicts[2].reason, FASTPATH_IN_KERNEL);
	bench_close(&bench);
}

/* Without room for classes, all clients of all ports are left to nft. */
static void test_no_room_for_classes(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': '500-600', 'SOURCEADDRESS': ['10.0.0.0/8',"
			   " '2001:db8::/32'], 'DESTINATION': ['10.9.0.1', '2001:db8::5']},"
			   " 'b': {'SOURCEPORT': '550-700', 'DESTINATION': ['10.9.0.2']}}");
	bench.limits.classes = FASTPATH_FAMILIES;
	bench_build(&bench);
	assert_int_equal(bench.tables->class_count, 2);
	assert_int_equal(bench.tables->range4_count, 1);
	assert_int_equal(bench.tables->ranges4[0].first, 0);
	assert_int_equal(bench.tables->ranges4[0].last, UINT32_MAX);
	assert_int_equal(bench.tables->ranges4[0].plan, FASTPATH_PLAN_QUEUE);
	assert_int_equal(bench.tables->range6_count, 1);
	assert_int_equal(bench.tables->ranges6[0].first_high, 0);
	assert_int_equal(bench.tables->ranges6[0].first_low, 0);
	assert_true(bench.tables->ranges6[0].last_high == UINT64_MAX);
	assert_true(bench.tables->ranges6[0].last_low == UINT64_MAX);
	assert_int_equal(bench.tables->ranges6[0].plan, FASTPATH_PLAN_QUEUE);
	assert_int_equal(bench.tables->ports[0][700], 1);
	assert_int_equal(bench.tables->ports[1][600], 2);
	assert_int_equal(bench.tables->ports[1][700], 0);
	for (uint32_t r = 0; r < 2; r++)
		expect(&bench, r, "queued: too many rules for its tables");
	bench_close(&bench);
}

/* The plan for all clients of port 514. */
static uint32_t plan_of(const char *text)
{
	struct bench bench;
	uint32_t plan;

	bench_open(&bench, text);
	bench_build(&bench);
	assert_int_equal(bench.tables->range4_count, 1);
	plan = bench.tables->ranges4[0].plan;
	bench_close(&bench);
	return plan;
}

static void test_whether_a_rule_matches_for_certain(void **state)
{
	(void)state;
	assert_int_equal(plan_of("{'a': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1'],"
				 " 'RATELIMIT': 1}}"),
			 FASTPATH_PLAN_QUEUE_CERTAIN);
	assert_int_equal(plan_of("{'a': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1'],"
				 " 'INTERFACE': 'eth0'}}"),
			 FASTPATH_PLAN_QUEUE);
	assert_int_equal(plan_of("{'a': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1'],"
				 " 'LISTENADDRESS': '192.0.2.1'}}"),
			 FASTPATH_PLAN_QUEUE);
	assert_int_equal(plan_of("{'a': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1'],"
				 " 'LISTENADDRESS': '192.0.2.1'},"
				 " 'b': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.2']}}"),
			 FASTPATH_PLAN_QUEUE_CERTAIN);
}

/* A class for each port, and more clients in each than in the one before: what would take long to
 * cut is left to nft instead. */
static void test_too_many_slices(void **state)
{
	enum { RULES = 1100 };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct bench bench;

	(void)state;
	assert_non_null(out);
	for (unsigned r = 0; r < RULES; r++)
		fprintf(out,
			"%s'r%u': {'SOURCEPORT': '%u-65535', 'RATELIMIT': 1,"
			" 'SOURCEADDRESS': '10.%u.%u.0/24', 'DESTINATION': ['172.16.0.1']}",
			r ? ", " : "{", r, 1 + r, r / 256, r % 256);
	fprintf(out, "}");
	fclose(out);
	bench_open(&bench, text);
	bench_build(&bench);
	assert_true(bench.tables->class_count < RULES);
	assert_int_equal(bench.tables->ports[0][65535], bench.tables->class_count);
	assert_int_equal(bench.tables->classes[bench.tables->class_count - 1].count, 1);
	bench_close(&bench);
	free(text);
}

/* Rules with the same clients and destinations at several ports have one class; neighbours that
 * match the same rules have one range. */
static void test_nothing_is_stored_twice(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': '500-600', 'SOURCEADDRESS': ['10.0.0.0/9',"
			   " '10.128.0.0/9', '2001:db8::/33', '2001:db8:8000::/33'],"
			   " 'DESTINATION': ['10.9.0.1/5', '2001:db8::5/5']},"
			   " 'b': {'SOURCEPORT': 550, 'SOURCEADDRESS': '192.168.0.0/16',"
			   " 'DESTINATION': ['10.9.0.1/5']},"
			   " 'c': {'SOURCEPORT': 550, 'DESTINATION': ['10.9.0.1/5'],"
			   " 'ENABLED': false},"
			   " 'd': {'SOURCEPORT': 700, 'SOURCEADDRESS': '10.0.0.0/8',"
			   " 'DESTINATION': ['x.example/5']}}");
	bench_build(&bench);
	/* A name can be of either family, but these clients are of one. */
	assert_int_equal(bench.tables->ports[1][700], 0);
	assert_int_equal(bench.tables->class_count, 4);
	assert_int_equal(bench.tables->range4_count, 4);
	assert_int_equal(bench.tables->range6_count, 1);
	assert_int_equal(bench.tables->plan_count, FASTPATH_FIXED_PLANS + 4);
	assert_int_equal(bench.tables->step_count, 8);
	bench_close(&bench);
}

/* Only ports that some rule listens to, and that two of its own rules mean by the same place. */
static void test_ports_with_classes_of_their_own(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': '500-600', 'DESTINATION': ['10.9.0.1']},"
			   " 'b': {'SOURCEPORT': '500-600', 'DESTINATION': ['10.9.0.1/550',"
			   " '10.9.0.1/601', '10.9.0.2/551', '10.9.0.3/553']},"
			   " 'c': {'SOURCEPORT': 700, 'DESTINATION': ['10.9.0.1/552']},"
			   " 'd': {'SOURCEPORT': 700, 'DESTINATION': ['10.9.0.3']}}");
	bench_build(&bench);
	assert_int_equal(bench.tables->class_count, 3);
	for (uint32_t port = 500; port <= 600; port++)
		if (port != 550)
			assert_int_equal(bench.tables->ports[0][port], 1);
	assert_int_equal(bench.tables->ports[0][550], 2);
	bench_close(&bench);
}

static void test_a_thousand_rules(void **state)
{
	char *text = many_rules(1000, 8, true);
	struct bench bench;
	clock_t start;

	(void)state;
	bench_open(&bench, text);
	start = clock();
	bench_build(&bench);
	printf("built in %.1f ms\n", (double)(clock() - start) * 1000 / CLOCKS_PER_SEC);
	for (uint32_t r = 0; r < 1000; r++)
		assert_int_equal(bench.verdicts[r].reason, FASTPATH_IN_KERNEL);
	assert_int_equal(bench.tables->range4_count, 1000);
	bench_close(&bench);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_too_many_copies),
		cmocka_unit_test(test_one_copy_too_many),
		cmocka_unit_test(test_too_many_steps),
		cmocka_unit_test(test_too_many_rules_for_the_tables),
		cmocka_unit_test(test_no_count_for_a_sample),
		cmocka_unit_test(test_no_room_for_classes),
		cmocka_unit_test(test_whether_a_rule_matches_for_certain),
		cmocka_unit_test(test_too_many_slices),
		cmocka_unit_test(test_nothing_is_stored_twice),
		cmocka_unit_test(test_ports_with_classes_of_their_own),
		cmocka_unit_test(test_a_thousand_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
