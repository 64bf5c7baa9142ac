/* SPDX-License-Identifier: MIT */
/* What loops are found and ended by: the hash, what it remembers, and when there is suspicion. */
#include "core/recent.h"
#include "core/siphash.h"
#include "core/suspicion.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS 1000000ull

/* Of the reference implementation (vectors.h): the key 00..0f, and messages of 0, 1, 2... bytes. */
static void siphash_is_as_published(void **state)
{
	static const struct {
		size_t length;
		uint64_t hash;
	} vectors[] = {
		{0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd},  {7, 0xab0200f58b01d137},
		{8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5},
	};
	struct siphash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};
	uint8_t message[16];

	(void)state;
	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_int_equal(siphash(&key, message, vectors[i].length), vectors[i].hash);
}

static void what_has_passed_is_known_for_a_time(void **state)
{
	struct recent *recent = recent_create();
	const uint64_t hash = 0x123456789abcdef0, now_ns = 77777 * MS;

	(void)state;
	assert_non_null(recent);
	assert_false(recent_has(recent, hash, now_ns, 2000));
	recent_add(recent, hash, now_ns);
	assert_true(recent_has(recent, hash, now_ns, 2000));
	assert_true(recent_has(recent, hash, now_ns + 2000 * MS, 2000));
	assert_false(recent_has(recent, hash, now_ns + 2001 * MS, 2000));
	assert_true(recent_has(recent, hash, now_ns + 2001 * MS, 4000));
	/* Another worker's clock may be a tick behind. */
	assert_true(recent_has(recent, hash, now_ns - 4 * MS, 2000));
	/* The same row, another packet. */
	assert_false(recent_has(recent, hash ^ (uint64_t)1 << 40, now_ns, 2000));
	recent_add(recent, hash, now_ns + 1500 * MS);
	assert_true(recent_has(recent, hash, now_ns + 3000 * MS, 2000));
	recent_free(recent);
}

/* Time has 24 bits there: it begins anew after four and a half hours. */
static void time_may_begin_anew(void **state)
{
	struct recent *recent = recent_create();
	const uint64_t last_ns = ((uint64_t)1 << 24) * MS - MS;

	(void)state;
	recent_add(recent, 42, last_ns);
	assert_true(recent_has(recent, 42, last_ns + 1000 * MS, 2000));
	assert_false(recent_has(recent, 42, last_ns + 3000 * MS, 2000));
	recent_free(recent);
}

/* What has been there for hours gives way to what is new, though time has begun anew since. */
static void what_is_hours_old_is_forgotten_first(void **state)
{
	const uint64_t row = 7, step = (uint64_t)1 << 30, hour_ns = 3600 * 1000 * MS;

	(void)state;
	for (uint64_t hours = 1; hours <= 9; hours++) {
		struct recent *recent = recent_create();
		const uint64_t now_ns = 1000 * MS + hours * hour_ns;

		assert_non_null(recent);
		for (uint64_t i = 0; i < 4; i++)
			recent_add(recent, row + i * step, 1000 * MS);
		for (uint64_t i = 4; i < 8; i++)
			recent_add(recent, row + i * step, now_ns + i * MS);
		for (uint64_t i = 4; i < 8; i++)
			assert_true(recent_has(recent, row + i * step, now_ns + 8 * MS, 2000));
		recent_free(recent);
	}
}

static void the_oldest_is_forgotten_first(void **state)
{
	struct recent *recent = recent_create();
	const uint64_t row = 7, step = (uint64_t)1 << 30;

	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		recent_add(recent, row + i * step, (1000 + i) * MS);
	assert_false(recent_has(recent, row, 1005 * MS, 2000));
	for (uint64_t i = 1; i < 5; i++)
		assert_true(recent_has(recent, row + i * step, 1005 * MS, 2000));
	recent_free(recent);
}

/* 100,000 packets in a second, with random hashes: hardly one is forgotten, none is made up. */
static void a_busy_second_fits(void **state)
{
	struct recent *recent = recent_create();
	static uint64_t hashes[100000];
	unsigned known = 0, made_up = 0;

	(void)state;
	random_bytes((uint8_t *)hashes, sizeof(hashes));
	for (unsigned i = 0; i < 100000; i++)
		recent_add(recent, hashes[i], (5000 + i / 100) * MS);
	for (unsigned i = 0; i < 100000; i++) {
		known += recent_has(recent, hashes[i], 6000 * MS, 2000);
		made_up += recent_has(recent, ~hashes[i], 6000 * MS, 2000);
	}
	assert_in_range(known, 97000, 100000);
	assert_int_equal(made_up, 0);
	recent_free(recent);
}

