/* SPDX-License-Identifier: MIT */
#include "core/fastpath_tables.h"

#include "core/fastpath_plan.h"
#include "core/fastpath_split.h"
#include "core/fastpath_store.h"
#include "core/hash_index.h"
#include "core/ip_range.h"
#include "core/ruleset_tables.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * Most pieces that clients are cut into, over all classes of ports, before neighbours with the same
 * plan are joined: what the time to build grows with.
 */
#define SLICES_MAX (1u << 19)

/* In place of the number of a class. */
#define NOT_BUILT UINT32_MAX

enum result { DONE, FULL, NO_MEMORY };

struct builder {
	const struct fastpath_inputs *inputs;
	struct fastpath_verdict *verdicts;
	struct fastpath_planner planner;
	struct fastpath_store store;
	struct fastpath_split *split;
	/* Per family and class of the ruleset: what the table of ports has for it, or NOT_BUILT. */
	uint32_t *numbers[FASTPATH_FAMILIES];
	/* Sets of rules. */
	uint64_t *queued[FASTPATH_FAMILIES]; /* cannot be served, whatever other rules do */
	uint64_t *certain;		     /* match by nothing but port and client */
	uint64_t *decided;		     /* have a verdict other than FASTPATH_IN_KERNEL */
	uint64_t *slice;		     /* match the slice at hand */
	size_t slices_left;
};

static uint8_t family_of(size_t f)
{
	return f == 0 ? AF_INET : AF_INET6;
}

static void set_bit(uint64_t *set, uint32_t rule)
{
	set[rule / 64] |= UINT64_C(1) << rule % 64;
}

static void decide(struct builder *builder, uint32_t rule, struct fastpath_verdict verdict)
{
	struct fastpath_verdict *known = &builder->verdicts[rule];

	if (known->reason == FASTPATH_IN_KERNEL || verdict.reason < known->reason)
		*known = verdict;
	set_bit(builder->decided, rule);
}

/* For all rules of a set that have no verdict yet. */
static void decide_rest(struct builder *builder, const uint64_t *set,
			struct fastpath_verdict verdict)
{
	for (size_t w = 0; w < builder->inputs->ruleset->set_words; w++)
		for (uint64_t bits = set[w] & ~builder->decided[w]; bits != 0; bits &= bits - 1)
			decide(builder, (uint32_t)(64 * w) + (uint32_t)__builtin_ctzll(bits),
			       verdict);
}

/* What can be said of each rule alone. */
static void judge_rules(struct builder *builder)
{
	const struct ruleset *ruleset = builder->inputs->ruleset;

	for (uint32_t r = 0; r < ruleset->rule_count; r++) {
		const struct config_rule *config = ruleset->rules[r].config;

		builder->verdicts[r] = (struct fastpath_verdict){.reason = FASTPATH_IN_KERNEL};
		if (!config->enabled) {
			decide(builder, r, (struct fastpath_verdict){.reason = FASTPATH_DISABLED});
			continue;
		}
		if (config->listen_count == 0 && config->interface_count == 0)
			set_bit(builder->certain, r);
		for (size_t f = 0; f < FASTPATH_FAMILIES; f++) {
			struct fastpath_verdict verdict =
				fastpath_plan_judge(builder->inputs, r, family_of(f));

			if (verdict.reason == FASTPATH_IN_KERNEL)
				continue;
			set_bit(builder->queued[f], r);
			decide(builder, r, verdict);
		}
	}
}

/* The rules that match, or may match, clients from this one on. Returns whether there is any. */
static bool find_slice(struct builder *builder, const struct ip_address *client, uint16_t port_be)
{
	const struct ruleset *ruleset = builder->inputs->ruleset;
	/* Of LISTENADDRESS and INTERFACE the sets are not looked at. */
	const struct ruleset_key key = {client, client, port_be, RULESET_NO_INTERFACE,
					RULESET_NO_INTERFACE};
	struct ruleset_sets sets;
	uint64_t any = 0;

	if (!ruleset_tables_find(ruleset->tables, &key, &sets))
		return false;
	for (size_t w = 0; w < ruleset->set_words; w++)
		any |= builder->slice[w] = sets.port[w] & sets.source[w];
	return any != 0;
}

/* The first rule of the slice that is in another set too, or rule_count. */
static uint32_t find_common(const struct builder *builder, const uint64_t *set)
{
	const struct ruleset *ruleset = builder->inputs->ruleset;

	for (size_t w = 0; w < ruleset->set_words; w++)
		if (builder->slice[w] & set[w])
			return (uint32_t)(64 * w) +
			       (uint32_t)__builtin_ctzll(builder->slice[w] & set[w]);
	return (uint32_t)ruleset->rule_count;
}

