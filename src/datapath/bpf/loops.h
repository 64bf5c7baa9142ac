/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the daemon needs from here to find out whether copies come back (datapath/loopguard.h). */
#ifndef TRAFFICDUPLICATOR_DATAPATH_BPF_LOOPS_H
#define TRAFFICDUPLICATOR_DATAPATH_BPF_LOOPS_H

#include "packet.h"

/* Not inlined, since it is hardly ever called: one copy for the daemon to make a probe like. */
__noinline int give_sample(const struct packet *p, __u32 index)
{
	if (!p)
		return 0;
	for (int i = 0; i < FASTPATH_LOOP_SLOTS; i++) {
		struct fastpath_loop_sample *sample = &state.loops.samples[i];

		if (sample->wanted != index + 1 ||
		    __sync_val_compare_and_swap(&sample->wanted, index + 1, 0) != index + 1)
			continue;
		for (int word = 0; word < 4; word++)
			sample->source[word] = p->source[word];
		sample->source_port_be = p->source_port_be;
		sample->destination_port_be = p->port_be;
		sample->ipv6 = p->ipv6;
		/* The one kind of store that no machine puts before those above. */
		__sync_lock_test_and_set(&sample->given, 1);
	}
	return 0;
}

/* Whether it looks like a probe, this daemon's or another's: those are for the workers to see. */
static __always_inline bool is_probe(struct __sk_buff *skb, const struct packet *p)
{
	__u32 headers_bytes = p->ipv6 ? IPV6_HEADERS : IPV4_HEADERS;
	__u64 found, word;

	if (p->length_bytes + ETH_HLEN != headers_bytes + FASTPATH_PROBE_BYTES)
		return false;
	__builtin_memcpy(&word, FASTPATH_PROBE_WORD, sizeof(word));
	return bpf_skb_load_bytes(skb, headers_bytes, &found, sizeof(found)) == 0 && found == word;
}

#endif
