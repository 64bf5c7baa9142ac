/* SPDX-License-Identifier: MIT */
/* What users are told of each rule: in the kernel, or what keeps it in the queue. */
#include "fastpath_fixture.h"

/* The route to the first destination of a rule. */
static struct netview_route *route_of(struct bench *bench, size_t rule)
{
	const struct ruleset *ruleset = bench->rules.ruleset;
	uint32_t first = ruleset->rules[rule].first_destination;

	return &bench->netview->routes[ruleset->destinations[first].route];
}

/* The verdict on the first rule of a configuration whose destinations are all resolved. */
static void expect_of(const char *text, const char *sentence)
{
	struct bench bench;

	bench_open(&bench, text);
	bench_build(&bench);
	expect(&bench, 0, sentence);
	bench_close(&bench);
}

static void test_what_the_kernel_does(void **state)
{
	(void)state;
	expect_of("{'a': {'SOURCEPORT': '500-600', 'SOURCEADDRESS': ['10.0.0.0/8', '!10.1.0.0/16'],"
		  " 'DESTINATION': ['10.9.0.1', {'ADDRESS': '10.9.0.2', 'PORT': 7, 'SAMPLE': 5,"
		  " 'CHECK': 'icmp', 'TTL': 'decrement'}],"
		  " 'SAMPLE': 3, 'ORIGINAL': 'drop', 'OVERSIZE': 'drop', 'TTL': 9}}",
		  "in the kernel");
	expect_of("{'a': {'SOURCEPORT': 514, 'BALANCE': 'hash', 'DESTINATION':"
		  " ['10.9.0.1', '10.9.0.2', '2001:db8::2', 'collector.example/9']}}",
		  "in the kernel");
	expect_of("{'a': {'SOURCEPORT': 514, 'BALANCE': 'failover', 'DESTINATION':"
		  " ['10.9.0.1', '10.9.0.2']}}",
		  "in the kernel");
}

static void test_what_it_does_not(void **state)
{
	(void)state;
	expect_of("{'a': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1'], 'ENABLED': false}}",
		  "disabled");
	expect_of("{'a': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1'],"
		  " 'LISTENADDRESS': '192.0.2.1'}}",
		  "queued: LISTENADDRESS is not done in the kernel");
	expect_of("{'a': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1'], 'INTERFACE': 'eth0'}}",
		  "queued: INTERFACE is not done in the kernel");
	expect_of("{'a': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1'], 'RATELIMIT': 9}}",
		  "queued: RATELIMIT is not done in the kernel");
	expect_of("{'a': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1', '10.9.0.2'],"
		  " 'BALANCE': 'round-robin'}}",
		  "queued: BALANCE round-robin is not done in the kernel");
	expect_of("{'a': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1',"
		  " {'ADDRESS': '10.9.0.2', 'NAME': 'two', 'SOURCE': 'appliance'}]}}",
		  "queued: SOURCE of destination \"two\" is not done in the kernel");
}

/* A rule does not come and go with the health of a collector that has SOURCE. */
static void test_source_of_one_that_is_down(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'BALANCE': 'failover', 'DESTINATION': "
			   "['10.9.0.1', {'ADDRESS': '10.9.0.2', 'SOURCE': '192.0.2.1'}]}}");
	bench.is_up[1] = 0;
	bench_build(&bench);
	expect(&bench, 0, "queued: SOURCE of destination \"10.9.0.2\" is not done in the kernel");
	bench_close(&bench);
}