/* Of the plan that was made last, as fastpath_store_add_plan. */
static uint32_t store_plan(struct builder *builder, size_t f)
{
	const struct fastpath_planner *planner = &builder->planner;
	size_t bytes = builder->inputs->ruleset->set_words * sizeof(*builder->slice);

	/* What "auto" means of a packet depends on whether it is for this machine. */
	if (planner->plan.original == ORIGINAL_AUTO && builder->store.own_missing[f])
		return FASTPATH_NO_PLAN;
	/* Plans of the same rules differ by family and, where ports are split, by port at most. */
	return fastpath_store_add_plan(&builder->store, &planner->plan, planner->steps,
				       hash_bytes(builder->slice, bytes));
}

/* What keeps a slice of which each rule alone could be served in the queue. */
static uint32_t queue_slice(struct builder *builder, struct fastpath_verdict why)
{
	decide_rest(builder, builder->slice, why);
	return FASTPATH_PLAN_QUEUE_CERTAIN;
}

/* The plan for clients from this one on, or FASTPATH_NO_PLAN where they match no rule. */
static uint32_t plan_slice(struct builder *builder, size_t f, const struct ip_address *client,
			   uint16_t port_be)
{
	const uint32_t rule_count = (uint32_t)builder->inputs->ruleset->rule_count;
	struct fastpath_planner *planner = &builder->planner;
	struct fastpath_verdict other = {.reason = FASTPATH_SAME_PACKETS};
	uint32_t plan;

	if (!find_slice(builder, client, port_be))
		return FASTPATH_NO_PLAN;
	other.rule = find_common(builder, builder->queued[f]);
	if (other.rule < rule_count) {
		decide_rest(builder, builder->slice, other);
		return find_common(builder, builder->certain) < rule_count
			       ? FASTPATH_PLAN_QUEUE_CERTAIN
			       : FASTPATH_PLAN_QUEUE;
	}
	if (!fastpath_planner_make(planner, builder->slice, family_of(f), port_be)) {
		if (planner->why.reason != FASTPATH_SAME_PLACE)
			return queue_slice(builder, planner->why);
		decide(builder, planner->culprit, planner->why);
		other.rule = planner->culprit;
		return queue_slice(builder, other);
	}
	plan = store_plan(builder, f);
	if (plan == FASTPATH_NO_PLAN)
		return queue_slice(builder,
				   (struct fastpath_verdict){.reason = FASTPATH_TABLES_FULL});
	return plan;
}

/* Cuts the clients of one class of ports. */
static enum result add_slices(struct builder *builder, size_t f, const uint64_t *rules,
			      uint16_t port_be, size_t first)
{
	struct ip_range range = ip_range_any(family_of(f));
	const struct ip_address highest = range.last;
	enum result result = DONE;
	size_t count;
	struct ip_address *starts =
		ruleset_tables_client_starts(builder->inputs->ruleset, rules, family_of(f), &count);

	if (!starts)
		return NO_MEMORY;
	for (size_t i = 0; i < count && result == DONE; i++) {
		uint32_t plan = plan_slice(builder, f, &starts[i], port_be);
		bool room = true;

		range.first = starts[i];
		range.last = i + 1 < count ? ip_before(&starts[i + 1]) : highest;
		if (plan != FASTPATH_NO_PLAN)
			room = fastpath_store_add_range(&builder->store, f, &range, plan, first);
		result = room ? DONE : FULL;
	}
	free(starts);
	return result;
}

/* Whether the budget of slices is enough for what these rules cut clients into; takes them off. */
static bool take_slices(struct builder *builder, const uint64_t *rules)
{
	const struct ruleset *ruleset = builder->inputs->ruleset;
	size_t slices = 1;

	for (size_t r = ruleset_next(ruleset, rules, 0); r < ruleset->rule_count;
	     r = ruleset_next(ruleset, rules, r + 1))
		slices += 2 * ruleset->rules[r].config->source_count;
	if (slices > builder->slices_left)
		return false;
	builder->slices_left -= slices;
	return true;
}

