// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The fast path: a tc classifier at the ingress of an interface. It does for a packet what a worker
 * does (datapath/serve.c) where it can do exactly that, and leaves every other packet alone, so
 * that netfilter queues it as if this program were not there.
 */
#include "headers.h"
#include "lookup.h"
#include "loops.h"
#include "packet.h"
#include "tables.h"

#include <linux/pkt_cls.h>

/* Of core/config.h, which is not for this compiler. */
enum { ORIGINAL_AUTO, ORIGINAL_FORWARD, ORIGINAL_DROP };
enum { TTL_KEEP, TTL_DECREMENT, TTL_SET };

/* include/linux/netdevice.h: what dev_queue_xmit says of a packet beside negative errno. */
#define NET_XMIT_SUCCESS 0

static __always_inline bool is_sampled(__u32 one_in, __u32 sample)
{
	__u64 *count;

	if (one_in <= 1)
		return true;
	count = entry(&samples, sample);
	return !count || __sync_fetch_and_add(count, 1) % one_in == 0;
}

static __always_inline __u8 ttl_of(const struct packet *p, const struct fastpath_step *step)
{
	if (step->ttl_mode == TTL_SET)
		return step->ttl;
	return step->ttl_mode == TTL_DECREMENT ? p->ttl - 1 : p->ttl;
}

static __always_inline void count_sent(const struct packet *p,
				       struct fastpath_destination_counters *counters, long result)
{
	/* A positive result other than success is a qdisc's word that it has dropped a packet: this
	 * one, or another in its place. */
	if (result == NET_XMIT_SUCCESS) {
		counters->sent_pkts++;
		counters->sent_bytes += p->length_bytes;
	} else if (result > 0 || result == -12 /* ENOMEM */) {
		counters->no_buffer_pkts++;
	} else {
		counters->unreachable_pkts++;
	}
}

/* The checksum of a copy's IPv4 header, from the original's (RFC 1624, equation 3). */
static __always_inline __u16 ipv4_checksum(const struct packet *p, const struct headers *headers)
{
	return (__u16)~fold((__u64)(__u16)~p->ip_checksum + (__u32)~p->destination[0] +
			    headers->address[0] + (__u16)~bpf_htons((__u16)(p->ttl << 8)) +
			    bpf_htons((__u16)(headers->ttl << 8)));
}

/* Not inlined, so that it is verified once and not once per copy. */
__noinline int send_copy(struct __sk_buff *skb, struct packet *p, __u32 index)
{
	struct fastpath_destination_counters *counters;
	const struct fastpath_step *step;
	struct headers headers = {0};

	if (!p)
		return 0;
	step = entry(&steps, p->tables * step_room + index);
	if (!step)
		return 0;
	counters = destination_counters(p, step->index);
	if (!counters)
		return 0;
	if (!is_sampled(step->one_in, step->sample)) {
		counters->sampled_out_pkts++;
		return 0;
	}
	counters->due_pkts++;
	if (step->kind == FASTPATH_STEP_DOWN) {
		counters->down_pkts++;
		return 0;
	}
	headers.address = (void *)step->address;
	headers.link = step->link;
	headers.port_be = step->port_be ? step->port_be : p->port_be;
	headers.ttl = ttl_of(p, step);
	headers.ip_checksum = p->ipv6 ? 0 : ipv4_checksum(p, &headers);
	if (!write_headers(skb, p, &headers)) {
		counters->other_pkts++;
		return 0;
	}
	if (state.loops.wanted_count != 0)
		give_sample(p, step->index);
	skb->mark = state.mark;
	count_sent(p, counters, bpf_clone_redirect(skb, step->device, 0));
	return 0;
}

/* The same as core/selection.c, mix and hash_address. */
static __always_inline __u64 mix(__u64 x)
{
	x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
	x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
	return x ^ (x >> 33);
}

static __always_inline __u64 hash_client(const struct packet *p)
{
	enum { AF_INET = 2, AF_INET6 = 10 };
	__u64 hash = p->ipv6 ? AF_INET6 : AF_INET;

	for (int i = 0; i < 4; i++)
		for (int byte = 0; byte < 4; byte++)
			hash = (hash ^ ((bpf_ntohl(p->source[i]) >> (24 - 8 * byte)) & 0xff)) *
			       0x100000001b3ull;
	return mix(hash);
}

/* The step among count from first on that the client's copies take. */
__noinline int choose(struct packet *p, __u32 first, __u32 count)
{
	__u64 client, highest = 0;
	__u32 chosen = first;

	if (!p)
		return (int)first;
	client = hash_client(p);
	for (__u32 i = 0; i < FASTPATH_COPIES_MAX && i < count; i++) {
		const struct fastpath_step *step = entry(&steps, p->tables * step_room + first + i);
		__u64 weight;

		if (!step)
			break;
		weight = mix(client ^ step->hash_seed);
		if (i == 0 || weight > highest) {
			highest = weight;
			chosen = first + i;
		}
	}
	return (int)chosen;
}

