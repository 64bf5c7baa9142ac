/* SPDX-License-Identifier: MIT */
#include "core/selection.h"

#include <stdlib.h>
#include <sys/socket.h>

#define SECOND_NS UINT64_C(1000000000)

enum { NONE = UINT32_MAX };

/*
 * Per rule, the time at which its bucket will be full again: a token bucket that one
 * compare-and-swap serves (the generic cell rate algorithm, ITU-T I.371).
 */
struct selection_limits {
	_Atomic uint64_t *full_at_ns;
};

struct selection {
	const struct ruleset *ruleset;
	struct selection_limits *limits;
	uint64_t *matched;		       /* a set of rules */
	_Atomic uint32_t *rule_samples;	       /* per rule: packets since the last one taken */
	_Atomic uint32_t *turns;	       /* per rule and family: round-robin */
	_Atomic uint32_t *destination_samples; /* per destination */
	_Atomic uint64_t **shared_samples;     /* per rule, then per destination; NULL: its own */
	uint64_t *last_packet_at_place;	       /* per place: number of the last packet sent there */
	uint64_t packet_number;
};

/* What selection_run has at hand while it goes through the rules of one packet. */
struct run {
	struct selection *selection;
	const struct ruleset_key *key;
	const uint8_t *is_up;
	uint64_t now_ns;
	selection_visitor *visit;
	void *context;
};

struct selection_limits *selection_limits_create(const struct ruleset *ruleset)
{
	struct selection_limits *limits = calloc(1, sizeof(*limits));

	if (!limits)
		return NULL;
	limits->full_at_ns = calloc(ruleset->rule_count, sizeof(*limits->full_at_ns));
	if (limits->full_at_ns)
		return limits;
	free(limits);
	return NULL;
}

void selection_limits_free(struct selection_limits *limits)
{
	if (!limits)
		return;
	free((void *)limits->full_at_ns);
	free(limits);
}

struct selection *selection_create(const struct ruleset *ruleset, struct selection_limits *limits)
{
	struct selection *selection = calloc(1, sizeof(*selection));

	if (!selection)
		return NULL;
	selection->ruleset = ruleset;
	selection->limits = limits;
	selection->matched = calloc(ruleset->set_words, sizeof(*selection->matched));
	selection->rule_samples = calloc(ruleset->rule_count, sizeof(*selection->rule_samples));
	selection->turns = calloc(2 * ruleset->rule_count, sizeof(*selection->turns));
	selection->destination_samples =
		calloc(ruleset->destination_count, sizeof(*selection->destination_samples));
	selection->shared_samples = calloc(ruleset->rule_count + ruleset->destination_count,
					   sizeof(*selection->shared_samples));
	selection->last_packet_at_place =
		calloc(ruleset->place_count, sizeof(*selection->last_packet_at_place));
	if (selection->matched && selection->rule_samples && selection->turns &&
	    selection->destination_samples && selection->shared_samples &&
	    selection->last_packet_at_place)
		return selection;
	selection_free(selection);
	return NULL;
}

void selection_free(struct selection *selection)
{
	if (!selection)
		return;
	free(selection->matched);
	free((void *)selection->rule_samples);
	free((void *)selection->turns);
	free((void *)selection->destination_samples);
	free((void *)selection->shared_samples);
	free(selection->last_packet_at_place);
	free(selection);
}

void selection_limits_adopt(struct selection_limits *to, uint32_t to_rule,
			    const struct selection_limits *from, uint32_t from_rule)
{
	atomic_store_explicit(
		&to->full_at_ns[to_rule],
		atomic_load_explicit(&from->full_at_ns[from_rule], memory_order_relaxed),
		memory_order_relaxed);
}

/* Only the worker writes these; selection_adopt_... may read them meanwhile from another thread. */
static uint32_t peek(const _Atomic uint32_t *number)
{
	return atomic_load_explicit(number, memory_order_relaxed);
}

static void put(_Atomic uint32_t *number, uint32_t value)
{
	atomic_store_explicit(number, value, memory_order_relaxed);
}

