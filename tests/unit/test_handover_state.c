/* SPDX-License-Identifier: MIT */
/* What a daemon tells the one that takes over from it, and what that one makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/handover_state.h"
#include "control/status.h"

#include <stdlib.h>
#include <string.h>

static const char former_text[] =
	"{\"A\": {\"SOURCEPORT\": 1, \"DESTINATION\": [\"10.0.0.1/1\"]},"
	" \"B\": {\"SOURCEPORT\": 2, \"DESTINATION\": [\"10.0.0.1/2\", \"10.0.0.2/2\"]}}";
static const char next_text[] =
	"{\"B\": {\"SOURCEPORT\": 2, \"DESTINATION\": [\"10.0.0.3/2\", \"10.0.0.2/2\"]},"
	" \"C\": {\"SOURCEPORT\": 3, \"DESTINATION\": [\"10.0.0.1/1\"]}}";

/* A configuration and all that hangs on it. */
struct side {
	struct config *config;
	struct ruleset *ruleset;
	struct counters *counters;
};

static struct side make_side(const char *text)
{
	struct config_errors errors = {0};
	struct side side = {.config = config_parse(text, strlen(text), "test", &errors)};

	assert_non_null(side.config);
	side.ruleset = ruleset_compile(side.config);
	assert_non_null(side.ruleset);
	side.counters = counters_create(side.ruleset->rule_count, side.ruleset->destination_count);
	assert_non_null(side.counters);
	return side;
}

static void free_side(struct side *side)
{
	counters_free(side->counters);
	ruleset_free(side->ruleset);
	config_free(side->config);
}

/* Every counter of an array has a value of its own. */
static void number_all(void *counters, size_t bytes, uint64_t first)
{
	counter *all = counters;

	for (size_t i = 0; i < bytes / sizeof(counter); i++)
		counter_add(&all[i], first + i);
}

static char *write_state(const struct side *side, const struct legacy *legacy,
			 const struct fastpath_left *left)
{
	uint8_t is_up[3] = {1, 1, 1};
	struct status status = {
		.config_path = "test",
		.health = "ok",
		.http = "off",
		.fastpath = "off",
		.ruleset = side->ruleset,
		.counters = side->counters,
		.is_up = is_up,
	};
	char *text = status_json(&status), *state;

	assert_non_null(text);
	state = handover_state_write(text, former_text, legacy, left);
	assert_non_null(state);
	free(text);
	return state;
}

static void every_counter_comes_over(void **unused)
{
	struct side former = make_side(former_text);
	const struct legacy legacy = {0};
	struct handover_state *state;
	struct counters *read;
	char *text;

	(void)unused;
	number_all(&former.counters->total, sizeof(former.counters->total), 1ull << 60);
	number_all(former.counters->rules, 2 * sizeof(*former.counters->rules), 100);
	number_all(former.counters->destinations, 3 * sizeof(*former.counters->destinations), 1000);
	text = write_state(&former, &legacy, NULL);
	state = handover_state_read(text);
	assert_non_null(state);
	read = handover_state_counters(state);
	assert_non_null(read);
	assert_int_equal(read->rule_count, 2);
	assert_int_equal(read->destination_count, 3);
	assert_memory_equal(&read->total, &former.counters->total, sizeof(read->total));
	assert_memory_equal(read->rules, former.counters->rules, 2 * sizeof(*read->rules));
	assert_memory_equal(read->destinations, former.counters->destinations,
			    3 * sizeof(*read->destinations));
	counters_free(read);
	handover_state_free(state);
	free(text);
	free_side(&former);
}

