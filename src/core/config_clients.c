/* SPDX-License-Identifier: MIT */
#include "core/config_clients.h"

#include <sys/socket.h>

bool config_rule_takes(const struct config_rule *rule, uint8_t family)
{
	for (size_t d = 0; rule->enabled && d < rule->destination_count; d++)
		if (config_destination_takes(&rule->destinations[d], family))
			return true;
	return false;
}

/* The networks of a list that are excluded, or those that are not, of one family. */
static bool add_networks(struct ip_ranges *ranges, const struct config_prefix *prefixes,
			 size_t count, uint8_t family, bool excluded)
{
	for (size_t i = 0; i < count; i++) {
		const struct ip_prefix *prefix = &prefixes[i].prefix;

		if (prefixes[i].excluded == excluded && prefix->address.family == family &&
		    !ip_ranges_add(ranges, ip_range_of_prefix(prefix)))
			return false;
	}
	ip_ranges_merge(ranges);
	return true;
}

bool config_networks(struct ip_ranges *ranges, const struct config_prefix *prefixes, size_t count,
		     uint8_t family)
{
	struct ip_ranges excluded = {0};
	bool includes = false, done;

	for (size_t i = 0; i < count; i++)
		includes |= !prefixes[i].excluded;
	done = (includes ? add_networks(ranges, prefixes, count, family, false)
			 : ip_ranges_add(ranges, ip_range_any(family))) &&
	       add_networks(&excluded, prefixes, count, family, true) &&
	       ip_ranges_subtract(ranges, &excluded);
	ip_ranges_free(&excluded);
	return done;
}

/* The first four bytes of an address as a number: fine enough to measure large networks by. */
static uint64_t head_of(const struct ip_address *address)
{
	const uint8_t *bytes = address->bytes;

	return (uint64_t)bytes[0] << 24 | (uint64_t)bytes[1] << 16 | (uint64_t)bytes[2] << 8 |
	       bytes[3];
}

/* Unicast of IPv4 is 0.0.0.0 to 223.255.255.255; of IPv6, 2000::/3 is given out. */
static const struct span {
	uint64_t first, last;
} unicast4 = {0, 0xdfffffff}, unicast6 = {0x20000000, 0x3fffffff};

/* How much of a range lies in a span. */
static uint64_t common(const struct ip_range *range, const struct span *span)
{
	uint64_t first = head_of(&range->first), last = head_of(&range->last);

	first = first > span->first ? first : span->first;
	last = last < span->last ? last : span->last;
	return first <= last ? last - first + 1 : 0;
}

bool config_rule_is_open(const struct config_rule *rule, uint8_t family)
{
	const struct span *all = family == AF_INET ? &unicast4 : &unicast6;
	struct ip_ranges admitted = {0};
	uint64_t size = 0;

	if (config_networks(&admitted, rule->sources, rule->source_count, family))
		for (size_t i = 0; i < admitted.count; i++)
			size += common(&admitted.all[i], all);
	ip_ranges_free(&admitted);
	return size >= (all->last - all->first + 1) / 3;
}

bool config_rule_listens_at(const struct config_rule *rule, const struct ip_address *address)
{
	struct ip_ranges covered = {0};
	bool found = false;

	if (config_networks(&covered, rule->listens, rule->listen_count, address->family))
		for (size_t i = 0; i < covered.count && !found; i++)
			found = ip_compare(&covered.all[i].first, address) <= 0 &&
				ip_compare(address, &covered.all[i].last) <= 0;
	ip_ranges_free(&covered);
	return found;
}
