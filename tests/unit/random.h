/* SPDX-License-Identifier: MIT */
/* Random numbers for tests: the seed is printed, and $SEED sets it. */
#ifndef TESTS_UNIT_RANDOM_H
#define TESTS_UNIT_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t random_state;

/* splitmix64 */
static inline uint64_t random_u64(void)
{
	uint64_t z = (random_state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline uint32_t random_below(uint32_t limit)
{
	return (uint32_t)(random_u64() % limit);
}

static inline void random_bytes(void *out, size_t length)
{
	uint8_t *at = out;

	while (length-- > 0)
		*at++ = (uint8_t)random_u64();
}

static inline void random_begin(void)
{
	const char *seed = getenv("SEED");

	random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	printf("SEED=%llu\n", (unsigned long long)random_state);
}

#endif