void selection_adopt_rule(struct selection *to, uint32_t to_rule, const struct selection *from,
			  uint32_t from_rule)
{
	/* A count towards another number would make the first packets wait for nothing. */
	if (to->ruleset->rules[to_rule].config->sample ==
	    from->ruleset->rules[from_rule].config->sample)
		put(&to->rule_samples[to_rule], peek(&from->rule_samples[from_rule]));
	for (uint32_t family = 0; family < 2; family++)
		put(&to->turns[2 * to_rule + family], peek(&from->turns[2 * from_rule + family]));
}

void selection_adopt_destination(struct selection *to, uint32_t to_destination,
				 const struct selection *from, uint32_t from_destination)
{
	if (to->ruleset->destinations[to_destination].config->sample ==
	    from->ruleset->destinations[from_destination].config->sample)
		put(&to->destination_samples[to_destination],
		    peek(&from->destination_samples[from_destination]));
}

void selection_share_rule(struct selection *selection, uint32_t rule, _Atomic uint64_t *count)
{
	selection->shared_samples[rule] = count;
}

void selection_share_destination(struct selection *selection, uint32_t destination,
				 _Atomic uint64_t *count)
{
	selection->shared_samples[selection->ruleset->rule_count + destination] = count;
}

/* Takes the first of every so many. */
static bool sample(_Atomic uint32_t *count, _Atomic uint64_t *shared, uint32_t one_in)
{
	uint32_t seen;

	if (one_in <= 1)
		return true;
	if (shared)
		return atomic_fetch_add_explicit(shared, 1, memory_order_relaxed) % one_in == 0;
	seen = peek(count);
	put(count, seen + 1 >= one_in ? 0 : seen + 1);
	return seen == 0;
}

