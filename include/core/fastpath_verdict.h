/* SPDX-License-Identifier: MIT */
/* Per rule, whether the fast path's kernel program serves it, and if not, why. */
#ifndef TRAFFICDUPLICATOR_CORE_FASTPATH_VERDICT_H
#define TRAFFICDUPLICATOR_CORE_FASTPATH_VERDICT_H

#include "core/ruleset.h"

/* Of several reasons the first in this order is told: those that users can do something about. */
enum fastpath_reason {
	FASTPATH_IN_KERNEL, /* none: it serves all of the rule's packets that it can take at all */
	FASTPATH_DISABLED,
	FASTPATH_LISTENADDRESS,
	FASTPATH_INTERFACE,
	FASTPATH_RATELIMIT,
	FASTPATH_ROUND_ROBIN,
	FASTPATH_SOURCE,       /* of a destination */
	FASTPATH_NO_ROUTE,     /* to a destination */
	FASTPATH_NO_CARRIER,   /* of the link on the way to a destination */
	FASTPATH_NO_NEIGHBOUR, /* of a destination: its link address or MTU is not known */
	FASTPATH_NO_ETHERNET,  /* on the way to a destination */
	FASTPATH_SAME_PLACE,   /* a destination is also another rule's, and which of the two sends
				  there differs from packet to packet */
	FASTPATH_SAME_PACKETS, /* another rule takes the same ones, and is queued */
	FASTPATH_TOO_MANY_COPIES, /* or rules, for one packet */
	FASTPATH_TABLES_FULL,
	FASTPATH_LOOP, /* copies to a destination come back: workers know those packets again */
};

struct fastpath_verdict {
	enum fastpath_reason reason;
	uint32_t destination; /* SOURCE to SAME_PLACE, LOOP: of the ruleset's */
	uint32_t rule;	      /* SAME_PLACE, SAME_PACKETS: the other one; of the ruleset's */
};

/* Longest sentence, with its terminating NUL: three names and the words between them. */
#define FASTPATH_VERDICT_SIZE 1024

/*
 * Writes the verdict on a rule for people: "in the kernel", "disabled", or "queued: " and why.
 * verdicts has one per rule. Returns text.
 */
const char *fastpath_verdict_format(const struct ruleset *ruleset,
				    const struct fastpath_verdict *verdicts, uint32_t rule,
				    char text[static FASTPATH_VERDICT_SIZE]);

/* So many verdicts become FASTPATH_TABLES_FULL, but for rules that are disabled. */
void fastpath_verdicts_no_room(struct fastpath_verdict *verdicts, size_t count);

#endif
