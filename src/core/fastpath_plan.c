/* SPDX-License-Identifier: MIT */
#include "core/fastpath_plan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A rule that sends to a place. */
struct fastpath_claim {
	uint64_t plan_number; /* in this plan; in any other nobody does */
	uint32_t rule;
	bool partly; /* not all packets that the rule takes: a destination's SAMPLE, BALANCE hash */
};

/* The destinations of a rule that one packet's copies may go to. */
struct choice {
	uint32_t indices[CONFIG_DESTINATIONS_MAX];
	size_t count;
	bool one; /* of them only, by a hash */
};

static bool is_up(const struct fastpath_inputs *inputs, uint32_t index)
{
	return !inputs->is_up || inputs->is_up[index];
}

/* Whether a copy that is due is sent, or else dropped since its destination is down. */
static bool is_sent(const struct fastpath_inputs *inputs, uint32_t index)
{
	return is_up(inputs, index) &&
	       inputs->ruleset->destinations[index].target.address.family != AF_UNSPEC;
}

static void choose(struct choice *choice, const struct fastpath_inputs *inputs, uint32_t rule,
		   uint8_t family, bool only_up)
{
	const struct ruleset_rule *r = &inputs->ruleset->rules[rule];

	choice->count = 0;
	for (uint32_t d = 0; d < r->config->destination_count; d++) {
		uint32_t index = r->first_destination + d;

		if (ruleset_takes_family(&inputs->ruleset->destinations[index], family) &&
		    (!only_up || is_up(inputs, index)))
			choice->indices[choice->count++] = index;
	}
}

/* As selection.c's select_destinations; which is the first that is up is known beforehand. */
static void choose_destinations(struct choice *choice, const struct fastpath_inputs *inputs,
				uint32_t rule, uint8_t family)
{
	enum balance_mode balance = inputs->ruleset->rules[rule].config->balance;

	choose(choice, inputs, rule, family, balance != BALANCE_ALL);
	if (choice->count == 0)
		choose(choice, inputs, rule, family, false);
	if (balance == BALANCE_FAILOVER && choice->count > 1)
		choice->count = 1;
	choice->one = balance == BALANCE_HASH && choice->count > 1;
}

static enum fastpath_reason judge_features(const struct config_rule *config)
{
	if (config->listen_count > 0)
		return FASTPATH_LISTENADDRESS;
	if (config->interface_count > 0)
		return FASTPATH_INTERFACE;
	if (config->rate_limit_pps > 0)
		return FASTPATH_RATELIMIT;
	if (config->balance == BALANCE_ROUND_ROBIN)
		return FASTPATH_ROUND_ROBIN;
	return FASTPATH_IN_KERNEL;
}

static enum fastpath_reason judge_route(const struct netview_route *route)
{
	const struct sockaddr_ll *link = &route->link;

	if (route->source.family == AF_UNSPEC)
		return FASTPATH_NO_ROUTE;
	if (route->no_carrier)
		return FASTPATH_NO_CARRIER;
	if (link->sll_ifindex == 0 || route->mtu_bytes == NETVIEW_MTU_UNKNOWN)
		return FASTPATH_NO_NEIGHBOUR;
	if (link->sll_halen != sizeof(route->link_source))
		return FASTPATH_NO_ETHERNET;
	return FASTPATH_IN_KERNEL;
}

/* Where SAMPLE's count of a rule or destination is kept. */
static uint32_t sample_index(const uint32_t *samples, uint32_t index, uint32_t one_in)
{
	return samples && one_in > 1 ? samples[index] : 0;
}

static bool has_count(const struct fastpath_inputs *inputs, const uint32_t *samples, uint32_t index,
		      uint32_t one_in)
{
	return one_in <= 1 || sample_index(samples, index, one_in) < inputs->limits.samples;
}

static enum fastpath_reason judge_destination(const struct fastpath_inputs *inputs, uint32_t index)
{
	const struct ruleset_destination *destination = &inputs->ruleset->destinations[index];
	uint32_t one_in = destination->config->sample;

	if (!has_count(inputs, inputs->destination_samples, index, one_in))
		return FASTPATH_TABLES_FULL;
	if (!inputs->netview || !is_sent(inputs, index))
		return FASTPATH_IN_KERNEL;
	return judge_route(&inputs->netview->routes[destination->route]);
}

/* Whether it is up or not, so that a rule does not come and go with the health of its collectors.
 */
static bool find_source(const struct fastpath_inputs *inputs, uint32_t rule, uint8_t family,
			uint32_t *found)
{
	struct choice all;

	choose(&all, inputs, rule, family, false);
	for (size_t i = 0; i < all.count; i++) {
		*found = all.indices[i];
		if (inputs->ruleset->destinations[*found].config->source != SOURCE_CLIENT)
			return true;
	}
	return false;
}