static void counters_follow_names(void **unused)
{
	struct side former = make_side(former_text), next = make_side(next_text);
	const struct legacy legacy = {0};
	struct handover_state *state;
	struct counters *ours;
	char *text;

	(void)unused;
	counter_add(&former.counters->total.received_pkts, 7);
	counter_add(&former.counters->rules[1].matched_pkts, 5);
	counter_add(&former.counters->destinations[1].sent_pkts, 3);
	counter_add(&former.counters->destinations[2].sent_pkts, 2);
	text = write_state(&former, &legacy, NULL);
	state = handover_state_read(text);
	ours = handover_state_translate(state, former.counters, next.ruleset);
	assert_non_null(ours);
	assert_int_equal(counter_read(&ours->total.received_pkts), 7);
	assert_int_equal(counter_read(&ours->rules[0].matched_pkts), 5);
	assert_int_equal(counter_read(&ours->rules[1].matched_pkts), 0);
	assert_int_equal(counter_read(&ours->destinations[0].sent_pkts), 0);
	assert_int_equal(counter_read(&ours->destinations[1].sent_pkts), 2);
	assert_int_equal(counter_read(&ours->destinations[2].sent_pkts), 0);
	counters_free(ours);
	handover_state_free(state);
	free(text);
	free_side(&former);
	free_side(&next);
}

static void queues_and_tables_come_over(void **unused)
{
	struct side former = make_side(former_text);
	const struct legacy legacy = {
		.queue_count = 2,
		.queues =
			{{.fd = 9, .number = 7514, .last_packet_id = UINT32_MAX},
			 {.fd = 9, .number = 7515, .dropped_full_pkts = 1, .dropped_user_pkts = 2}},
		.dropped_pkts = UINT64_MAX,
	};
	const struct fastpath_left left = {-1, -1, -1, 4, 64, 256};
	struct fastpath_left read_left = {-1, -1, -1, 0, 0, 0};
	char *text = write_state(&former, &legacy, &left);
	struct handover_state *state = handover_state_read(text);
	struct ip_address address;
	char found[IP_TEXT_SIZE];
	struct legacy read;

	(void)unused;
	handover_state_legacy(state, &read);
	assert_int_equal(read.queue_count, 2);
	assert_true(read.dropped_pkts == UINT64_MAX);
	assert_int_equal(read.queues[0].fd, -1);
	assert_int_equal(read.queues[0].last_packet_id, UINT32_MAX);
	assert_int_equal(read.queues[1].number, 7515);
	assert_int_equal(read.queues[1].dropped_full_pkts, 1);
	assert_int_equal(read.queues[1].dropped_user_pkts, 2);
	assert_true(handover_state_left(state, &read_left));
	assert_int_equal(read_left.copies, left.copies);
	assert_int_equal(read_left.rule_room, left.rule_room);
	assert_int_equal(read_left.destination_room, left.destination_room);
	assert_true(handover_state_is_of(state, former_text));
	assert_false(handover_state_is_of(state, next_text));
	assert_true(handover_state_address(state, &former.config->rules[1],
					   &former.config->rules[1].destinations[1], &address));
	assert_string_equal(ip_format(&address, found), "10.0.0.2");
	handover_state_free(state);
	free(text);
	free_side(&former);
}

/* Another version's, or somebody else's. */
static void what_is_not_understood_is_nothing(void **unused)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{\"format\": 2, \"status\": {\"rules\": []}}",
		"{\"format\": 1}",
		"{\"format\": \"1\", \"status\": {\"rules\": []}}",
	};
	struct handover_state *state;
	struct counters *counters;
	struct legacy legacy;

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_null(handover_state_read(texts[i]));
	/* What is missing is zero. */
	state = handover_state_read("{\"format\": 1, \"queues\": 5, \"status\": {\"rules\": [7]}}");
	assert_non_null(state);
	handover_state_legacy(state, &legacy);
	assert_int_equal(legacy.queue_count, 0);
	counters = handover_state_counters(state);
	assert_int_equal(counters->rule_count, 1);
	assert_int_equal(counters->destination_count, 0);
	counters_free(counters);
	handover_state_free(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_counter_comes_over),
		cmocka_unit_test(counters_follow_names),
		cmocka_unit_test(queues_and_tables_come_over),
		cmocka_unit_test(what_is_not_understood_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
