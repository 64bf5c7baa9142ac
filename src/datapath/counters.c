/* SPDX-License-Identifier: MIT */
#include "datapath/counters.h"

#include <stdlib.h>
#include <string.h>

/* Two cache lines, since processors fetch lines in pairs: no worker's writes slow another's. */
#define COUNTERS_ALIGNMENT_BYTES 128

/* The structs hold counters and nothing else, so they can be added up as arrays. */
_Static_assert(sizeof(struct counters_total) % sizeof(counter) == 0, "total: only counters");
_Static_assert(sizeof(struct counters_rule) % sizeof(counter) == 0, "rule: only counters");
_Static_assert(sizeof(struct counters_destination) % sizeof(counter) == 0,
	       "destination: only counters");

struct counters *counters_create(size_t rule_count, size_t destination_count)
{
	size_t size = sizeof(struct counters);
	size_t rules_size, destinations_size;
	struct counters *counters;

	if (__builtin_mul_overflow(rule_count, sizeof(*counters->rules), &rules_size) ||
	    __builtin_mul_overflow(destination_count, sizeof(*counters->destinations),
				   &destinations_size) ||
	    __builtin_add_overflow(size, rules_size, &size) ||
	    __builtin_add_overflow(size, destinations_size, &size) ||
	    __builtin_add_overflow(size, COUNTERS_ALIGNMENT_BYTES - 1, &size))
		return NULL;
	size -= size % COUNTERS_ALIGNMENT_BYTES;
	counters = aligned_alloc(COUNTERS_ALIGNMENT_BYTES, size);
	if (!counters)
		return NULL;
	memset(counters, 0, size);
	counters->rule_count = rule_count;
	counters->destination_count = destination_count;
	counters->rules = (struct counters_rule *)(counters + 1);
	counters->destinations = (struct counters_destination *)(counters->rules + rule_count);
	return counters;
}

void counters_free(struct counters *counters)
{
	free(counters);
}

static void add_all(void *into, const void *from, size_t size_bytes)
{
	counter *sum = into;
	const counter *addend = from;

	for (size_t i = 0; i < size_bytes / sizeof(counter); i++)
		counter_add(&sum[i], counter_read(&addend[i]));
}

void counters_add_total(struct counters_total *into, const struct counters_total *from)
{
	add_all(into, from, sizeof(*from));
}

void counters_add_rule(struct counters_rule *into, const struct counters_rule *from)
{
	add_all(into, from, sizeof(*from));
}

void counters_add_destination(struct counters_destination *into,
			      const struct counters_destination *from)
{
	add_all(into, from, sizeof(*from));
}

void counters_accumulate(struct counters *into, const struct counters *from)
{
	counters_add_total(&into->total, &from->total);
	add_all(into->rules, from->rules, from->rule_count * sizeof(*from->rules));
	add_all(into->destinations, from->destinations,
		from->destination_count * sizeof(*from->destinations));
}
