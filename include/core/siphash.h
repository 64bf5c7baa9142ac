/* SPDX-License-Identifier: MIT */
/* SipHash-2-4 (Aumasson and Bernstein, 2012): a short hash that nobody can aim at without its key.
 */
#ifndef TRAFFICDUPLICATOR_CORE_SIPHASH_H
#define TRAFFICDUPLICATOR_CORE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t words[2]; /* secret and random */
};

/* The hash of length bytes; bytes may be NULL where that is 0. */
uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t length);

#endif