static void test_ways_out(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 1, 'DESTINATION': ['10.9.0.1/5']},"
			   " 'b': {'SOURCEPORT': 2, 'DESTINATION': ['10.9.0.2/5']},"
			   " 'c': {'SOURCEPORT': 3, 'DESTINATION': ['10.9.0.3/5']},"
			   " 'd': {'SOURCEPORT': 4, 'DESTINATION': ['10.9.0.4/5']}}");
	route_of(&bench, 0)->link.sll_ifindex = 0;
	route_of(&bench, 0)->source.family = AF_UNSPEC;
	route_of(&bench, 1)->link.sll_ifindex = 0;
	route_of(&bench, 2)->mtu_bytes = NETVIEW_MTU_UNKNOWN;
	route_of(&bench, 3)->link.sll_halen = 8;
	bench_build(&bench);
	expect(&bench, 0, "queued: no route to destination \"10.9.0.1/5\"");
	expect(&bench, 1, "queued: the neighbour of destination \"10.9.0.2/5\" is not known");
	expect(&bench, 2, "queued: the neighbour of destination \"10.9.0.3/5\" is not known");
	expect(&bench, 3, "queued: the way to destination \"10.9.0.4/5\" is not Ethernet");
	/* One that is down needs no way. */
	memset(bench.is_up, 0, 4);
	bench_build(&bench);
	for (uint32_t r = 0; r < 4; r++)
		expect(&bench, r, "in the kernel");
	bench_close(&bench);
}

/* `check` knows neither neighbours nor health. */
static void test_features_alone(void **state)
{
	struct rules rules = rules_from_text(
		"{'a': {'SOURCEPORT': 1, 'SAMPLE': 2, 'DESTINATION': ['10.9.0.1/5', "
		"'x.example/5']},"
		" 'b': {'SOURCEPORT': 2, 'DESTINATION': ['10.9.0.2/5'], 'RATELIMIT': 1}}");
	const struct fastpath_inputs inputs = {.ruleset = rules.ruleset, .limits = ample};
	struct fastpath_verdict verdicts[2];
	struct fastpath_tables *tables = fastpath_tables_build(&inputs, verdicts);

	(void)state;
	assert_non_null(tables);
	assert_int_equal(verdicts[0].reason, FASTPATH_IN_KERNEL);
	assert_int_equal(verdicts[1].reason, FASTPATH_RATELIMIT);
	fastpath_tables_free(tables);
	rules_free(&rules);
}

static void test_other_rules(void **state)
{
	struct bench bench;

	(void)state;
	/* Only in part of 'a's clients, but that is enough. */
	bench_open(&bench, "{'a': {'SOURCEPORT': '500-520', 'DESTINATION': ['10.9.0.1/5']},"
			   " 'b': {'SOURCEPORT': 514, 'SOURCEADDRESS': '10.1.0.0/16',"
			   " 'DESTINATION': ['10.9.0.2/5'], 'RATELIMIT': 1},"
			   " 'c': {'SOURCEPORT': 514, 'SOURCEADDRESS': '10.2.0.0/16',"
			   " 'DESTINATION': ['10.9.0.3/5']},"
			   " 'd': {'SOURCEPORT': 521, 'DESTINATION': ['10.9.0.3/5']}}");
	bench_build(&bench);
	expect(&bench, 0,
	       "queued: shares clients and ports with rule \"b\" (RATELIMIT is not done "
	       "in the kernel)");
	expect(&bench, 1, "queued: RATELIMIT is not done in the kernel");
	/* It shares packets with 'a', but none with 'b'. */
	expect(&bench, 2, "in the kernel");
	expect(&bench, 3, "in the kernel");
	bench_close(&bench);
}

