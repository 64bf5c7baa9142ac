/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A packet as the kernel program sees it: read once, counted by CPU. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_BPF_PACKET_H
#define TRAFFICDUPLICATOR_DATAPATH_BPF_PACKET_H

#include "tables.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#define IPV4_HEADERS (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr))
#define IPV6_HEADERS (ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct udphdr))
#define IPV4_UDP (ETH_HLEN + sizeof(struct iphdr))
#define IPV6_UDP (ETH_HLEN + sizeof(struct ipv6hdr))

/* As much of the kernel's own structs as is read here; libbpf puts the real offsets in. */
struct ipv6_devconf {
	__s32 disable_ipv6;
} __attribute__((preserve_access_index));

struct inet6_dev {
	struct ipv6_devconf cnf;
} __attribute__((preserve_access_index));

struct net_device {
	void *rx_handler;
	struct inet6_dev *ip6_ptr;
} __attribute__((preserve_access_index));

struct sk_buff {
	struct net_device *dev;
	__u8 ip_summed : 2;
} __attribute__((preserve_access_index));

/* A packet on its way through the rules. */
struct packet {
	__u32 tables, counters; /* banks in force, from 0 */
	__u32 cpu;
	__u32 length_bytes; /* of the IP packet */
	__u8 ipv6, ttl;
	__u8 checksum; /* the UDP header has one */
	__u8 rewritten;
	__u16 port_be; /* original destination port */
	__u16 source_port_be;
	__u16 ip_checksum; /* original one, as it stands in the header */
	__u8 link[12];	   /* original Ethernet addresses */
	__u32 source[4];   /* as they stand in the header; IPv4: the first */
	__u32 destination[4];
	__u32 mark;    /* original one */
	__u32 at, end; /* steps still to be taken */
};

/* One's complement sum of 32-bit words, not folded yet, to 16 bits. */
static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* a + b with end-around carry. */
static __always_inline __u32 add(__u32 a, __u32 b)
{
	a += b;
	return a + (a < b);
}

static __always_inline struct fastpath_total_counters *total_counters(const struct packet *p)
{
	return entry(&totals, p->counters * cpu_count + p->cpu);
}

static __always_inline struct fastpath_rule_counters *rule_counters(const struct packet *p,
								    __u32 index)
{
	return entry(&rules, (p->counters * cpu_count + p->cpu) * rule_room + index);
}

static __always_inline struct fastpath_destination_counters *
destination_counters(const struct packet *p, __u32 index)
{
	return entry(&destinations, (p->counters * cpu_count + p->cpu) * destination_room + index);
}

/*
 * A UDP checksum of 0 says that there is none, unless the sender's kernel left the sum to the
 * hardware (CHECKSUM_PARTIAL) and the part that it wrote happens to be 0: such a packet cannot be
 * told from one without, once it is changed. Returns whether there is none.
 */
static __always_inline bool has_no_checksum(struct __sk_buff *skb)
{
	enum { CHECKSUM_PARTIAL = 3 }; /* include/linux/skbuff.h */
	struct sk_buff *kernel_skb = (void *)skb;

	return BPF_CORE_READ_BITFIELD_PROBED(kernel_skb, ip_summed) != CHECKSUM_PARTIAL;
}

static __always_inline bool read_udp(struct __sk_buff *skb, struct packet *p,
				     const struct udphdr *udp, __u32 room_bytes)
{
	__u32 udp_bytes = bpf_ntohs(udp->len);

	if (udp_bytes < sizeof(*udp) || udp_bytes > room_bytes)
		return false;
	p->port_be = udp->dest;
	p->source_port_be = udp->source;
	p->checksum = udp->check != 0;
	return p->checksum || has_no_checksum(skb);
}

/* Packets that the kernel would not let through to prerouting are not ours (net/ipv4/ip_input.c,
 * ip_rcv_core), nor are those that core/packet.c takes for malformed. */
