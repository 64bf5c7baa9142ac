/* SPDX-License-Identifier: MIT */
/* The fast path's tables for a configuration all of whose destinations can be sent to. */
#ifndef TESTS_UNIT_FASTPATH_FIXTURE_H
#define TESTS_UNIT_FASTPATH_FIXTURE_H

#include "rules_from_text.h"

#include "core/fastpath_tables.h"

#include <sys/socket.h>

static const struct fastpath_limits ample = {
	.classes = 4096,
	.ranges4 = 1 << 16,
	.ranges6 = 1 << 16,
	.plans = 1 << 14,
	.steps = 1 << 18,
	.own4 = 8,
	.own6 = 8,
	.samples = 8,
};

/* A ruleset, with all destinations up and resolved until a test says otherwise. */
struct bench {
	struct rules rules;
	struct fastpath_limits limits;
	struct netview *netview;
	uint8_t *is_up;
	uint32_t *samples; /* per rule, and per destination */
	struct fastpath_verdict *verdicts;
	struct fastpath_tables *tables;
};

static inline void bench_open(struct bench *bench, const char *text)
{
	const struct ip_address own[] = {address("192.0.2.1"), address("2001:db8::1")};
	const struct ruleset *ruleset;
	struct netview_route *routes;

	*bench = (struct bench){.rules = rules_from_text(text), .limits = ample};
	ruleset = bench->rules.ruleset;
	routes = calloc(ruleset->route_count, sizeof(*routes));
	bench->is_up = malloc(ruleset->destination_count);
	bench->samples = calloc(ruleset->destination_count, sizeof(*bench->samples));
	bench->verdicts = calloc(ruleset->rule_count, sizeof(*bench->verdicts));
	assert_true(routes && bench->is_up && bench->samples && bench->verdicts);
	memset(bench->is_up, 1, ruleset->destination_count);
	for (size_t i = 0; i < ruleset->route_count; i++)
		routes[i] = (struct netview_route){
			.mtu_bytes = 1500,
			.source = own[0],
			.link = {.sll_ifindex = 2, .sll_halen = 6},
		};
	bench->netview = netview_create(own, 2, routes, ruleset->route_count, NULL, 0);
	assert_non_null(bench->netview);
	free(routes);
}

static inline void bench_build(struct bench *bench)
{
	const struct fastpath_inputs inputs = {
		.ruleset = bench->rules.ruleset,
		.netview = bench->netview,
		.is_up = bench->is_up,
		.rule_samples = bench->samples,
		.destination_samples = bench->samples,
		.limits = bench->limits,
	};

	fastpath_tables_free(bench->tables);
	bench->tables = fastpath_tables_build(&inputs, bench->verdicts);
	assert_non_null(bench->tables);
}

static inline void bench_close(struct bench *bench)
{
	fastpath_tables_free(bench->tables);
	netview_free(bench->netview);
	free(bench->is_up);
	free(bench->samples);
	free(bench->verdicts);
	rules_free(&bench->rules);
}

static inline void expect(struct bench *bench, uint32_t rule, const char *sentence)
{
	char text[FASTPATH_VERDICT_SIZE];

	assert_string_equal(
		fastpath_verdict_format(bench->rules.ruleset, bench->verdicts, rule, text),
		sentence);
}

#endif
