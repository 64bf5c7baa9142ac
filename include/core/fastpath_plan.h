/* SPDX-License-Identifier: MIT */
/*
 * What becomes of packets that a set of rules matches, as steps for the fast path's kernel program.
 * For fastpath_tables.c only.
 */
#ifndef TRAFFICDUPLICATOR_CORE_FASTPATH_PLAN_H
#define TRAFFICDUPLICATOR_CORE_FASTPATH_PLAN_H

#include "core/fastpath_tables.h"

/*
 * Why packets of this family that a rule matches cannot be served, whatever other rules do;
 * FASTPATH_IN_KERNEL where they can. The rule is on.
 */
struct fastpath_verdict fastpath_plan_judge(const struct fastpath_inputs *inputs, uint32_t rule,
					    uint8_t family);

/* Makes plans. Fields but *inputs are its own business; begin with fastpath_planner_open. */
struct fastpath_planner {
	const struct fastpath_inputs *inputs;
	struct fastpath_claim *claims; /* by place: which rule sends there */
	uint64_t plan_number;
	/* The plan that was made last. first_step is left at 0. */
	struct fastpath_plan plan;
	struct fastpath_step steps[FASTPATH_STEPS_MAX];
	/* The rule that could not be served together with the others, and why. */
	uint32_t culprit;
	struct fastpath_verdict why;
	size_t copies;
};

/* Returns false when memory runs out; fastpath_planner_close in any case. */
bool fastpath_planner_open(struct fastpath_planner *planner, const struct fastpath_inputs *inputs);
void fastpath_planner_close(struct fastpath_planner *planner);

/*
 * Makes the plan for packets of this family to this port that these rules match, none of which
 * fastpath_plan_judge spoke against. Returns false, with culprit and why filled, where they cannot
 * be served together: FASTPATH_SAME_PLACE or FASTPATH_TOO_MANY_COPIES.
 */
bool fastpath_planner_make(struct fastpath_planner *planner, const uint64_t *rules, uint8_t family,
			   uint16_t port_be);

#endif
