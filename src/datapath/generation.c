/* SPDX-License-Identifier: MIT */
#include "datapath/generation.h"

#include "core/hash_index.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = HASH_INDEX_NONE };

struct generation_memory {
	unsigned users; /* generations; of the control thread only */
	struct selection_limits *limits;
	struct selection *selections[CONFIG_WORKERS_MAX];
};

static void memory_release(struct generation_memory *memory)
{
	if (!memory || --memory->users > 0)
		return;
	for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
		selection_free(memory->selections[i]);
	selection_limits_free(memory->limits);
	free(memory);
}

/* The index of the former ruleset's rule of this name, or NONE. */
struct wanted_rule {
	const struct ruleset *ruleset;
	const char *name;
};

static bool is_rule(const void *context, uint32_t entry)
{
	const struct wanted_rule *wanted = context;

	return strcmp(wanted->ruleset->rules[entry].config->name, wanted->name) == 0;
}

static uint32_t *find_rule(const struct hash_index *index, const struct ruleset *ruleset,
			   const char *name)
{
	struct wanted_rule wanted = {ruleset, name};

	return hash_index_find(index, hash_bytes(name, strlen(name)), is_rule, &wanted);
}

/* Where the destination of this name stands in a rule of the former ruleset, or NONE. */
static uint32_t find_destination(const struct ruleset *former, uint32_t rule, const char *name)
{
	const struct ruleset_rule *r = &former->rules[rule];

	for (uint32_t d = 0; d < r->config->destination_count; d++)
		if (strcmp(r->config->destinations[d].name, name) == 0)
			return r->first_destination + d;
	return NONE;
}

/* Fills the kinship of generation->kinship.ruleset with a former one, both arrays being there. */
static bool find_kin(struct kinship *kinship, const struct ruleset *former)
{
	struct hash_index index;

	if (!hash_index_init(&index, former->rule_count))
		return false;
	for (uint32_t o = 0; o < former->rule_count; o++)
		*find_rule(&index, former, former->rules[o].config->name) = o;
	for (size_t n = 0; n < kinship->ruleset->rule_count; n++)
		kinship->rules[n] =
			*find_rule(&index, former, kinship->ruleset->rules[n].config->name);
	for (size_t n = 0; n < kinship->ruleset->destination_count; n++) {
		const struct ruleset_destination *to = &kinship->ruleset->destinations[n];
		uint32_t rule = kinship->rules[to->rule];

		kinship->destinations[n] =
			rule == NONE ? NONE : find_destination(former, rule, to->config->name);
	}
	hash_index_free(&index);
	return true;
}

static bool kinship_create(struct kinship *kinship, const struct ruleset *ruleset,
			   const struct ruleset *former)
{
	kinship->ruleset = ruleset;
	kinship->rules = malloc(ruleset->rule_count * sizeof(*kinship->rules));
	kinship->destinations = malloc(ruleset->destination_count * sizeof(*kinship->destinations));
	return kinship->rules && kinship->destinations && find_kin(kinship, former);
}

static void adopt_memory(struct generation_memory *to, const struct generation_memory *from,
			 const struct kinship *kinship)
{
	for (uint32_t n = 0; n < kinship->ruleset->rule_count; n++) {
		if (kinship->rules[n] == NONE)
			continue;
		selection_limits_adopt(to->limits, n, from->limits, kinship->rules[n]);
		for (unsigned i = 0; i < CONFIG_WORKERS_MAX && to->selections[i]; i++)
			selection_adopt_rule(to->selections[i], n, from->selections[i],
					     kinship->rules[n]);
	}
	for (uint32_t n = 0; n < kinship->ruleset->destination_count; n++)
		for (unsigned i = 0; i < CONFIG_WORKERS_MAX && to->selections[i]; i++)
			if (kinship->destinations[n] != NONE)
				selection_adopt_destination(to->selections[i], n,
							    from->selections[i],
							    kinship->destinations[n]);
}

static struct generation_memory *memory_create(const struct ruleset *ruleset, unsigned worker_count)
{
	struct generation_memory *memory = calloc(1, sizeof(*memory));

	if (!memory)
		return NULL;
	memory->users = 1;
	memory->limits = selection_limits_create(ruleset);
	if (!memory->limits)
		goto fail;
	for (unsigned i = 0; i < worker_count; i++) {
		memory->selections[i] = selection_create(ruleset, memory->limits);
		if (!memory->selections[i])
			goto fail;
	}
	return memory;
fail:
	memory_release(memory);
	return NULL;
}

void generation_free(struct generation *generation)
{
	if (!generation)
		return;
	for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
		counters_free(generation->orders[i].counters);
	counters_free(generation->former);
	memory_release(generation->memory);
	free(generation->kinship.rules);
	free(generation->kinship.destinations);
	free(generation);
}

struct generation *generation_create(const struct generation_basis *basis, unsigned worker_count,
				     const struct generation *former)
{
	const struct ruleset *ruleset = basis->ruleset;
	struct generation *generation = calloc(1, sizeof(*generation));

	if (!generation)
		return NULL;
	if (former && former->orders[0].ruleset == ruleset) {
		generation->memory = former->memory;
		generation->memory->users++;
	} else {
		generation->memory = memory_create(ruleset, worker_count);
		if (former &&
		    !kinship_create(&generation->kinship, ruleset, former->orders[0].ruleset))
			goto fail;
		if (former && generation->memory)
			adopt_memory(generation->memory, former->memory, &generation->kinship);
	}
	generation->former = counters_create(ruleset->rule_count, ruleset->destination_count);
	if (!generation->former || !generation->memory)
		goto fail;
	for (unsigned i = 0; i < worker_count; i++) {
		generation->orders[i] = (struct serve_orders){
			.ruleset = ruleset,
			.netview = basis->netview,
			.is_up = basis->is_up,
			.send_link = basis->send_link,
			.loops = basis->loops,
			.selection = generation->memory->selections[i],
			.counters =
				counters_create(ruleset->rule_count, ruleset->destination_count),
		};
		if (!generation->orders[i].counters)
			goto fail;
	}
	return generation;
fail:
	generation_free(generation);
	return NULL;
}

static void carry_counters(struct counters *to, const struct counters *from,
			   const struct kinship *kinship)
{
	counters_add_total(&to->total, &from->total);
	for (size_t n = 0; n < kinship->ruleset->rule_count; n++)
		if (kinship->rules[n] != NONE)
			counters_add_rule(&to->rules[n], &from->rules[kinship->rules[n]]);
	for (size_t n = 0; n < kinship->ruleset->destination_count; n++)
		if (kinship->destinations[n] != NONE)
			counters_add_destination(&to->destinations[n],
						 &from->destinations[kinship->destinations[n]]);
}

void generation_take_over(struct generation *generation, const struct generation *former)
{
	const struct ruleset *new = generation->orders[0].ruleset;
	const struct ruleset *old = former->orders[0].ruleset;
	struct counters *sum = counters_create(old->rule_count, old->destination_count);

	if (!sum)
		return; /* where memory is short counters start again from zero */
	counters_accumulate(sum, former->former);
	for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
		if (former->orders[i].counters)
			counters_accumulate(sum, former->orders[i].counters);
	if (new == old) {
		counters_accumulate(generation->former, sum);
	} else {
		carry_counters(generation->former, sum, &generation->kinship);
	}
	counters_free(sum);
}
