/* SPDX-License-Identifier: MIT */
/*
 * Which packets have passed in the last seconds, by a hash of each: of fixed size, shared by all
 * workers without a lock. What does not fit is forgotten, the oldest first.
 */
#ifndef TRAFFICDUPLICATOR_CORE_RECENT_H
#define TRAFFICDUPLICATOR_CORE_RECENT_H

#include <stdbool.h>
#include <stdint.h>

/* The longest time that may be asked about. */
#define RECENT_MAX_MS 60000

struct recent;

/* Empty; about 2 MB. NULL when memory runs out. */
struct recent *recent_create(void);
void recent_free(struct recent *recent);

/* Whether the hash was added within window_ms before now_ns, of a monotonic clock. */
bool recent_has(const struct recent *recent, uint64_t hash, uint64_t now_ns, uint32_t window_ms);

/* Adds it, or begins its time anew. Where two workers add at once, one of them may be forgotten. */
void recent_add(struct recent *recent, uint64_t hash, uint64_t now_ns);

#endif
