/* SPDX-License-Identifier: MIT */
/* What is known of each destination of a ruleset about loops. */
#ifndef TRAFFICDUPLICATOR_CONTROL_LOOP_WATCH_H
#define TRAFFICDUPLICATOR_CONTROL_LOOP_WATCH_H

#include "core/netview.h"
#include "core/probe.h"
#include "core/ruleset.h"
#include "core/suspicion.h"
#include "datapath/loopguard.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Of one destination. */
struct loop_watch {
	struct suspicion suspicion;
	struct loop_sample sample; /* the latest; source of family AF_UNSPEC: none yet */
	bool is_asked;		   /* probes are under way */
	bool in_loop;
	uint8_t silent;	    /* rounds in a row without an answer, while in a loop */
	uint64_t ask_at_ms; /* the next round, while in a loop */
};

struct loop_watches {
	const struct ruleset *ruleset;
	struct loop_watch *all;	 /* per destination */
	_Atomic uint8_t *states; /* per rule: enum loop_state, for the workers */
	uint8_t *in_loop;	 /* per destination, for fast path and status */
	uint64_t *sent_pkts;	 /* per destination: room for a look */
	size_t loop_count;	 /* destinations in a loop */
};

/*
 * For a ruleset, which must outlive it. What a former one knows of a destination whose rule, name
 * and address are the same goes on, but for probes under way; NULL: there is no former one. NULL
 * when memory runs out.
 */
struct loop_watches *loop_watches_create(const struct ruleset *ruleset,
					 const struct loop_watches *former);
void loop_watches_free(struct loop_watches *watches);

/* Brings the state of a rule up to date with what its destinations' watches say. */
void loop_watches_judge(struct loop_watches *watches, uint32_t rule);

/* Fills a probe that looks like the latest sample of a destination's copies, all but its mark.
 * route is the way there. Returns false where no copy could be sent either. */
bool loop_watches_probe(const struct loop_watches *watches, uint32_t destination,
			const struct netview_route *route, struct probe *probe);

#endif
