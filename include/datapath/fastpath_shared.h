/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the fast path's kernel program and its loader share beside the tables of
 * core/fastpath_abi.h: counters, and the words by which the daemon steers the program.
 */
#ifndef TRAFFICDUPLICATOR_DATAPATH_FASTPATH_SHARED_H
#define TRAFFICDUPLICATOR_DATAPATH_FASTPATH_SHARED_H

#include "core/fastpath_abi.h"

#define FASTPATH_BANKS 2
#define FASTPATH_WORKERS_MAX 8
/* Pairs of client and original destination that share a queue by the kernel's hash; a number of
 * them is known by what each worker has seen. */
#define FASTPATH_FLOWS 4096

/* A program whose daemon has not been heard of for so long does nothing any more. */
#define FASTPATH_STALE_NS 3000000000ull

/* Written by one CPU each, 64 bytes apart. */
struct fastpath_total_counters {
	__u64 originals_forwarded_pkts;
	__u64 originals_dropped_pkts;
	__u64 refused_pkts; /* in place of a full queue */
	__u64 padding[5];
};

struct fastpath_rule_counters {
	__u64 matched_pkts;
	__u64 matched_bytes;
	__u64 sampled_out_pkts;
	__u64 padding;
};

struct fastpath_destination_counters {
	__u64 due_pkts;
	__u64 sampled_out_pkts;
	__u64 sent_pkts;
	__u64 sent_bytes;
	__u64 down_pkts;
	__u64 no_buffer_pkts;
	__u64 unreachable_pkts;
	__u64 other_pkts;
};

/* In force are bank banks & 1 of the tables and bank banks >> 1 & 1 of the counters. */
#define FASTPATH_TABLES_BANK 1u
#define FASTPATH_COUNTERS_BANK 2u

/* Destinations of which the daemon may be asking at a time whether their copies come back. */
#define FASTPATH_LOOP_SLOTS 16
/* The UDP payload of a probe, and what it begins with (core/probe.h). */
#define FASTPATH_PROBE_BYTES 72
#define FASTPATH_PROBE_WORD "Traffic "

/* What a copy of a destination looks like, for a probe that is to look like one. */
struct fastpath_loop_sample {
	__u32 wanted;	 /* index of the destination + 1; taken away by who gives the sample */
	__u32 given;	 /* all of what follows is there */
	__u32 source[4]; /* as in the header; IPv4: the first */
	__u16 source_port_be;
	__u16 destination_port_be; /* original one */
	__u32 ipv6;
};

/* Written by the daemon, and by whoever has a sample for it. Where there is no kernel program the
 * daemon has one of its own. */
struct fastpath_loops {
	__u32 wanted_count; /* samples that are waited for, or more */
	struct fastpath_loop_sample samples[FASTPATH_LOOP_SLOTS];
};

struct fastpath_state {
	__u64 beat_ns; /* CLOCK_MONOTONIC, written by the daemon while it lives */
	__u32 banks;
	__u32 served_bit;      /* of the mark of originals that go on, see core/fastpath_abi.h */
	__u32 mark;	       /* of copies */
	__u32 refuse_forwards; /* WHENFULL: what is refused goes on, instead of being dropped */
	struct {
		__u32 own4_count, own6_count;
	} own[FASTPATH_BANKS];
	struct fastpath_loops loops;
	__u8 queue_is_full[FASTPATH_WORKERS_MAX]; /* written by the workers */
	__u8 worker_of_flow[FASTPATH_FLOWS];	  /* number + 1; written by the workers */
};

/* The flow of a packet, from 32-bit words of its addresses xored together. */
static inline __u32 fastpath_flow(__u32 source, __u32 destination)
{
	/* Knuth's multiplicative hash: any odd constant with well mixed bits does. */
	return (source ^ (destination << 7 | destination >> 25)) * 2654435769u >> 20;
}

#endif
