/* SPDX-License-Identifier: MIT */
/*
 * Where workers, the fast path and the control thread meet about loops: copies that come back, as
 * from another duplicator whose destination is this one. The control thread asks for a sample of a
 * destination's copies, sends probes that look like it, and is told which come back. While a rule
 * is suspected its packets are remembered; while it is known to be in a loop, those that come back
 * lead to no more copies. No lock anywhere.
 */
#ifndef TRAFFICDUPLICATOR_DATAPATH_LOOPGUARD_H
#define TRAFFICDUPLICATOR_DATAPATH_LOOPGUARD_H

#include "core/ip.h"
#include "core/packet.h"
#include "core/probe.h"
#include "datapath/fastpath_shared.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct loopguard;

/* Of a rule. */
enum loop_state {
	LOOP_NONE,
	LOOP_SUSPECTED, /* its packets are remembered */
	LOOP_PROVEN,	/* those that have passed before lead to no copies */
};

/* What workers and fast path go by, for one ruleset; all zeros where there is no guard. */
struct loop_orders {
	struct loopguard *guard;
	struct fastpath_loops *shared; /* the guard's */
	const _Atomic uint8_t *states; /* per rule: enum loop_state; may change at any time */
	const uint8_t *in_loop;	       /* per destination; as at the time of publication */
};

/* ---- The control thread's ---- */

/* shared is the fast path's, which must outlive the guard, or NULL. NULL when memory runs out, or
 * the kernel has no random numbers. */
struct loopguard *loopguard_create(struct fastpath_loops *shared);
void loopguard_free(struct loopguard *guard);
/* The fast path has come later than the guard; while no slot has been given away. Orders that were
 * made before do not know of it. */
void loopguard_share(struct loopguard *guard, struct fastpath_loops *shared);
struct fastpath_loops *loopguard_shared(struct loopguard *guard);

/*
 * How long a packet takes for a loop, as far as is known. One that comes again within two seconds,
 * or twice that time, is taken for the same.
 */
#define LOOPGUARD_WINDOW_MS 2000
void loopguard_set_way_round(struct loopguard *guard, uint64_t way_round_ms);

/* Makes room for what is to be remembered, before the first rule is suspected. Returns whether
 * there is any. */
bool loopguard_make_room(struct loopguard *guard);

/* Gives a slot to a destination, an index of the ruleset in force: from now on a sample of its
 * copies is waited for, and probes with the mark are known when they come back to its rule. */
void loopguard_arm(struct loopguard *guard, unsigned slot, uint32_t destination, uint32_t rule,
		   struct probe_mark *mark);
void loopguard_disarm(struct loopguard *guard, unsigned slot);

/* What a copy of an armed slot's destination looks like. Returns false where none has come yet. */
struct loop_sample {
	struct ip_address source;
	uint16_t source_port_be, destination_port_be; /* the original's */
};
bool loopguard_take_sample(struct loopguard *guard, unsigned slot, struct loop_sample *out);

/* Of the packets that came to the rule of an armed slot, since then, whether most had been there
 * before: as in a loop, but also as from a client that repeats itself. Of the queues' packets only.
 */
bool loopguard_sees_repeats(const struct loopguard *guard, unsigned slot);

/* The slots whose probes have come back since the last call, as bits. */
uint32_t loopguard_take_returned(struct loopguard *guard);
/* A rule that others' probes have come to since the last call: whoever sent them suspects a loop,
 * which would be this rule's as well; and what the probe looked like. Of several, one. Returns
 * false where there is none. */
bool loopguard_take_hint(struct loopguard *guard, uint32_t *rule, struct loop_sample *sample);
/* Probes that have come back, ever. */
uint64_t loopguard_returned_pkts(const struct loopguard *guard);

/* ---- Workers' ---- */

/* The slot that a probe of ours belongs to, or one of these. */
enum { LOOPGUARD_NO_PROBE = -1, LOOPGUARD_OTHERS_PROBE = -2 };
int loopguard_read_probe(const struct loop_orders *loops, const struct packet *packet);

/* A packet matches a rule. Returns whether it is a probe that was sent for this rule: this is
 * noted. slot is from loopguard_read_probe. */
bool loopguard_is_return(const struct loop_orders *loops, int slot, uint32_t rule);

/* A probe of another's comes to a rule. */
void loopguard_give_hint(const struct loop_orders *loops, const struct packet *packet,
			 uint32_t rule);

/* Whether a packet has been to this rule before, and so must lead to no more copies. If not, it is
 * remembered from now on. For a rule whose state is not LOOP_NONE; of one that is suspected it is
 * counted. */
bool loopguard_has_passed(const struct loop_orders *loops, const struct packet *packet,
			  uint32_t rule, uint64_t now_ns);

/* The rule's copies leave with another source: so they will come back. */
void loopguard_remember(const struct loop_orders *loops, const struct packet *packet, uint32_t rule,
			const struct ip_address *source, uint64_t now_ns);

/* One copy of a destination, if the control thread waits for it. */
void loopguard_give_sample(const struct loop_orders *loops, const struct packet *packet,
			   uint32_t destination);

/* Whether it waits for any: cheap. */
static inline bool loopguard_wants_samples(const struct loop_orders *loops)
{
	return loops->shared && __atomic_load_n(&loops->shared->wanted_count, __ATOMIC_RELAXED) > 0;
}

static inline enum loop_state loopguard_state(const struct loop_orders *loops, uint32_t rule)
{
	return loops->states ? (enum loop_state)atomic_load_explicit(&loops->states[rule],
								     memory_order_relaxed)
			     : LOOP_NONE;
}

#endif
