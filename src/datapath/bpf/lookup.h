/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * From a packet to its plan, and whether it is for this machine. Each search is a function of its
 * own for the verifier, too, which looks at it once: else it would for every way that leads there,
 * and a start take twice as long.
 */
#ifndef TRAFFICDUPLICATOR_DATAPATH_BPF_LOOKUP_H
#define TRAFFICDUPLICATOR_DATAPATH_BPF_LOOKUP_H

#include "packet.h"

#define NONE 0xffffffffu

/* The last range of the run that begins at or before the client, if the client is in it. */
__noinline __u32 find_plan4(struct packet *p, __u32 first, __u32 count)
{
	__u32 low = 0, high = count, client, base;
	const struct fastpath_range4 *range;

	if (!p)
		return NONE;
	client = bpf_ntohl(p->source[0]);
	base = p->tables * range4_room + first;
	for (int i = 0; i < FASTPATH_SEARCH_STEPS && low + 1 < high; i++) {
		__u32 middle = (low + high) / 2;

		range = entry(&ranges4, base + middle);
		if (!range)
			return NONE;
		if (range->first <= client)
			low = middle;
		else
			high = middle;
	}
	range = entry(&ranges4, base + low);
	if (!range || client < range->first || client > range->last)
		return NONE;
	return range->plan;
}

static __always_inline bool less6(__u64 a_high, __u64 a_low, __u64 b_high, __u64 b_low)
{
	return a_high < b_high || (a_high == b_high && a_low < b_low);
}

static __always_inline __u64 half(const __u32 *words)
{
	return (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]);
}

__noinline __u32 find_plan6(struct packet *p, __u32 first, __u32 count)
{
	const struct fastpath_range6 *range;
	__u32 low = 0, high = count, base;
	__u64 client_high, client_low;

	if (!p)
		return NONE;
	client_high = half(p->source);
	client_low = half(p->source + 2);
	base = p->tables * range6_room + first;
	for (int i = 0; i < FASTPATH_SEARCH_STEPS && low + 1 < high; i++) {
		__u32 middle = (low + high) / 2;

		range = entry(&ranges6, base + middle);
		if (!range)
			return NONE;
		if (less6(client_high, client_low, range->first_high, range->first_low))
			high = middle;
		else
			low = middle;
	}
	range = entry(&ranges6, base + low);
	if (!range || less6(client_high, client_low, range->first_high, range->first_low) ||
	    less6(range->last_high, range->last_low, client_high, client_low))
		return NONE;
	return range->plan;
}

static __always_inline const struct fastpath_plan *find_plan(struct packet *p)
{
	const struct fastpath_run *run;
	const __u32 *class;
	__u32 plan;

	class = entry(&ports, (p->tables * FASTPATH_FAMILIES + p->ipv6) * FASTPATH_PORTS +
				      bpf_ntohs(p->port_be));
	if (!class || *class == 0)
		return NULL;
	run = entry(&classes, p->tables * class_room + *class - 1);
	if (!run)
		return NULL;
	plan = p->ipv6 ? find_plan6(p, run->first, run->count)
		       : find_plan4(p, run->first, run->count);
	return plan == NONE ? NULL : entry(&plans, p->tables * plan_room + plan);
}

__noinline int is_own4(struct packet *p)
{
	__u32 low = 0, high, wanted;

	if (!p)
		return false;
	wanted = bpf_ntohl(p->destination[0]);
	high = state.own[p->tables & 1].own4_count;
	for (int i = 0; i < FASTPATH_SEARCH_STEPS && low < high; i++) {
		__u32 middle = (low + high) / 2;
		const __u32 *own = entry(&own4, p->tables * own4_room + middle);

		if (!own || *own == wanted)
			return own != NULL;
		if (*own < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

__noinline int is_own6(struct packet *p)
{
	__u64 wanted_high, wanted_low;
	__u32 low = 0, high;

	if (!p)
		return false;
	wanted_high = half(p->destination);
	wanted_low = half(p->destination + 2);
	high = state.own[p->tables & 1].own6_count;
	for (int i = 0; i < FASTPATH_SEARCH_STEPS && low < high; i++) {
		__u32 middle = (low + high) / 2;
		const struct fastpath_own6 *own = entry(&own6, p->tables * own6_room + middle);

		if (!own || (own->high == wanted_high && own->low == wanted_low))
			return own != NULL;
		if (less6(own->high, own->low, wanted_high, wanted_low))
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static __always_inline bool is_own(struct packet *p)
{
	return p->ipv6 ? is_own6(p) : is_own4(p);
}

#endif