/* Looks every 50 ms at a destination that gets so many packets a second, for a time. */
struct traffic {
	struct suspicion suspicion;
	uint64_t sent_pkts, now_ms;
};

/* Returns how often there was reason to ask; each time the answer is that it is no loop. */
static unsigned flow(struct traffic *traffic, uint32_t pps, unsigned time_ms)
{
	unsigned asked = 0;

	for (unsigned ms = 0; ms < time_ms; ms += 50) {
		traffic->now_ms += 50;
		traffic->sent_pkts += pps / 20;
		if (traffic->now_ms % 60000 == 0)
			suspicion_age(&traffic->suspicion);
		if (!suspicion_look(&traffic->suspicion, traffic->sent_pkts, 50, traffic->now_ms))
			continue;
		suspicion_clear(&traffic->suspicion, traffic->now_ms);
		asked++;
	}
	return asked;
}

static void a_storm_is_suspicious_after_three_looks(void **state)
{
	struct traffic traffic = {0};

	(void)state;
	assert_int_equal(flow(&traffic, 100, 10000), 0);
	assert_int_equal(flow(&traffic, 20000, 100), 0);
	assert_int_equal(flow(&traffic, 20000, 50), 1);
}

static void slow_traffic_and_bursts_are_not(void **state)
{
	struct traffic traffic = {0};

	(void)state;
	assert_int_equal(flow(&traffic, 480, 3600 * 1000), 0);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(flow(&traffic, 50000, 100), 0);
		assert_int_equal(flow(&traffic, 0, 100), 0);
	}
}

/* From 500 to 400,000 packets a second in an hour, and so for a day: few questions, and ever fewer.
 */
static void a_busy_collector_is_hardly_asked_about(void **state)
{
	struct traffic traffic = {0};
	unsigned growing = 0;

	(void)state;
	for (uint32_t pps = 500; pps < 400000; pps += 111 * (1 + pps / 10000))
		growing += flow(&traffic, pps, 10000);
	assert_in_range(growing, 8, 60);
	flow(&traffic, 400000, 3600 * 1000);
	assert_in_range(flow(&traffic, 400000, 24 * 3600 * 1000), 20, 25);
}

/* A collector that once had much: its storm of today, which is less, is suspicious all the same. */
static void former_traffic_is_forgotten(void **state)
{
	struct traffic traffic = {0};

	(void)state;
	flow(&traffic, 300000, 24 * 3600 * 1000);
	assert_int_equal(flow(&traffic, 1000, 120000), 0);
	assert_int_equal(flow(&traffic, 20000, 150), 1);
}

static void what_was_cleared_is_asked_about_again(void **state)
{
	struct traffic traffic = {0};
	unsigned asked;

	(void)state;
	assert_int_equal(flow(&traffic, 10000, 150), 1);
	assert_int_equal(flow(&traffic, 10000, 1900), 0);
	assert_int_equal(flow(&traffic, 10000, 300), 1);
	assert_int_equal(flow(&traffic, 10000, 7000), 0);
	assert_int_equal(flow(&traffic, 10000, 1500), 1);
	suspicion_renew(&traffic.suspicion);
	asked = flow(&traffic, 10000, 150);
	assert_int_equal(asked, 1);
}

static void a_gap_between_looks_is_no_rate(void **state)
{
	struct suspicion suspicion = {0};

	(void)state;
	suspicion_skip(&suspicion, 1000000);
	for (unsigned i = 1; i < 10; i++)
		assert_false(suspicion_look(&suspicion, 1000000 + i, 50, 1000 + 50 * i));
	/* Counters that have begun anew. */
	assert_false(suspicion_look(&suspicion, 5, 50, 2000));
	assert_false(suspicion_look(&suspicion, 6, 0, 2050));
	assert_false(suspicion_look(&suspicion, 7, 50, 2100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_is_as_published),
		cmocka_unit_test(what_has_passed_is_known_for_a_time),
		cmocka_unit_test(time_may_begin_anew),
		cmocka_unit_test(what_is_hours_old_is_forgotten_first),
		cmocka_unit_test(the_oldest_is_forgotten_first),
		cmocka_unit_test(a_busy_second_fits),
		cmocka_unit_test(a_storm_is_suspicious_after_three_looks),
		cmocka_unit_test(slow_traffic_and_bursts_are_not),
		cmocka_unit_test(a_busy_collector_is_hardly_asked_about),
		cmocka_unit_test(former_traffic_is_forgotten),
		cmocka_unit_test(what_was_cleared_is_asked_about_again),
		cmocka_unit_test(a_gap_between_looks_is_no_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