/* What ports has for one to which these rules listen. Returns false when memory runs out. */
static bool build_class(struct builder *builder, size_t f, const uint64_t *rules, uint16_t port_be,
			uint32_t *number)
{
	struct fastpath_store *store = &builder->store;
	size_t *count = fastpath_store_range_count(store, f), first = *count;
	enum result result = FULL;

	if (fastpath_store_has_room_for_class(store) && take_slices(builder, rules))
		result = add_slices(builder, f, rules, port_be, first);
	if (result == NO_MEMORY)
		return false;
	if (result == FULL) {
		*count = first;
		decide_rest(builder, rules,
			    (struct fastpath_verdict){.reason = FASTPATH_TABLES_FULL});
		*number = fastpath_store_queue_class(store, f);
	} else {
		*number = *count > first ? fastpath_store_add_class(store, f, first) : 0;
	}
	return true;
}

static bool fill_ports(struct builder *builder, size_t f)
{
	const struct ruleset_tables *rules = builder->inputs->ruleset->tables;

	for (unsigned port = 1; port < FASTPATH_PORTS; port++) {
		uint32_t class = ruleset_tables_class(rules, family_of(f), port);
		uint32_t own = NOT_BUILT, *number;

		if (class == 0)
			continue;
		number = builder->split->ports[f][port] ? &own : &builder->numbers[f][class - 1];
		if (*number == NOT_BUILT &&
		    !build_class(builder, f, ruleset_tables_class_set(rules, class),
				 htons((uint16_t)port), number))
			return false;
		builder->store.tables->ports[f][port] = *number;
	}
	return true;
}

static bool open_builder(struct builder *builder, const struct fastpath_inputs *inputs,
			 struct fastpath_verdict *verdicts)
{
	const struct ruleset *ruleset = inputs->ruleset;
	size_t classes = ruleset_tables_class_count(ruleset->tables);
	size_t words = ruleset->set_words;
	bool open;

	*builder = (struct builder){
		.inputs = inputs,
		.verdicts = verdicts,
		.split = fastpath_split_create(ruleset),
		.certain = calloc(words, sizeof(uint64_t)),
		.decided = calloc(words, sizeof(uint64_t)),
		.slice = calloc(words, sizeof(uint64_t)),
		.slices_left = SLICES_MAX,
	};
	open = fastpath_planner_open(&builder->planner, inputs);
	open = fastpath_store_open(&builder->store, &inputs->limits) && open;
	open = open && builder->split && builder->certain && builder->decided && builder->slice;
	for (size_t f = 0; f < FASTPATH_FAMILIES; f++) {
		builder->queued[f] = calloc(words, sizeof(uint64_t));
		builder->numbers[f] = calloc(classes + 1, sizeof(uint32_t));
		open = open && builder->queued[f] && builder->numbers[f];
		for (size_t c = 0; open && c < classes; c++)
			builder->numbers[f][c] = NOT_BUILT;
	}
	return open;
}

/* Returns what was built, finished or not. */
static struct fastpath_tables *close_builder(struct builder *builder)
{
	for (size_t f = 0; f < FASTPATH_FAMILIES; f++) {
		free(builder->queued[f]);
		free(builder->numbers[f]);
	}
	free(builder->split);
	free(builder->certain);
	free(builder->decided);
	free(builder->slice);
	fastpath_planner_close(&builder->planner);
	return fastpath_store_close(&builder->store);
}

struct fastpath_tables *fastpath_tables_build(const struct fastpath_inputs *inputs,
					      struct fastpath_verdict *verdicts)
{
	struct builder builder;
	struct fastpath_tables *tables;
	bool done = open_builder(&builder, inputs, verdicts);

	if (done && inputs->netview)
		fastpath_store_add_own(&builder.store, inputs->netview);
	if (done)
		judge_rules(&builder);
	for (size_t f = 0; done && f < FASTPATH_FAMILIES; f++)
		done = fill_ports(&builder, f);
	tables = close_builder(&builder);
	if (done)
		return tables;
	fastpath_tables_free(tables);
	return NULL;
}

void fastpath_tables_serve_nothing(struct fastpath_tables *tables)
{
	for (size_t i = 0; i < tables->plan_count; i++)
		if (tables->plans[i].action == FASTPATH_SERVE)
			tables->plans[i].action = FASTPATH_QUEUE_CERTAIN;
}

void fastpath_tables_free(struct fastpath_tables *tables)
{
	if (!tables)
		return;
	free(tables->classes);
	free(tables->ranges4);
	free(tables->ranges6);
	free(tables->plans);
	free(tables->steps);
	free(tables->own4);
	free(tables->own6);
	free(tables);
}
