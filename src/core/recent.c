/* SPDX-License-Identifier: MIT */
#include "core/recent.h"

#include <stdatomic.h>
#include <stdlib.h>

/*
 * A slot has the upper 40 bits of a hash and 24 bits of time in milliseconds; 0 is an empty one.
 * The lower bits of the hash say in which row it is. 2^18 slots bear 130,000 packets a second.
 */
enum {
	ROWS = 1 << 16,
	SLOTS = 4, /* of a row: half a cache line */
	TIME_BITS = 24,
	TIME_MASK = (1 << TIME_BITS) - 1,
};

struct recent {
	_Atomic uint64_t rows[ROWS][SLOTS];
};

struct recent *recent_create(void)
{
	return calloc(1, sizeof(struct recent));
}

void recent_free(struct recent *recent)
{
	free(recent);
}

/* Never 0, so that no entry looks like an empty slot. */
static uint64_t tag_of(uint64_t hash)
{
	return (hash | (uint64_t)1 << 63) >> TIME_BITS;
}

static uint32_t time_of(uint64_t now_ns)
{
	return (uint32_t)(now_ns / 1000000) & TIME_MASK;
}

/* Milliseconds since an entry was added. Below 0 where a worker with a younger burst added it. */
static int32_t age_of(uint64_t entry, uint32_t now_ms)
{
	uint32_t age_ms = (now_ms - (uint32_t)entry) & TIME_MASK;

	return age_ms <= TIME_MASK / 2 ? (int32_t)age_ms : (int32_t)age_ms - (TIME_MASK + 1);
}

/* An entry that is older than half of what the time can count looks like one of the future: which
 * none is by more than a burst or two. */
static int32_t staleness_of(uint64_t entry, uint32_t now_ms)
{
	int32_t age_ms = age_of(entry, now_ms);

	return entry == 0 || age_ms < -RECENT_MAX_MS ? INT32_MAX : age_ms;
}

bool recent_has(const struct recent *recent, uint64_t hash, uint64_t now_ns, uint32_t window_ms)
{
	const int32_t window = (int32_t)window_ms;
	const _Atomic uint64_t *row = recent->rows[hash % ROWS];

	for (unsigned i = 0; i < SLOTS; i++) {
		uint64_t entry = atomic_load_explicit(&row[i], memory_order_relaxed);
		int32_t age_ms = age_of(entry, time_of(now_ns));

		if (entry >> TIME_BITS == tag_of(hash))
			return age_ms >= -window && age_ms <= window;
	}
	return false;
}

void recent_add(struct recent *recent, uint64_t hash, uint64_t now_ns)
{
	_Atomic uint64_t *row = recent->rows[hash % ROWS];
	unsigned chosen = 0;
	int32_t oldest_ms = INT32_MIN;

	for (unsigned i = 0; i < SLOTS; i++) {
		uint64_t entry = atomic_load_explicit(&row[i], memory_order_relaxed);
		int32_t stale_ms = staleness_of(entry, time_of(now_ns));

		if (entry >> TIME_BITS == tag_of(hash)) {
			chosen = i;
			break;
		}
		if (stale_ms > oldest_ms) {
			oldest_ms = stale_ms;
			chosen = i;
		}
	}
	atomic_store_explicit(&row[chosen], tag_of(hash) << TIME_BITS | time_of(now_ns),
			      memory_order_relaxed);
}
