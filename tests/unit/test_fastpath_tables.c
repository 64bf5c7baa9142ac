/* SPDX-License-Identifier: MIT */
/* Random rules: the fast path does with packets exactly what the user-space datapath does. */
#include "fastpath_comparison.h"

enum { PACKETS = 400 };

static const struct fastpath_limits ample = {
	.classes = 1000,
	.ranges4 = 10000,
	.ranges6 = 10000,
	.plans = 1000,
	.steps = 20000,
	.own4 = 8,
	.own6 = 8,
	.samples = SAMPLES,
};

static void test_random_rules(void **state)
{
	(void)state;
	served = queued = unmatched = 0;
	for (unsigned i = 0; i < 400; i++)
		run_random(&ample, PACKETS);
	printf("%u served, %u queued, %u unmatched\n", served, queued, unmatched);
	/* None of them so rare that little was tested. */
	assert_true(served > 10000 && queued > 10000 && unmatched > 10000);
}

static void test_random_rules_in_small_tables(void **state)
{
	(void)state;
	served = queued = 0;
	for (unsigned i = 0; i < 200; i++) {
		const struct fastpath_limits small = {
			.classes = 2 + random_below(12),
			.ranges4 = 1 + random_below(20),
			.ranges6 = 1 + random_below(20),
			.plans = 2 + random_below(20),
			.steps = random_below(100),
			.own4 = random_below(3),
			.own6 = random_below(3),
			.samples = random_below(100),
		};

		run_random(&small, PACKETS);
	}
	printf("%u served, %u queued\n", served, queued);
	assert_true(served > 1000 && queued > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_rules),
		cmocka_unit_test(test_random_rules_in_small_tables),
	};

	random_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
