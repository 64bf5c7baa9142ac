/* SPDX-License-Identifier: MIT */
/* What a storm of log lines leaves, by a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/log_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS (24 * 3600 * 1000ull)

/* Addresses that stand for formats. */
static const char names[LOG_LIMIT_KINDS + 10];

static struct log_limit *limit;
static uint64_t now_ms;
static struct log_held held;

static int begin(void **state)
{
	(void)state;
	limit = log_limit_create();
	now_ms = DAY_MS;
	return limit ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	log_limit_free(limit);
	return 0;
}

static bool say(const char *kind, const char *message)
{
	return log_limit_admit(limit, kind, LOG_LEVEL_WARNING, message, now_ms, &held);
}

static void use_up(const char *kind)
{
	for (int i = 0; i < LOG_LIMIT_BURST; i++) {
		assert_true(say(kind, "line"));
		assert_int_equal(held.count, 0);
	}
	assert_false(say(kind, "line"));
}

static void a_burst_then_one_in_an_interval(void **state)
{
	unsigned written = 0;
	uint64_t told = 0;

	(void)state;
	use_up(names);
	/* An event each millisecond, for 10 intervals. */
	for (now_ms++; now_ms <= DAY_MS + 10 * LOG_LIMIT_INTERVAL_MS; now_ms++) {
		if (!say(names, "line"))
			continue;
		written++;
		told += held.count;
		assert_in_range(held.time_ms, LOG_LIMIT_INTERVAL_MS - 1, LOG_LIMIT_INTERVAL_MS);
	}
	assert_int_equal(written, 10);
	/* Each line is written or told of: one was held back before these. */
	assert_int_equal(told + written, 1 + 10 * LOG_LIMIT_INTERVAL_MS);
}

static void quiet_time_gives_it_all_back_and_no_more(void **state)
{
	(void)state;
	use_up(names);
	assert_true(log_limit_rest(limit, now_ms, &held));
	now_ms += 3 * LOG_LIMIT_INTERVAL_MS;
	for (int i = 0; i < 3; i++)
		assert_true(say(names, "line"));
	assert_false(say(names, "line"));
	assert_true(log_limit_rest(limit, now_ms, &held));
	now_ms += 1000 * DAY_MS;
	use_up(names);
}

static void half_an_interval_is_not_forgotten(void **state)
{
	(void)state;
	use_up(names);
	for (int i = 0; i < 3; i++) {
		now_ms += LOG_LIMIT_INTERVAL_MS / 2;
		assert_int_equal(say(names, "line"), i == 1);
	}
}

static void kinds_do_not_share(void **state)
{
	(void)state;
	use_up(names);
	use_up(names + 1);
	assert_true(log_limit_admit(limit, names, LOG_LEVEL_INFO, "line", now_ms, &held));
	assert_int_equal(held.count, 0);
}

static void the_latest_is_told_when_nothing_comes_after_it(void **state)
{
	(void)state;
	use_up(names);
	assert_false(say(names, "last but one"));
	now_ms += 5000;
	assert_false(say(names, "last"));
	now_ms += LOG_LIMIT_INTERVAL_MS - 5001;
	assert_false(log_limit_due(limit, now_ms, &held));
	now_ms += 1;
	assert_true(log_limit_due(limit, now_ms, &held));
	assert_string_equal(held.latest, "last");
	assert_int_equal(held.count, 3);
	assert_int_equal(held.time_ms, LOG_LIMIT_INTERVAL_MS);
	assert_int_equal(held.level, LOG_LEVEL_WARNING);
	assert_false(log_limit_due(limit, now_ms, &held));
	/* That took the interval's line. */
	assert_false(say(names, "line"));
}

static void every_kind_has_its_turn(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		use_up(names + i);
	now_ms += LOG_LIMIT_INTERVAL_MS;
	for (int i = 0; i < 5; i++)
		assert_true(log_limit_due(limit, now_ms, &held));
	assert_false(log_limit_due(limit, now_ms, &held));
	for (int i = 0; i < 5; i++)
		assert_false(say(names + i, "line"));
	for (int i = 0; i < 5; i++)
		assert_true(log_limit_rest(limit, now_ms, &held));
	assert_false(log_limit_rest(limit, now_ms, &held));
}

/* A table that is full of kinds with something held back: what is new shares, and is not lost. */
static void more_kinds_than_there_is_room_for(void **state)
{
	uint64_t told = 0, said = 0;

	(void)state;
	for (int i = 0; i < LOG_LIMIT_KINDS; i++)
		use_up(names + i);
	for (int i = LOG_LIMIT_KINDS; i < LOG_LIMIT_KINDS + 10; i++)
		said += !say(names + i, "line");
	assert_int_equal(said, 10);
	while (log_limit_rest(limit, now_ms, &held))
		told += held.count;
	assert_int_equal(told, LOG_LIMIT_KINDS + 10);
	/* Once there is nothing held back of the former ones, their places are free. */
	now_ms += LOG_LIMIT_BURST * (uint64_t)LOG_LIMIT_INTERVAL_MS;
	for (int i = LOG_LIMIT_KINDS; i < LOG_LIMIT_KINDS + 10; i++)
		use_up(names + i);
}

static void a_long_line_is_kept_in_part(void **state)
{
	char longest[3 * LOG_LIMIT_KEPT_BYTES] = "x";

	(void)state;
	for (size_t at = 1; at + 3 < sizeof(longest); at += 3)
		memcpy(longest + at, "\xe2\x82\xac", 4);
	use_up(names);
	assert_false(say(names, longest));
	assert_true(log_limit_rest(limit, now_ms, &held));
	assert_in_range(strlen(held.latest), LOG_LIMIT_KEPT_BYTES - 4, LOG_LIMIT_KEPT_BYTES - 1);
	assert_memory_equal(held.latest, longest, strlen(held.latest));
	assert_int_equal(strlen(held.latest) % 3, 1); /* no character is cut */
}

#define limiting(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		limiting(a_burst_then_one_in_an_interval),
		limiting(quiet_time_gives_it_all_back_and_no_more),
		limiting(half_an_interval_is_not_forgotten),
		limiting(kinds_do_not_share),
		limiting(the_latest_is_told_when_nothing_comes_after_it),
		limiting(every_kind_has_its_turn),
		limiting(more_kinds_than_there_is_room_for),
		limiting(a_long_line_is_kept_in_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