/* Returns how many steps the packet is through with. */
__noinline int take_step(struct __sk_buff *skb, struct packet *p)
{
	struct fastpath_rule_counters *counters;
	const struct fastpath_step *step;
	__u32 at;

	if (!p)
		return 1;
	at = p->at;
	step = entry(&steps, p->tables * step_room + at);
	if (!step)
		return 1;
	if (step->kind == FASTPATH_STEP_HASH) {
		__u32 count = step->count;

		send_copy(skb, p, (__u32)choose(p, at + 1, count));
		return (int)count + 1;
	}
	if (step->kind != FASTPATH_STEP_RULE) {
		send_copy(skb, p, at);
		return 1;
	}
	counters = rule_counters(p, step->index);
	if (!counters)
		return 1;
	counters->matched_pkts++;
	counters->matched_bytes += p->length_bytes;
	if (is_sampled(step->one_in, step->sample))
		return 1;
	counters->sampled_out_pkts++;
	return step->count + 1;
}

static __always_inline void restore(struct __sk_buff *skb, struct packet *p)
{
	const struct headers headers = {p->destination, p->link, p->port_be, p->ip_checksum,
					p->ttl};

	if (p->rewritten)
		write_headers(skb, p, &headers);
}

/* The original goes on, past the queue. */
static __always_inline int go_on(struct __sk_buff *skb, const struct packet *p)
{
	skb->priority = FASTPATH_SERVED_PRIORITY;
	skb->mark = p->mark | state.served_bit;
	return TC_ACT_UNSPEC;
}

/*
 * All copies, then the original. If it goes on, nft sees that it has been served.
 */
static __always_inline int serve(struct __sk_buff *skb, struct packet *p,
				 const struct fastpath_plan *plan)
{
	struct fastpath_total_counters *total = total_counters(p);
	bool goes_on;

	if (!total)
		return TC_ACT_UNSPEC;
	goes_on = plan->original == ORIGINAL_FORWARD ||
		  (plan->original == ORIGINAL_AUTO && !is_own(p));
	p->at = plan->first_step;
	p->end = p->at + plan->step_count;
	for (int i = 0; i < FASTPATH_STEPS_MAX && p->at < p->end; i++)
		p->at += (__u32)take_step(skb, p);
	if (!goes_on) {
		total->originals_dropped_pkts++;
		return TC_ACT_SHOT;
	}
	total->originals_forwarded_pkts++;
	restore(skb, p);
	return go_on(skb, p);
}

/*
 * A packet for the queue. Where that one is full the kernel would throw it away, after it has paid
 * for most of what a packet costs: so it is refused here, where that costs next to nothing.
 */
static __always_inline int queue(struct __sk_buff *skb, const struct packet *p)
{
	__u32 source = p->source[0], destination = p->destination[0], worker;
	struct fastpath_total_counters *total;

	if (p->ipv6)
		for (int i = 1; i < 4; i++) {
			source ^= p->source[i];
			destination ^= p->destination[i];
		}
	worker = state.worker_of_flow[fastpath_flow(source, destination) % FASTPATH_FLOWS];
	if (worker == 0 || worker > FASTPATH_WORKERS_MAX ||
	    !state.queue_is_full[(worker - 1) % FASTPATH_WORKERS_MAX])
		return TC_ACT_UNSPEC;
	total = total_counters(p);
	if (!total)
		return TC_ACT_UNSPEC;
	total->refused_pkts++;
	if (!state.refuse_forwards)
		return TC_ACT_SHOT;
	return go_on(skb, p);
}

/* This clock goes in ticks, and may be behind the daemon's. */
static __always_inline bool is_stale(void)
{
	return (__s64)(bpf_ktime_get_coarse_ns() - state.beat_ns) > (__s64)FASTPATH_STALE_NS;
}

SEC("tc")
int trafficduplicator(struct __sk_buff *skb)
{
	const struct fastpath_plan *plan;
	struct packet p = {0};
	__u32 banks;

	if (!read_packet(skb, &p))
		return TC_ACT_UNSPEC;
	banks = *(volatile __u32 *)&state.banks;
	p.tables = (banks & FASTPATH_TABLES_BANK) != 0;
	p.counters = (banks & FASTPATH_COUNTERS_BANK) != 0;
	plan = find_plan(&p);
	p.cpu = bpf_get_smp_processor_id();
	if (!plan || is_stale() || p.cpu >= cpu_count || !reaches_netfilter(skb, &p))
		return TC_ACT_UNSPEC;
	if (is_probe(skb, &p))
		return TC_ACT_UNSPEC;
	if (plan->action == FASTPATH_SERVE && p.length_bytes <= plan->mtu_bytes &&
	    p.ttl >= plan->ttl_min)
		return serve(skb, &p, plan);
	return plan->action == FASTPATH_QUEUE ? TC_ACT_UNSPEC : queue(skb, &p);
}

char fastpath_license[] SEC("license") = "Dual MIT/GPL";