/* Takes a token: one second's worth fit in the bucket, and it fills evenly. */
static bool take_token(_Atomic uint64_t *full_at_ns, uint32_t rate_pps, uint64_t now_ns)
{
	uint64_t token_ns = SECOND_NS / rate_pps;
	uint64_t full_at = atomic_load_explicit(full_at_ns, memory_order_relaxed);
	uint64_t next;

	do {
		uint64_t from = full_at > now_ns ? full_at : now_ns;

		next = from + (token_ns ? token_ns : 1);
		if (next > now_ns + SECOND_NS)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		full_at_ns, &full_at, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* Mixes all bits of x (the finalizer of MurmurHash3, public domain). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
	x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53u;
	return x ^ (x >> 33);
}

static uint64_t hash_address(const struct ip_address *address)
{
	uint64_t hash = address->family;

	for (size_t i = 0; i < sizeof(address->bytes); i++)
		hash = (hash ^ address->bytes[i]) * 0x100000001b3u;
	return mix(hash);
}

/* The destinations that a balanced rule chooses from: all of the family, or only those up. */
static bool is_candidate(const struct run *run, uint32_t index, bool only_up)
{
	return ruleset_takes_family(&run->selection->ruleset->destinations[index],
				    run->key->source->family) &&
	       (!only_up || run->is_up[index]);
}

static uint32_t choose_failover(const struct run *run, uint32_t first, uint32_t end, bool only_up)
{
	for (uint32_t i = first; i < end; i++)
		if (is_candidate(run, i, only_up))
			return i;
	return NONE;
}

/*
 * Rendezvous hashing: each destination has its own weight for a client, and the highest wins. So a
 * destination that goes takes only its own clients with it, and gets them again when it is back.
 */
static uint32_t choose_hash(const struct run *run, uint32_t first, uint32_t end, bool only_up)
{
	uint64_t client = hash_address(run->key->source), highest = 0;
	uint32_t chosen = NONE;

	for (uint32_t i = first; i < end; i++) {
		uint64_t weight;

		if (!is_candidate(run, i, only_up))
			continue;
		weight = mix(client ^ run->selection->ruleset->destinations[i].hash_seed);
		if (chosen == NONE || weight > highest) {
			highest = weight;
			chosen = i;
		}
	}
	return chosen;
}

static uint32_t choose_round_robin(const struct run *run, uint32_t rule, uint32_t first,
				   uint32_t end, bool only_up)
{
	uint32_t count = end - first;
	bool ipv6 = run->key->source->family == AF_INET6;
	_Atomic uint32_t *turn = &run->selection->turns[2 * rule + ipv6];
	uint32_t whose = peek(turn);

	for (uint32_t step = 0; step < count; step++) {
		uint32_t index = first + (whose + step) % count;

		if (is_candidate(run, index, only_up)) {
			put(turn, (index - first + 1) % count);
			return index;
		}
	}
	return NONE;
}

static uint32_t choose(const struct run *run, uint32_t rule, uint32_t first, uint32_t end,
		       bool only_up)
{
	switch (run->selection->ruleset->rules[rule].config->balance) {
	case BALANCE_ROUND_ROBIN:
		return choose_round_robin(run, rule, first, end, only_up);
	case BALANCE_HASH:
		return choose_hash(run, first, end, only_up);
	default:
		return choose_failover(run, first, end, only_up);
	}
}

/* One copy that a rule wants to send: not where a rule before it has sent one already. */
static void select_copy(const struct run *run, uint32_t index)
{
	struct selection *selection = run->selection;
	const struct ruleset_destination *destination = &selection->ruleset->destinations[index];
	uint32_t place = ruleset_place(destination, run->key->destination_port_be);

	if (selection->last_packet_at_place[place] == selection->packet_number) {
		run->visit(run->context, SELECTION_COPY_SHARED, index);
		return;
	}
	if (!sample(&selection->destination_samples[index],
		    selection->shared_samples[selection->ruleset->rule_count + index],
		    destination->config->sample)) {
		run->visit(run->context, SELECTION_COPY_SAMPLED_OUT, index);
		return;
	}
	if (!run->is_up[index] || destination->target.address.family == AF_UNSPEC)
		run->visit(run->context, SELECTION_COPY_DOWN, index);
	else if (run->visit(run->context, SELECTION_COPY_SEND, index))
		selection->last_packet_at_place[place] = selection->packet_number;
}

static void select_destinations(const struct run *run, uint32_t rule)
{
	const struct ruleset_rule *r = &run->selection->ruleset->rules[rule];
	uint32_t first = r->first_destination;
	uint32_t end = first + (uint32_t)r->config->destination_count;
	uint32_t chosen;

	if (r->config->balance == BALANCE_ALL) {
		for (uint32_t i = first; i < end; i++)
			if (is_candidate(run, i, false))
				select_copy(run, i);
		return;
	}
	chosen = choose(run, rule, first, end, true);
	/* With all of them down the copy is lost, and counted with the one it would have gone to.
	 */
	if (chosen == NONE)
		chosen = choose(run, rule, first, end, false);
	if (chosen != NONE)
		select_copy(run, chosen);
}

static void run_rule(const struct run *run, uint32_t rule)
{
	struct selection *selection = run->selection;
	const struct config_rule *config = selection->ruleset->rules[rule].config;

	if (!sample(&selection->rule_samples[rule], selection->shared_samples[rule],
		    config->sample)) {
		run->visit(run->context, SELECTION_RULE_SAMPLED_OUT, rule);
		return;
	}
	if (config->rate_limit_pps > 0 && !take_token(&selection->limits->full_at_ns[rule],
						      config->rate_limit_pps, run->now_ns)) {
		run->visit(run->context, SELECTION_RULE_RATE_LIMITED, rule);
		return;
	}
	run->visit(run->context, SELECTION_RULE_DUPLICATED, rule);
	select_destinations(run, rule);
}

bool selection_run(struct selection *selection, const struct ruleset_key *key, const uint8_t *is_up,
		   uint64_t now_ns, enum original_mode *original, selection_visitor *visit,
		   void *context)
{
	struct run run = {selection, key, is_up, now_ns, visit, context};

	*original = ORIGINAL_AUTO;
	if (!ruleset_match(selection->ruleset, key, selection->matched))
		return false;
	selection->packet_number++;
	for (size_t w = 0; w < selection->ruleset->set_words; w++)
		for (uint64_t bits = selection->matched[w]; bits != 0; bits &= bits - 1) {
			uint32_t rule = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
			const struct config_rule *config = selection->ruleset->rules[rule].config;

			run_rule(&run, rule);
			/* The enum is in the order of precedence: auto, forward, drop. */
			if (config->original > *original)
				*original = config->original;
		}
	return true;
}
