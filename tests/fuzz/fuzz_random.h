/* SPDX-License-Identifier: MIT */
/*
 * The bytes of an input in place of random numbers: what tests/unit draws at random, the fuzzer
 * then chooses. Include before anything of tests/unit, in place of its random.h.
 */
#ifndef TESTS_FUZZ_FUZZ_RANDOM_H
#define TESTS_FUZZ_FUZZ_RANDOM_H

/* So that random.h is not read. */
#define TESTS_UNIT_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t *random_data;
static size_t random_left;
static uint64_t random_state;

/* Behind the input's end the numbers depend on its last bytes. */
static inline uint8_t random_byte(void)
{
	if (random_left > 0) {
		random_left--;
		random_state = random_state * 31 + *random_data;
		return *random_data++;
	}
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint8_t)(random_state >> 56);
}

static inline uint64_t random_u64(void)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | random_byte();
	return value;
}

static inline uint32_t random_below(uint32_t limit)
{
	uint32_t value = random_byte();

	for (uint32_t reach = 256; reach < limit && reach < 1u << 24; reach <<= 8)
		value = value << 8 | random_byte();
	return value % limit;
}

static inline void random_bytes(void *out, size_t length)
{
	uint8_t *at = out;

	while (length-- > 0)
		*at++ = random_byte();
}

static inline void random_from(const uint8_t *data, size_t size)
{
	random_data = data;
	random_left = size;
	random_state = size;
}

#endif
