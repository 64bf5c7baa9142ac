/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Headers of copies: written over the packet's own, and taken back. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_BPF_HEADERS_H
#define TRAFFICDUPLICATOR_DATAPATH_BPF_HEADERS_H

#include "packet.h"

/* One copy's headers, or the original's. */
struct headers {
	const __u32 *address;
	const __u8 *link;
	__u16 port_be;
	__u16 ip_checksum; /* IPv4 */
	__u8 ttl;
};

/*
 * Brings the UDP checksum up to date, from what the header has now. The kernel's helper knows what
 * a checksum that the hardware has yet to finish needs, and what it has already summed up.
 */
static __always_inline void update_checksum(struct __sk_buff *skb, const struct packet *p,
					    __u32 difference, __u16 old_port_be, __u16 new_port_be)
{
	const __u32 offset =
		(p->ipv6 ? IPV6_UDP : IPV4_UDP) + __builtin_offsetof(struct udphdr, check);

	if (!p->checksum)
		return;
	bpf_l4_csum_replace(skb, offset, 0, difference, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
	/* It takes for granted that an IP header's checksum makes up for the address, which IPv6
	 * has not (net/core/utils.c, inet_proto_csum_replace_by_diff). */
	if (p->ipv6)
		bpf_csum_update(skb, difference);
	if (old_port_be != new_port_be)
		bpf_l4_csum_replace(skb, offset, old_port_be, new_port_be,
				    BPF_F_MARK_MANGLED_0 | sizeof(new_port_be));
}

static __always_inline bool write_ipv4(struct __sk_buff *skb, struct packet *p,
				       const struct headers *headers)
{
	__u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = (void *)(data + ETH_HLEN);
	struct udphdr *udp = (void *)(ip + 1);
	const __u32 address = *headers->address;
	__u32 old_address;
	__u16 old_port_be;

	if (data + IPV4_HEADERS > end)
		return false;
	__builtin_memcpy(data, headers->link, 12);
	old_address = ip->daddr;
	old_port_be = udp->dest;
	ip->check = headers->ip_checksum;
	ip->ttl = headers->ttl;
	ip->daddr = address;
	udp->dest = headers->port_be;
	update_checksum(skb, p, add(~old_address, address), old_port_be, headers->port_be);
	return true;
}

static __always_inline bool write_ipv6(struct __sk_buff *skb, struct packet *p,
				       const struct headers *headers)
{
	__u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv6hdr *ip = (void *)(data + ETH_HLEN);
	struct udphdr *udp = (void *)(ip + 1);
	__u32 *address, difference = 0;
	__u16 old_port_be;

	if (data + IPV6_HEADERS > end)
		return false;
	__builtin_memcpy(data, headers->link, 12);
	address = (void *)&ip->daddr;
	for (int i = 0; i < 4; i++) {
		difference = add(difference, ~address[i]);
		difference = add(difference, headers->address[i]);
		address[i] = headers->address[i];
	}
	ip->hop_limit = headers->ttl;
	old_port_be = udp->dest;
	udp->dest = headers->port_be;
	update_checksum(skb, p, difference, old_port_be, headers->port_be);
	return true;
}

static __always_inline bool write_headers(struct __sk_buff *skb, struct packet *p,
					  const struct headers *headers)
{
	p->rewritten = true;
	return p->ipv6 ? write_ipv6(skb, p, headers) : write_ipv4(skb, p, headers);
}

#endif
