/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The tables that the fast path's kernel program goes by, as they lie in memory that it and the
 * daemon share. Built by core/fastpath_tables.c, read by src/datapath/bpf/fastpath.bpf.c.
 *
 * All of it exists twice, in two banks: one is in force, the other is written to and then put in
 * force by one store. Numbers are in host byte order, unless their names end in _be.
 */
#ifndef TRAFFICDUPLICATOR_CORE_FASTPATH_ABI_H
#define TRAFFICDUPLICATOR_CORE_FASTPATH_ABI_H

#include <linux/types.h>

#define FASTPATH_FAMILIES 2 /* 0: IPv4, 1: IPv6 */
#define FASTPATH_PORTS 65536
#define FASTPATH_STEPS_MAX 192	 /* of one plan */
#define FASTPATH_COPIES_MAX 64	 /* that one packet can lead to */
#define FASTPATH_SEARCH_STEPS 20 /* halvings of a search: 2^20 entries at most */

/*
 * How nft knows, in prerouting, an original that has been dealt with at the ingress: by its
 * skb->priority, or by a bit of its mark (config_served_bit). Administrators' rules in between may
 * set one of them anew; the other one is still there then. nft takes both off again
 * (core/rules_text.c), and writes the priority as 7464:d0e5.
 */
#define FASTPATH_SERVED_PRIORITY 0x7464d0e5u

/* A run of entries of another table. */
struct fastpath_run {
	__u32 first;
	__u32 count;
};

/*
 * Clients that have the same plan: first..last, both included. Those of one class are sorted and
 * disjoint; a client in none of them matches no rule.
 */
struct fastpath_range4 {
	__u32 first;
	__u32 last;
	__u32 plan;
};

struct fastpath_range6 {
	__u64 first_high, first_low;
	__u64 last_high, last_low;
	__u32 plan;
	__u32 padding;
};

/* An IPv6 address of this machine. Those of IPv4 are plain numbers. Sorted. */
struct fastpath_own6 {
	__u64 high, low;
};

enum fastpath_action {
	FASTPATH_QUEUE, /* leave the packet to the queue; whether a rule matches is for nft to say
			 */
	FASTPATH_QUEUE_CERTAIN, /* the same, where a rule matches in any case */
	FASTPATH_SERVE,
};

/* What becomes of a packet that matches. */
struct fastpath_plan {
	__u32 first_step;
	__u16 step_count;
	__u8 action;	 /* enum fastpath_action */
	__u8 original;	 /* enum original_mode of core/config.h; with FASTPATH_SERVE */
	__u32 mtu_bytes; /* a longer IP packet is left to the queue */
	__u8 ttl_min;	 /* one with a lower TTL, too: 2 where a copy's is decremented, else 0 */
	__u8 padding[3];
};

enum fastpath_step_kind {
	/* A rule begins: its packets are counted; where SAMPLE leaves it out, `count` steps after
	 * this one, all of its own, are skipped. */
	FASTPATH_STEP_RULE,
	/* A copy to one destination. */
	FASTPATH_STEP_SEND,
	/* A destination that is down: the copy is due, and dropped. */
	FASTPATH_STEP_DOWN,
	/* Of the next `count` steps, SEND or DOWN each, the one with the highest weight for the
	 * client is taken (core/selection.c, choose_hash), and the others are skipped. */
	FASTPATH_STEP_HASH,
};

struct fastpath_step {
	__u8 kind;     /* enum fastpath_step_kind */
	__u8 ttl_mode; /* enum ttl_mode of core/config.h; SEND */
	__u8 ttl;
	__u8 padding;
	__u16 count;	  /* RULE, HASH */
	__u16 port_be;	  /* SEND; 0: the packet's own */
	__u32 index;	  /* RULE: of the ruleset's rules; SEND, DOWN: of its destinations */
	__u32 one_in;	  /* RULE, SEND, DOWN: SAMPLE; 1: all */
	__u32 sample;	  /* index into the counts that SAMPLE goes by; with one_in > 1 */
	__u32 device;	  /* SEND: kernel index of the way out */
	__u8 address[16]; /* SEND: the destination's, network byte order; IPv4: the first four */
	__u8 link[12];	  /* SEND: Ethernet destination and source address */
	__u32 padding2;
	__u64 hash_seed; /* SEND, DOWN, behind HASH */
};

#endif