/* Whatever the family: it is the rule's packets that workers have to know again. */
static bool find_loop(const struct fastpath_inputs *inputs, uint32_t rule, uint32_t *found)
{
	const struct ruleset_rule *r = &inputs->ruleset->rules[rule];

	for (uint32_t d = 0; inputs->in_loop && d < r->config->destination_count; d++) {
		*found = r->first_destination + d;
		if (inputs->in_loop[*found])
			return true;
	}
	return false;
}

struct fastpath_verdict fastpath_plan_judge(const struct fastpath_inputs *inputs, uint32_t rule,
					    uint8_t family)
{
	const struct config_rule *config = inputs->ruleset->rules[rule].config;
	struct fastpath_verdict verdict = {.reason = judge_features(config)};
	struct choice choice;

	if (verdict.reason != FASTPATH_IN_KERNEL)
		return verdict;
	if (find_loop(inputs, rule, &verdict.destination)) {
		verdict.reason = FASTPATH_LOOP;
		return verdict;
	}
	if (find_source(inputs, rule, family, &verdict.destination)) {
		verdict.reason = FASTPATH_SOURCE;
		return verdict;
	}
	if (!has_count(inputs, inputs->rule_samples, rule, config->sample))
		return (struct fastpath_verdict){.reason = FASTPATH_TABLES_FULL};
	choose_destinations(&choice, inputs, rule, family);
	for (size_t i = 0; i < choice.count; i++) {
		verdict.destination = choice.indices[i];
		verdict.reason = judge_destination(inputs, verdict.destination);
		if (verdict.reason != FASTPATH_IN_KERNEL)
			return verdict;
	}
	return (struct fastpath_verdict){.reason = FASTPATH_IN_KERNEL};
}

bool fastpath_planner_open(struct fastpath_planner *planner, const struct fastpath_inputs *inputs)
{
	*planner = (struct fastpath_planner){.inputs = inputs};
	planner->claims = calloc(inputs->ruleset->place_count, sizeof(*planner->claims));
	return planner->claims != NULL;
}

void fastpath_planner_close(struct fastpath_planner *planner)
{
	free(planner->claims);
}

static bool fail(struct fastpath_planner *planner, enum fastpath_reason reason, uint32_t culprit)
{
	planner->why = (struct fastpath_verdict){.reason = reason};
	planner->culprit = culprit;
	return false;
}

/* A new step of all zeros, or NULL where the plan has no room for one more. */
static struct fastpath_step *add_step(struct fastpath_planner *planner,
				      enum fastpath_step_kind kind, uint32_t index)
{
	struct fastpath_step *step;

	if (planner->plan.step_count == FASTPATH_STEPS_MAX)
		return NULL;
	step = &planner->steps[planner->plan.step_count++];
	memset(step, 0, sizeof(*step));
	step->kind = (__u8)kind;
	step->index = index;
	step->one_in = 1;
	return step;
}

/* What SEND has beyond DOWN, and what it asks of the packets that the plan serves. */
static void fill_send(struct fastpath_planner *planner, struct fastpath_step *step,
		      const struct ruleset_destination *destination)
{
	const struct netview *netview = planner->inputs->netview;
	const struct ttl_policy *ttl = &destination->config->ttl;

	step->ttl_mode = (__u8)ttl->mode;
	step->ttl = ttl->value;
	step->port_be = destination->target.port_be;
	memcpy(step->address, destination->target.address.bytes, sizeof(step->address));
	if (ttl->mode == TTL_DECREMENT)
		planner->plan.ttl_min = 2;
	if (netview) {
		const struct netview_route *route = &netview->routes[destination->route];
		const size_t bytes = sizeof(route->link_source);

		step->device = (uint32_t)route->link.sll_ifindex;
		memcpy(step->link, route->link.sll_addr, bytes);
		memcpy(step->link + bytes, route->link_source, bytes);
		if (route->mtu_bytes < planner->plan.mtu_bytes)
			planner->plan.mtu_bytes = route->mtu_bytes;
	}
}

static bool add_copy(struct fastpath_planner *planner, uint32_t index, bool hashed)
{
	const struct fastpath_inputs *inputs = planner->inputs;
	const struct ruleset_destination *destination = &inputs->ruleset->destinations[index];
	bool sent = is_sent(inputs, index);
	struct fastpath_step *step =
		add_step(planner, sent ? FASTPATH_STEP_SEND : FASTPATH_STEP_DOWN, index);

	/* Of those that a hash chooses from, one is sent. */
	if (sent && !hashed)
		planner->copies++;
	if (!step || planner->copies > FASTPATH_COPIES_MAX)
		return fail(planner, FASTPATH_TOO_MANY_COPIES, destination->rule);
	step->one_in = destination->config->sample;
	step->sample = sample_index(inputs->destination_samples, index, step->one_in);
	if (hashed)
		step->hash_seed = destination->hash_seed;
	if (sent)
		fill_send(planner, step, destination);
	return true;
}

