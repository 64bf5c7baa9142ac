/* SPDX-License-Identifier: MIT */
/* What of netfilter's rules is ours, in the kernel's messages about them (linux/netfilter/
 * nf_tables.h). */
#ifndef TRAFFICDUPLICATOR_CONTROL_NFT_MESSAGE_H
#define TRAFFICDUPLICATOR_CONTROL_NFT_MESSAGE_H

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdint.h>

#define NFT_OWN_TABLE "trafficduplicator"
/* In table raw of iptables-nft and ip6tables-nft, with a jump to it from PREROUTING. */
#define NFT_RAW_TABLE "raw"
#define NFT_RAW_CHAIN "TRAFFICDUPLICATOR"

/* Whether a table of this family (NFPROTO_INET, ...) is ours, or may have our chain. */
bool nft_table_is_ours(uint8_t family, const char *table);

/*
 * Goes through attributes: as mnl_attr_for_each and mnl_attr_for_each_nested do (libmnl/libmnl.h),
 * without a conversion that may change a value.
 */
#define NFT_FOR_EACH(at, message)                                                                  \
	for ((at) = mnl_nlmsg_get_payload_offset(message, sizeof(struct nfgenmsg));                \
	     nft_fits(at, mnl_nlmsg_get_payload_tail(message)); (at) = mnl_attr_next(at))
#define NFT_FOR_EACH_NESTED(at, nest)                                                              \
	for ((at) = mnl_attr_get_payload(nest);                                                    \
	     nft_fits(at,                                                                          \
		      (const char *)mnl_attr_get_payload(nest) + mnl_attr_get_payload_len(nest));  \
	     (at) = mnl_attr_next(at))
/* Whether a whole attribute stands there, before end. */
bool nft_fits(const struct nlattr *at, const void *end);

/* A message's attribute of this type; NULL: it has none. */
const struct nlattr *nft_attribute(const struct nlmsghdr *message, unsigned type);
/* The same as text; "" where there is none. */
const char *nft_text(const struct nlmsghdr *message, unsigned type);

#endif
