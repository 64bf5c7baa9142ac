/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "datapath/counters.h"

/* Numbers a set's counters upwards from first, each different. */
static void number_all(struct counters *counters, uint64_t first)
{
	struct counters_total *total = &counters->total;
	counter *all[] = {
		&total->received_pkts,		&total->matched_by_any_pkts,
		&total->unmatched_pkts,		&total->malformed_pkts,
		&total->truncated_pkts,		&total->originals_forwarded_pkts,
		&total->originals_dropped_pkts,
	};
	uint64_t next = first;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		counter_add(all[i], next++);
	for (size_t i = 0; i < counters->rule_count; i++) {
		counter_add(&counters->rules[i].matched_pkts, next++);
		counter_add(&counters->rules[i].matched_bytes, next++);
		counter_add(&counters->rules[i].sampled_out_pkts, next++);
		counter_add(&counters->rules[i].rate_limited_pkts, next++);
		counter_add(&counters->rules[i].duplicated_pkts, next++);
	}
	for (size_t i = 0; i < counters->destination_count; i++) {
		struct counters_destination *destination = &counters->destinations[i];

		counter_add(&destination->due_pkts, next++);
		counter_add(&destination->sampled_out_pkts, next++);
		counter_add(&destination->sent_pkts, next++);
		counter_add(&destination->sent_bytes, next++);
		for (int reason = 0; reason < REASON_COUNT; reason++)
			counter_add(&destination->dropped_pkts[reason], next++);
	}
}

static void begins_at_zero(void **state)
{
	struct counters *counters = counters_create(3, 70);

	(void)state;
	assert_non_null(counters);
	assert_int_equal(counters->rule_count, 3);
	assert_int_equal(counters->destination_count, 70);
	assert_int_equal(counter_read(&counters->total.received_pkts), 0);
	assert_int_equal(counter_read(&counters->rules[2].duplicated_pkts), 0);
	assert_int_equal(counter_read(&counters->destinations[69].dropped_pkts[REASON_COUNT - 1]),
			 0);
	counters_free(counters);
}

/* Every number, the first and the last of each kind included, becomes the sum of both sets'. */
static void accumulates_every_number(void **state)
{
	struct counters *a = counters_create(2, 5), *b = counters_create(2, 5);
	struct counters *sum = counters_create(2, 5), *expected = counters_create(2, 5);

	(void)state;
	assert_true(a && b && sum && expected);
	number_all(a, 1000);
	number_all(b, UINT64_C(1) << 40);
	counters_accumulate(sum, a);
	counters_accumulate(sum, b);
	number_all(expected, 1000);
	number_all(expected, UINT64_C(1) << 40);
	assert_memory_equal(&sum->total, &expected->total, sizeof(sum->total));
	assert_memory_equal(sum->rules, expected->rules, 2 * sizeof(*sum->rules));
	assert_memory_equal(sum->destinations, expected->destinations,
			    5 * sizeof(*sum->destinations));
	counters_free(a);
	counters_free(b);
	counters_free(sum);
	counters_free(expected);
}

static void may_be_empty(void **state)
{
	struct counters *into = counters_create(0, 0), *from = counters_create(0, 0);

	(void)state;
	assert_true(into && from);
	counter_add(&from->total.received_pkts, UINT64_MAX);
	counters_accumulate(into, from);
	assert_true(counter_read(&into->total.received_pkts) == UINT64_MAX);
	counters_free(into);
	counters_free(from);
}

/* Two workers' sets never share a cache line. */
static void begins_at_a_cache_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct counters *counters = counters_create(i, i);

		assert_non_null(counters);
		assert_int_equal((uintptr_t)counters % 64, 0);
		counters_free(counters);
	}
}

static void refuses_what_no_memory_can_hold(void **state)
{
	(void)state;
	assert_null(counters_create(SIZE_MAX / 2, 0));
	assert_null(counters_create(0, SIZE_MAX / 2));
	assert_null(counters_create(SIZE_MAX / sizeof(struct counters_rule), 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_at_zero),
		cmocka_unit_test(accumulates_every_number),
		cmocka_unit_test(may_be_empty),
		cmocka_unit_test(begins_at_a_cache_line),
		cmocka_unit_test(refuses_what_no_memory_can_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
