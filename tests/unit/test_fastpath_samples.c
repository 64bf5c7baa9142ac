/* SPDX-License-Identifier: MIT */
/* Which counts SAMPLE goes by, over changes of the rules. */
#include "rules_from_text.h"

#include "core/hash_index.h"
#include "datapath/fastpath_samples.h"

enum { ROOM = 4 };

struct counts {
	uint64_t memory[ROOM];
	struct fastpath_map map;
};

/* Every count has been used before. */
static void counts_open(struct counts *counts)
{
	for (size_t i = 0; i < ROOM; i++)
		counts->memory[i] = 1000 + i;
	counts->map = (struct fastpath_map){.memory = (uint8_t *)counts->memory,
					    .bytes = sizeof(counts->memory),
					    .entry_bytes = sizeof(counts->memory[0]),
					    .room = ROOM,
					    .copies = 1};
}

static struct fastpath_samples *create(struct counts *counts, const struct rules *rules,
				       const struct kinship *kinship,
				       const struct fastpath_samples *former)
{
	struct fastpath_samples *samples =
		fastpath_samples_create(&counts->map, rules->ruleset, kinship, former);

	assert_non_null(samples);
	return samples;
}

static const char *const two_rules = "{'A': {'SOURCEPORT': 1, 'SAMPLE': 4, 'DESTINATION': "
				     "[{'ADDRESS': '192.0.2.2', 'SAMPLE': 3}, '192.0.2.3']}, "
				     "'B': {'SOURCEPORT': 2, 'SAMPLE': 1, 'DESTINATION': ["
				     "{'ADDRESS': '192.0.2.2', 'SAMPLE': 4}]}}";

static void each_has_a_count_of_its_own_from_0(void **state)
{
	struct rules rules = rules_from_text(two_rules);
	struct fastpath_samples *samples;
	struct counts counts;

	(void)state;
	counts_open(&counts);
	samples = create(&counts, &rules, NULL, NULL);
	assert_int_equal(samples->rules[0], 0);
	assert_int_equal(samples->rules[1], FASTPATH_NO_SAMPLE);
	assert_int_equal(samples->destinations[0], 1);
	assert_int_equal(samples->destinations[1], FASTPATH_NO_SAMPLE);
	assert_int_equal(samples->destinations[2], 2);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(counts.memory[i], 0);
	assert_int_equal(counts.memory[3], 1003);
	fastpath_samples_free(samples);
	rules_free(&rules);
}

static void the_same_rules_go_on(void **state)
{
	struct rules rules = rules_from_text(two_rules);
	struct fastpath_samples *former, *samples;
	struct counts counts;

	(void)state;
	counts_open(&counts);
	former = create(&counts, &rules, NULL, NULL);
	counts.memory[0] = 7;
	counts.memory[2] = 9;
	samples = create(&counts, &rules, NULL, former);
	assert_memory_equal(samples->rules, former->rules, 2 * sizeof(*samples->rules));
	assert_memory_equal(samples->destinations, former->destinations,
			    3 * sizeof(*samples->destinations));
	assert_int_equal(counts.memory[0], 7);
	assert_int_equal(counts.memory[2], 9);
	fastpath_samples_free(former);
	fastpath_samples_free(samples);
	rules_free(&rules);
}

/* In another order; what has another N begins anew, by a count that the former does not use. */
static void kin_with_the_same_n_go_on(void **state)
{
	struct rules before = rules_from_text(two_rules);
	struct rules after = rules_from_text(
		"{'B': {'SOURCEPORT': 2, 'DESTINATION': [{'ADDRESS': '192.0.2.2', 'SAMPLE': 4}]}, "
		"'A': {'SOURCEPORT': 1, 'SAMPLE': 5, 'DESTINATION': "
		"[{'ADDRESS': '192.0.2.2', 'SAMPLE': 3}]}}");
	uint32_t kin_rules[] = {1, 0}, kin_destinations[] = {2, 0};
	const struct kinship kinship = {after.ruleset, kin_rules, kin_destinations};
	struct fastpath_samples *former, *samples;
	struct counts counts;

	(void)state;
	counts_open(&counts);
	former = create(&counts, &before, NULL, NULL);
	counts.memory[0] = 7;
	counts.memory[1] = 8;
	counts.memory[2] = 9;
	samples = create(&counts, &after, &kinship, former);
	assert_int_equal(samples->rules[0], FASTPATH_NO_SAMPLE);
	assert_int_equal(samples->rules[1], 3);
	assert_int_equal(samples->destinations[0], 2);
	assert_int_equal(samples->destinations[1], 1);
	assert_int_equal(counts.memory[0], 7);
	assert_int_equal(counts.memory[1], 8);
	assert_int_equal(counts.memory[2], 9);
	assert_int_equal(counts.memory[3], 0);
	fastpath_samples_free(former);
	fastpath_samples_free(samples);
	rules_free(&before);
	rules_free(&after);
}

/* Neither the former's counts nor one twice, however few there are. */
static void where_there_is_no_room_there_is_none(void **state)
{
	struct rules before = rules_from_text(two_rules);
	uint32_t kin_rules[] = {HASH_INDEX_NONE, HASH_INDEX_NONE};
	uint32_t kin_destinations[] = {HASH_INDEX_NONE, HASH_INDEX_NONE, HASH_INDEX_NONE};
	const struct kinship strangers = {before.ruleset, kin_rules, kin_destinations};
	struct fastpath_samples *former, *samples, *later;
	struct counts counts;

	(void)state;
	counts_open(&counts);
	former = create(&counts, &before, NULL, NULL);
	samples = create(&counts, &before, &strangers, former);
	assert_int_equal(samples->rules[0], 3);
	assert_int_equal(samples->destinations[0], FASTPATH_NO_SAMPLE);
	assert_int_equal(samples->destinations[2], FASTPATH_NO_SAMPLE);
	fastpath_samples_free(former);
	/* What the former had is free again. */
	later = create(&counts, &before, &strangers, samples);
	assert_int_equal(later->rules[0], 0);
	assert_int_equal(later->destinations[0], 1);
	assert_int_equal(later->destinations[2], 2);
	fastpath_samples_free(samples);
	fastpath_samples_free(later);
	rules_free(&before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_a_count_of_its_own_from_0),
		cmocka_unit_test(the_same_rules_go_on),
		cmocka_unit_test(kin_with_the_same_n_go_on),
		cmocka_unit_test(where_there_is_no_room_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
