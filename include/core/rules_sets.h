/* SPDX-License-Identifier: MIT */
/*
 * What the rules of one family select, as elements of a fixed number of nft sets, however many
 * rules there are. For rules_text.c only.
 *
 * Ports that some rule listens to whatever client, original destination and interface are a set of
 * their own. All else is boxes of interface, port, client and original destination. They do not
 * overlap, which the kernel would refuse (net/netfilter/nft_set_pipapo.c).
 */
#ifndef TRAFFICDUPLICATOR_CORE_RULES_SETS_H
#define TRAFFICDUPLICATOR_CORE_RULES_SETS_H

#include "core/boxes.h"
#include "core/config.h"

/* The sides of a box. */
enum rules_side { RULES_INTERFACE, RULES_PORT, RULES_LISTEN, RULES_CLIENT };

enum rules_kind {
	RULES_FLOWS,	       /* of rules without INTERFACE: the side has no meaning */
	RULES_INTERFACE_FLOWS, /* of rules with INTERFACE: numbers of names, two apart */
	RULES_BRIDGE_FLOWS,    /* the same without interface: nft sees the bridge, not its port */
	RULES_KIND_COUNT,
};

/* How much of what the rules ask for was left out since it would take too many elements. */
enum rules_detail { RULES_EXACT, RULES_NO_LISTEN, RULES_PORTS_ONLY };

struct rules_sets {
	struct ip_ranges all_ports; /* of any rule; numbers */
	struct ip_ranges ports;	    /* where a rule asks for nothing else */
	/*
	 * Each box is in one set of its kind: by the side in which fewest others contain the same
	 * values. The kernel looks for that side first, and its work for a packet grows with the
	 * number of elements that it finds there.
	 */
	struct boxes flows[RULES_KIND_COUNT][BOX_SIDES];
	enum rules_detail detail[RULES_KIND_COUNT];
	const char **interfaces; /* by half of the number */
	size_t interface_count;
};

/* Whether a set of this kind by this side can have elements at all. */
bool rules_sets_has(enum rules_kind kind, enum rules_side side);

/*
 * Fills *sets for packets of one family. Names of interfaces stay those of config. Returns false
 * when memory runs out. The caller calls rules_sets_free in any case.
 */
bool rules_sets_fill(struct rules_sets *sets, const struct config *config, uint8_t family);

void rules_sets_free(struct rules_sets *sets);

#endif
