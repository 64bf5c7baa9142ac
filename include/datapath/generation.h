/* SPDX-License-Identifier: MIT */
/* Orders for all workers, made together, published together and retired together. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_GENERATION_H
#define TRAFFICDUPLICATOR_DATAPATH_GENERATION_H

#include "datapath/serve.h"

/* What the orders are made of; owned by the caller, and to outlive the generation. */
struct generation_basis {
	const struct ruleset *ruleset;
	const struct netview *netview; /* made for that ruleset */
	const uint8_t *is_up;	       /* per destination of that ruleset */
	bool fast_path;		       /* whether the kernel may serve what it can */
	bool send_link;		       /* whether workers use the links of the netview */
	struct loop_orders loops;      /* made for that ruleset */
};

/* Which rules and destinations of a ruleset were those of a former one, by their names: an index
 * into the former's each, HASH_INDEX_NONE for what is new. */
struct kinship {
	const struct ruleset *ruleset;
	uint32_t *rules;
	uint32_t *destinations;
};

struct generation {
	struct serve_orders orders[CONFIG_WORKERS_MAX];
	/* What retired generations counted for the rules and destinations of this one. */
	struct counters *former;
	struct generation_memory *memory; /* shared by generations of one ruleset */
	struct kinship kinship; /* with the former ruleset; empty where that is the same or none */
};

/*
 * Makes orders for so many workers. With a former generation of the same ruleset its memory
 * (samples, turns, token buckets) is shared, so that only its own workers may use both; that of
 * another ruleset is taken over for rules and destinations of the same names. NULL when memory runs
 * out.
 */
struct generation *generation_create(const struct generation_basis *basis, unsigned worker_count,
				     const struct generation *former);

/*
 * Ends a former generation that no worker uses any more: what it counted goes to the new one, by
 * the names of rules and destinations. The caller frees it then.
 */
void generation_take_over(struct generation *generation, const struct generation *former);

void generation_free(struct generation *generation);

#endif
