/* SPDX-License-Identifier: MIT */
/* The totals of the last minutes: what is added up, what is kept, how it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/history.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static void expect(const struct history *history, const char *json)
{
	char *text = history_json(history);

	assert_non_null(text);
	assert_string_equal(text, json);
	free(text);
}

static void test_empty(void **state)
{
	struct history *history = history_create();

	(void)state;
	assert_non_null(history);
	expect(history, "{\"interval_ms\":2000,\"at_ms\":[],\"received_pkts\":[],"
			"\"sent_pkts\":[],\"dropped_pkts\":[]}\n");
	history_free(history);
	expect(NULL, "{\"interval_ms\":2000,\"at_ms\":[],\"received_pkts\":[],"
		     "\"sent_pkts\":[],\"dropped_pkts\":[]}\n");
}

/* Everything that was lost counts as dropped, wherever it was lost; what no rule wanted does not.
 */
static void test_what_is_added_up(void **state)
{
	struct history *history = history_create();
	struct counters *counters = counters_create(1, 2);

	(void)state;
	assert_non_null(history);
	assert_non_null(counters);
	counter_add(&counters->total.received_pkts, 1000);
	counter_add(&counters->total.unmatched_pkts, 500);
	counter_add(&counters->total.malformed_pkts, 1);
	counter_add(&counters->total.truncated_pkts, 2);
	counter_add(&counters->rules[0].rate_limited_pkts, 700);
	counter_add(&counters->destinations[0].sent_pkts, 30);
	counter_add(&counters->destinations[1].sent_pkts, 4);
	counter_add(&counters->destinations[0].dropped_pkts[REASON_DOWN], 10);
	counter_add(&counters->destinations[1].dropped_pkts[REASON_OTHER], 20);
	history_add(history, 2001, counters, 40);
	counter_add(&counters->destinations[1].sent_pkts, UINT64_MAX - 34);
	history_add(history, 4003, counters, 41);
	expect(history, "{\"interval_ms\":2000,\"at_ms\":[2001,4003],\"received_pkts\":[1000,1000],"
			"\"sent_pkts\":[34,18446744073709551615],\"dropped_pkts\":[73,74]}\n");
	counters_free(counters);
	history_free(history);
}

static struct json_object *series(struct json_object *object, const char *name)
{
	struct json_object *array;

	assert_true(json_object_object_get_ex(object, name, &array));
	return array;
}

/* The newest are kept, the oldest first; times and counters go together. */
static void test_only_the_newest_are_kept(void **state)
{
	struct history *history = history_create();
	struct counters *counters = counters_create(0, 0);
	const unsigned added = HISTORY_SAMPLES * 2 + 7;

	(void)state;
	assert_non_null(history);
	assert_non_null(counters);
	for (unsigned n = 1; n <= added; n++) {
		unsigned kept = n < HISTORY_SAMPLES ? n : HISTORY_SAMPLES;
		struct json_object *object, *at, *received;
		char *text;

		counter_add(&counters->total.received_pkts, 3);
		history_add(history, n * HISTORY_INTERVAL_MS, counters, 0);
		text = history_json(history);
		assert_non_null(text);
		object = json_tokener_parse(text);
		assert_non_null(object);
		at = series(object, "at_ms");
		received = series(object, "received_pkts");
		assert_int_equal(json_object_array_length(at), kept);
		assert_int_equal(json_object_array_length(received), kept);
		for (unsigned i = 0; i < kept; i++) {
			unsigned sample = n - kept + 1 + i;

			assert_int_equal(json_object_get_int(json_object_array_get_idx(at, i)),
					 sample * HISTORY_INTERVAL_MS);
			assert_int_equal(
				json_object_get_int(json_object_array_get_idx(received, i)),
				sample * 3);
		}
		json_object_put(object);
		free(text);
	}
	counters_free(counters);
	history_free(history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_what_is_added_up),
		cmocka_unit_test(test_only_the_newest_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
