/* SPDX-License-Identifier: MIT */
#include "control/nft_message.h"

#include <linux/netfilter.h>
#include <string.h>

bool nft_table_is_ours(uint8_t family, const char *table)
{
	if (family == NFPROTO_INET)
		return strcmp(table, NFT_OWN_TABLE) == 0;
	return (family == NFPROTO_IPV4 || family == NFPROTO_IPV6) &&
	       strcmp(table, NFT_RAW_TABLE) == 0;
}

bool nft_fits(const struct nlattr *at, const void *end)
{
	return mnl_attr_ok(at, (int)((const char *)end - (const char *)at));
}

const struct nlattr *nft_attribute(const struct nlmsghdr *message, unsigned type)
{
	const struct nlattr *attribute;

	NFT_FOR_EACH(attribute, message)
	{
		if (mnl_attr_get_type(attribute) == type)
			return attribute;
	}
	return NULL;
}

const char *nft_text(const struct nlmsghdr *message, unsigned type)
{
	const struct nlattr *attribute = nft_attribute(message, type);

	if (!attribute || mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0)
		return "";
	return mnl_attr_get_str(attribute);
}