static void test_places_that_build_time_cannot_give_away(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'SAMPLE': 2, 'DESTINATION': ['10.9.0.1']},"
			   " 'b': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1/514']},"
			   " 'c': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.3/514']}}");
	bench_build(&bench);
	expect(&bench, 1,
	       "queued: destination \"10.9.0.1/514\" is also one of rule \"a\", and "
	       "SAMPLE or BALANCE decides packet by packet which of the two rules sends "
	       "there");
	expect(&bench, 0,
	       "queued: shares clients and ports with rule \"b\" (destination "
	       "\"10.9.0.1/514\" is also one of rule \"a\", and SAMPLE or BALANCE "
	       "decides packet by packet which of the two rules sends there)");
	assert_int_equal(bench.verdicts[2].reason, FASTPATH_SAME_PACKETS);
	bench_close(&bench);

	/* The other way round there is nothing to decide. */
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1']},"
			   " 'b': {'SOURCEPORT': 514, 'SAMPLE': 2,"
			   " 'DESTINATION': ['10.9.0.1/514']}}");
	bench_build(&bench);
	expect(&bench, 0, "in the kernel");
	expect(&bench, 1, "in the kernel");
	bench_close(&bench);

	/* Only where a rule's packets meet another's named port. */
	bench_open(&bench, "{'a': {'SOURCEPORT': '500-600', 'SAMPLE': 2,"
			   " 'DESTINATION': ['10.9.0.1']},"
			   " 'b': {'SOURCEPORT': '500-600', 'DESTINATION': ['10.9.0.1/700']}}");
	bench_build(&bench);
	expect(&bench, 0, "in the kernel");
	expect(&bench, 1, "in the kernel");
	bench_close(&bench);
}

/* The only rule's first two destinations, names, turn out to be one address. */
static void bench_open_twice_the_same(struct bench *bench, const char *text)
{
	struct config_destination *destinations;

	bench_open(bench, text);
	destinations = bench->rules.config->rules[0].destinations;
	destinations[0].address = destinations[1].address = address("10.9.0.1");
	ruleset_free(bench->rules.ruleset);
	bench->rules.ruleset = ruleset_compile(bench->rules.config);
	assert_non_null(bench->rules.ruleset);
	bench_build(bench);
}

/* Where there are several reasons, the one told is the one that others point to. */
static void test_the_first_reason_is_told(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'SAMPLE': 2, 'DESTINATION': ['10.9.0.1'],"
			   " 'SOURCEADDRESS': '10.2.0.0/16'},"
			   " 'b': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1']},"
			   " 'c': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.2'], 'RATELIMIT': 1,"
			   " 'SOURCEADDRESS': '10.1.0.0/16'}}");
	bench_build(&bench);
	assert_int_equal(bench.verdicts[0].reason, FASTPATH_SAME_PACKETS);
	assert_int_equal(bench.verdicts[0].rule, 1);
	assert_int_equal(bench.verdicts[1].reason, FASTPATH_SAME_PLACE);
	assert_int_equal(bench.verdicts[2].reason, FASTPATH_RATELIMIT);
	bench_close(&bench);
}

static void test_one_place_twice_in_a_rule(void **state)
{
	struct bench bench;

	(void)state;
	/* Both get a packet, or none. */
	bench_open_twice_the_same(&bench, "{'a': {'SOURCEPORT': 514, 'SAMPLE': 2, 'DESTINATION': "
					  "['x.example', 'y.example']}}");
	expect(&bench, 0, "in the kernel");
	bench_close(&bench);
	bench_open_twice_the_same(&bench, "{'a': {'SOURCEPORT': 514, 'BALANCE': 'hash',"
					  " 'DESTINATION': ['x.example', 'y.example']}}");
	expect(&bench, 0, "in the kernel");
	bench_close(&bench);
	bench_open_twice_the_same(&bench, "{'a': {'SOURCEPORT': 514, 'DESTINATION': ["
					  "{'ADDRESS': 'x.example', 'SAMPLE': 2}, 'y.example']}}");
	expect(&bench, 0,
	       "queued: destination \"y.example\" is the same place as another of this "
	       "rule, and SAMPLE or BALANCE decides packet by packet which of the two "
	       "gets a copy");
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_kernel_does),
		cmocka_unit_test(test_what_it_does_not),
		cmocka_unit_test(test_source_of_one_that_is_down),
		cmocka_unit_test(test_ways_out),
		cmocka_unit_test(test_features_alone),
		cmocka_unit_test(test_other_rules),
		cmocka_unit_test(test_places_that_build_time_cannot_give_away),
		cmocka_unit_test(test_the_first_reason_is_told),
		cmocka_unit_test(test_one_place_twice_in_a_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
