/* SPDX-License-Identifier: MIT */
/*
 * The netfilter rules for a configuration, as text for nft(8) and iptables-restore(8). The one
 * place that knows them: the rules script only chooses the way and loads what it is given.
 */
#ifndef TRAFFICDUPLICATOR_CORE_RULES_TEXT_H
#define TRAFFICDUPLICATOR_CORE_RULES_TEXT_H

#include "core/config.h"

/* How matching packets get into NFQUEUE. */
enum rules_way {
	RULES_WAY_NFT,	    /* nft's own queue statement */
	RULES_WAY_IPTABLES, /* nft marks, one iptables-nft rule in raw PREROUTING queues */
};

/* What makes the kernel put fragments together before our chain sees them. */
enum rules_defragmentation {
	RULES_DEFRAGMENTATION_TPROXY, /* a tproxy expression: that alone, no connection tracking */
	RULES_DEFRAGMENTATION_CT,     /* a ct expression, where the kernel has no tproxy */
};

struct rules_text_options {
	enum rules_way way;
	enum rules_defragmentation defragmentation;
	unsigned cpu_count; /* for SETTINGS.WORKERS 0 */
	/* What the host names among the destinations have been resolved to, borrowed. */
	const struct ip_address *resolved;
	size_t resolved_count;
};

/*
 * Input for `nft -f` that makes the table or brings it up to date. Chains that are there stay,
 * since deleting any base chain drops all packets that wait in any queue (net/netfilter/nf_queue.c,
 * nf_queue_nf_hook_drop). The number of sets and rules is bounded, however many rules config has.
 *
 * Lines that begin with "# transaction N:" divide the text. Loaded one after the other, no packet
 * of a rule that stays is missed at any moment; loaded as one, some may be while the kernel is at
 * it. Either way leads to the same table.
 *
 * Returns a text that the caller frees, or NULL when memory runs out.
 */
char *rules_text_nft(const struct config *config, const struct rules_text_options *options);

/*
 * Input for `iptables-nft-restore --noflush` and its IPv6 sister: chain TRAFFICDUPLICATOR of table
 * raw, for RULES_WAY_IPTABLES. Returns as above.
 */
char *rules_text_iptables(const struct config *config, const struct rules_text_options *options);

#endif
