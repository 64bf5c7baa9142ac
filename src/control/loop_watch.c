/* SPDX-License-Identifier: MIT */
#include "control/loop_watch.h"

#include "core/hash_index.h"

#include <stdlib.h>
#include <string.h>

/* A destination by what it is called, whatever its index. */
struct wanted {
	const struct ruleset *ruleset;
	const char *rule, *name;
};

static bool is_wanted(const void *context, uint32_t entry)
{
	const struct wanted *wanted = context;
	const struct ruleset_destination *other = &wanted->ruleset->destinations[entry];

	return strcmp(wanted->rule, wanted->ruleset->rules[other->rule].config->name) == 0 &&
	       strcmp(wanted->name, other->config->name) == 0;
}

/* The place of a destination of one ruleset among those of another, or of the same. */
static uint32_t *find(const struct hash_index *index, const struct ruleset *among,
		      const struct ruleset *ruleset, uint32_t destination)
{
	const struct ruleset_destination *to = &ruleset->destinations[destination];
	struct wanted wanted = {among, ruleset->rules[to->rule].config->name, to->config->name};
	uint64_t hash = hash_bytes(wanted.rule, strlen(wanted.rule)) * 31 +
			hash_bytes(wanted.name, strlen(wanted.name));

	return hash_index_find(index, hash, is_wanted, &wanted);
}

static void take_over(struct loop_watches *watches, uint32_t to, const struct loop_watches *former,
		      uint32_t from)
{
	struct loop_watch *watch = &watches->all[to];

	if (!ip_equal(&watches->ruleset->destinations[to].target.address,
		      &former->ruleset->destinations[from].target.address))
		return;
	*watch = former->all[from];
	watch->is_asked = false;
	watches->in_loop[to] = watch->in_loop;
	watches->loop_count += watch->in_loop;
}

static bool take_over_all(struct loop_watches *watches, const struct loop_watches *former)
{
	struct hash_index index;

	if (!hash_index_init(&index, former->ruleset->destination_count))
		return false;
	for (uint32_t i = 0; i < former->ruleset->destination_count; i++)
		*find(&index, former->ruleset, former->ruleset, i) = i;
	for (uint32_t i = 0; i < watches->ruleset->destination_count; i++) {
		uint32_t from = *find(&index, former->ruleset, watches->ruleset, i);

		if (from != HASH_INDEX_NONE)
			take_over(watches, i, former, from);
	}
	hash_index_free(&index);
	return true;
}

struct loop_watches *loop_watches_create(const struct ruleset *ruleset,
					 const struct loop_watches *former)
{
	struct loop_watches *watches = calloc(1, sizeof(*watches));
	size_t count = ruleset->destination_count;

	if (!watches)
		return NULL;
	watches->ruleset = ruleset;
	watches->all = calloc(count + 1, sizeof(*watches->all));
	watches->states = calloc(ruleset->rule_count + 1, sizeof(*watches->states));
	watches->in_loop = calloc(count + 1, sizeof(*watches->in_loop));
	watches->sent_pkts = calloc(count + 1, sizeof(*watches->sent_pkts));
	if (!watches->all || !watches->states || !watches->in_loop || !watches->sent_pkts ||
	    (former && !take_over_all(watches, former))) {
		loop_watches_free(watches);
		return NULL;
	}
	for (uint32_t rule = 0; rule < ruleset->rule_count; rule++)
		loop_watches_judge(watches, rule);
	return watches;
}

void loop_watches_free(struct loop_watches *watches)
{
	if (!watches)
		return;
	free(watches->all);
	free((void *)watches->states);
	free(watches->in_loop);
	free(watches->sent_pkts);
	free(watches);
}

void loop_watches_judge(struct loop_watches *watches, uint32_t rule)
{
	const struct ruleset_rule *r = &watches->ruleset->rules[rule];
	enum loop_state state = LOOP_NONE;

	for (uint32_t d = 0; d < r->config->destination_count; d++) {
		const struct loop_watch *watch = &watches->all[r->first_destination + d];

		if (watch->in_loop)
			state = LOOP_PROVEN;
		else if (watch->is_asked && state == LOOP_NONE)
			state = LOOP_SUSPECTED;
	}
	atomic_store_explicit(&watches->states[rule], (uint8_t)state, memory_order_relaxed);
}

bool loop_watches_probe(const struct loop_watches *watches, uint32_t destination,
			const struct netview_route *route, struct probe *probe)
{
	enum { TTL = 64 };
	const struct ruleset_destination *to = &watches->ruleset->destinations[destination];
	const struct loop_sample *sample = &watches->all[destination].sample;
	const struct ttl_policy *ttl = &to->config->ttl;

	*probe = (struct probe){
		.source = sample->source,
		.destination = to->target.address,
		.source_port_be = sample->source_port_be,
		.destination_port_be =
			to->target.port_be ? to->target.port_be : sample->destination_port_be,
		.ttl = ttl->mode == TTL_SET ? ttl->value : TTL,
	};
	if (to->config->source == SOURCE_APPLIANCE)
		probe->source = route->source;
	else if (to->config->source == SOURCE_FIXED)
		probe->source = to->target.source;
	return probe->source.family == probe->destination.family;
}