static __always_inline bool read_ipv4(struct __sk_buff *skb, struct packet *p)
{
	const __u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	const struct iphdr *ip = (void *)(data + ETH_HLEN);
	const __u32 *words = (void *)ip;
	__u32 source, destination;

	if (data + IPV4_HEADERS > end)
		return false;
	p->length_bytes = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_UDP ||
	    (ip->frag_off & bpf_htons(0x3fff)) != 0 || p->length_bytes + ETH_HLEN != skb->len ||
	    p->length_bytes < sizeof(*ip))
		return false;
	if (fold((__u64)words[0] + words[1] + words[2] + words[3] + words[4]) != 0xffff)
		return false;
	source = bpf_ntohl(ip->saddr);
	destination = bpf_ntohl(ip->daddr);
	/* 0/8, 127/8, and 224/3 but for the reserved 240/4. */
	if (source >> 24 == 0 || source >> 24 == 127 || source >> 28 == 14 || source == 0xffffffff)
		return false;
	if (destination >> 24 == 0 || destination >> 24 == 127 || destination >> 28 >= 14)
		return false;
	p->ttl = ip->ttl;
	p->ip_checksum = ip->check;
	p->source[0] = ip->saddr;
	p->destination[0] = ip->daddr;
	__builtin_memcpy(p->link, data, sizeof(p->link));
	return read_udp(skb, p, (void *)(ip + 1), p->length_bytes - sizeof(*ip));
}

static __always_inline bool is_odd_ipv6(const __u32 *address)
{
	/* ff00::/8 */
	if ((address[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000))
		return true;
	/* ::, ::1 and ::ffff:0:0/96, with all that is like them */
	return address[0] == 0 && address[1] == 0;
}

static __always_inline bool read_ipv6(struct __sk_buff *skb, struct packet *p)
{
	const __u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	const struct ipv6hdr *ip = (void *)(data + ETH_HLEN);

	if (data + IPV6_HEADERS > end)
		return false;
	p->length_bytes = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (ip->version != 6 || ip->nexthdr != IPPROTO_UDP ||
	    p->length_bytes + ETH_HLEN != skb->len)
		return false;
	__builtin_memcpy(p->source, &ip->saddr, sizeof(p->source));
	__builtin_memcpy(p->destination, &ip->daddr, sizeof(p->destination));
	if (is_odd_ipv6(p->source) || is_odd_ipv6(p->destination))
		return false;
	p->ttl = ip->hop_limit;
	__builtin_memcpy(p->link, data, sizeof(p->link));
	return read_udp(skb, p, (void *)(ip + 1), p->length_bytes - sizeof(*ip));
}

/*
 * Whether the packet comes to prerouting on this interface. Bridges, bonds, and macvlan and ipvlan
 * devices, which may be in other namespaces, take packets away from it first (net/core/dev.c,
 * __netif_receive_skb_core); and IPv6 may be switched off (net/ipv6/ip6_input.c, ip6_rcv_core).
 */
static __always_inline bool reaches_netfilter(struct __sk_buff *skb, const struct packet *p)
{
	struct sk_buff *kernel_skb = (void *)skb;
	struct net_device *device = BPF_CORE_READ(kernel_skb, dev);
	struct inet6_dev *ipv6;

	if (BPF_CORE_READ(device, rx_handler))
		return false;
	if (!p->ipv6)
		return true;
	ipv6 = BPF_CORE_READ(device, ip6_ptr);
	return ipv6 && BPF_CORE_READ(ipv6, cnf.disable_ipv6) == 0;
}

/* Returns whether the packet is one that can be served here, if a rule wants it. */
static __always_inline bool read_packet(struct __sk_buff *skb, struct packet *p)
{
	__u32 wanted_bytes;

	if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size != 0 ||
	    skb->priority != 0)
		return false;
	/* A copy that has come back, within this machine. */
	if (skb->mark == state.mark)
		return false;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		wanted_bytes = IPV4_HEADERS;
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		wanted_bytes = IPV6_HEADERS;
	else
		return false;
	if (skb->len < wanted_bytes)
		return false;
	if ((__u64)skb->data_end - skb->data < wanted_bytes &&
	    bpf_skb_pull_data(skb, wanted_bytes) < 0)
		return false;
	p->mark = skb->mark;
	p->ipv6 = skb->protocol == bpf_htons(ETH_P_IPV6);
	return p->ipv6 ? read_ipv6(skb, p) : read_ipv4(skb, p);
}

#endif