/* The claim to the place of a destination. */
static struct fastpath_claim *claim_of(struct fastpath_planner *planner, uint32_t index,
				       uint16_t port_be)
{
	return &planner->claims[ruleset_place(&planner->inputs->ruleset->destinations[index],
					      port_be)];
}

/* Whether a rule sends there in the plan that is being made. */
static bool is_taken(const struct fastpath_planner *planner, const struct fastpath_claim *claim)
{
	return claim->plan_number == planner->plan_number;
}

/* The place is this rule's from now on, if it sends there. */
static void take_place(struct fastpath_planner *planner, struct fastpath_claim *claim,
		       uint32_t index, bool hashed)
{
	const struct ruleset_destination *destination =
		&planner->inputs->ruleset->destinations[index];

	if (is_sent(planner->inputs, index))
		*claim = (struct fastpath_claim){planner->plan_number, destination->rule,
						 hashed || destination->config->sample > 1};
}

static bool fail_same_place(struct fastpath_planner *planner, uint32_t index, uint32_t other)
{
	fail(planner, FASTPATH_SAME_PLACE, planner->inputs->ruleset->destinations[index].rule);
	planner->why.destination = index;
	planner->why.rule = other;
	return false;
}

/* A copy that is due whenever the rule is, unless the place has one by then. */
static bool add_sole_copy(struct fastpath_planner *planner, uint32_t rule, uint32_t index,
			  uint16_t port_be)
{
	struct fastpath_claim *claim = claim_of(planner, index, port_be);

	if (!is_taken(planner, claim)) {
		take_place(planner, claim, index, false);
		return add_copy(planner, index, false);
	}
	/* Packets that SAMPLE keeps from a rule it keeps from all of its destinations. */
	if (claim->partly || (claim->rule != rule &&
			      planner->inputs->ruleset->rules[claim->rule].config->sample > 1))
		return fail_same_place(planner, index, claim->rule);
	return true;
}

/* Of several, the one with the highest weight. Where another rule may send to the place of one of
 * them, build time cannot tell what becomes of the packet. */
static bool add_hashed_copies(struct fastpath_planner *planner, uint32_t rule,
			      const struct choice *choice, uint16_t port_be)
{
	struct fastpath_step *step = add_step(planner, FASTPATH_STEP_HASH, 0);

	if (!step)
		return fail(planner, FASTPATH_TOO_MANY_COPIES, rule);
	step->count = (__u16)choice->count;
	/* All are up, or none is. */
	if (is_up(planner->inputs, choice->indices[0]))
		planner->copies++;
	for (size_t i = 0; i < choice->count; i++) {
		uint32_t index = choice->indices[i];
		struct fastpath_claim *claim = claim_of(planner, index, port_be);

		if (is_taken(planner, claim) && claim->rule != rule)
			return fail_same_place(planner, index, claim->rule);
		take_place(planner, claim, index, true);
		if (!add_copy(planner, index, true))
			return false;
	}
	return true;
}

static bool add_rule(struct fastpath_planner *planner, uint32_t rule, uint8_t family,
		     uint16_t port_be)
{
	const struct fastpath_inputs *inputs = planner->inputs;
	const struct config_rule *config = inputs->ruleset->rules[rule].config;
	struct fastpath_step *step = add_step(planner, FASTPATH_STEP_RULE, rule);
	unsigned before = planner->plan.step_count;
	struct choice choice;

	if (!step)
		return fail(planner, FASTPATH_TOO_MANY_COPIES, rule);
	step->one_in = config->sample;
	step->sample = sample_index(inputs->rule_samples, rule, config->sample);
	/* The enum is in the order of precedence: auto, forward, drop. */
	if (config->original > planner->plan.original)
		planner->plan.original = (__u8)config->original;
	choose_destinations(&choice, inputs, rule, family);
	if (choice.one) {
		if (!add_hashed_copies(planner, rule, &choice, port_be))
			return false;
	} else {
		for (size_t i = 0; i < choice.count; i++)
			if (!add_sole_copy(planner, rule, choice.indices[i], port_be))
				return false;
	}
	step->count = (__u16)(planner->plan.step_count - before);
	return true;
}

bool fastpath_planner_make(struct fastpath_planner *planner, const uint64_t *rules, uint8_t family,
			   uint16_t port_be)
{
	const struct ruleset *ruleset = planner->inputs->ruleset;

	planner->plan_number++;
	planner->copies = 0;
	planner->plan = (struct fastpath_plan){.action = FASTPATH_SERVE, .mtu_bytes = UINT32_MAX};
	for (size_t r = ruleset_next(ruleset, rules, 0); r < ruleset->rule_count;
	     r = ruleset_next(ruleset, rules, r + 1))
		if (!add_rule(planner, (uint32_t)r, family, port_be))
			return false;
	return true;
}
