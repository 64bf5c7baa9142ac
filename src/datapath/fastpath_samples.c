/* SPDX-License-Identifier: MIT */
#include "datapath/fastpath_samples.h"

#include "core/hash_index.h"

#include <stdlib.h>

/* What is at hand while counts are dealt out. */
struct dealer {
	const struct fastpath_map *counts;
	bool *taken;
	uint32_t next;
};

static void mark_taken(struct dealer *dealer, const uint32_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (numbers[i] != FASTPATH_NO_SAMPLE)
			dealer->taken[numbers[i]] = true;
}

/* A count of its own, at 0. */
static uint32_t deal(struct dealer *dealer)
{
	for (; dealer->next < dealer->counts->room; dealer->next++)
		if (!dealer->taken[dealer->next]) {
			*(uint64_t *)fastpath_map_entry(dealer->counts, 0, dealer->next) = 0;
			return dealer->next++;
		}
	return FASTPATH_NO_SAMPLE;
}

static void deal_rules(struct dealer *dealer, struct fastpath_samples *samples,
		       const struct kinship *kinship, const struct fastpath_samples *former)
{
	for (uint32_t i = 0; i < samples->ruleset->rule_count; i++) {
		uint32_t one_in = samples->ruleset->rules[i].config->sample;
		uint32_t kin = !former ? HASH_INDEX_NONE : kinship ? kinship->rules[i] : i;

		samples->rules[i] = FASTPATH_NO_SAMPLE;
		if (one_in <= 1)
			continue;
		if (kin != HASH_INDEX_NONE && former->ruleset->rules[kin].config->sample == one_in)
			samples->rules[i] = former->rules[kin];
		else
			samples->rules[i] = deal(dealer);
	}
}

static void deal_destinations(struct dealer *dealer, struct fastpath_samples *samples,
			      const struct kinship *kinship, const struct fastpath_samples *former)
{
	for (uint32_t i = 0; i < samples->ruleset->destination_count; i++) {
		uint32_t one_in = samples->ruleset->destinations[i].config->sample;
		uint32_t kin = !former ? HASH_INDEX_NONE : kinship ? kinship->destinations[i] : i;

		samples->destinations[i] = FASTPATH_NO_SAMPLE;
		if (one_in <= 1)
			continue;
		if (kin != HASH_INDEX_NONE &&
		    former->ruleset->destinations[kin].config->sample == one_in)
			samples->destinations[i] = former->destinations[kin];
		else
			samples->destinations[i] = deal(dealer);
	}
}

struct fastpath_samples *fastpath_samples_create(const struct fastpath_map *counts,
						 const struct ruleset *ruleset,
						 const struct kinship *kinship,
						 const struct fastpath_samples *former)
{
	struct dealer dealer = {.counts = counts,
				.taken = calloc(counts->room, sizeof(*dealer.taken))};
	struct fastpath_samples *samples = calloc(1, sizeof(*samples));

	if (!samples || !dealer.taken)
		goto fail;
	samples->ruleset = ruleset;
	samples->rules = malloc(ruleset->rule_count * sizeof(*samples->rules));
	samples->destinations = malloc(ruleset->destination_count * sizeof(*samples->destinations));
	if (!samples->rules || !samples->destinations)
		goto fail;
	if (former) {
		mark_taken(&dealer, former->rules, former->ruleset->rule_count);
		mark_taken(&dealer, former->destinations, former->ruleset->destination_count);
	}
	deal_rules(&dealer, samples, kinship, former);
	deal_destinations(&dealer, samples, kinship, former);
	free(dealer.taken);
	return samples;
fail:
	free(dealer.taken);
	fastpath_samples_free(samples);
	return NULL;
}

void fastpath_samples_free(struct fastpath_samples *samples)
{
	if (!samples)
		return;
	free(samples->rules);
	free(samples->destinations);
	free(samples);
}
