/* SPDX-License-Identifier: MIT */
#include "core/ip_range.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct ip_address ip_number(uint32_t number)
{
	struct ip_address address = {.family = AF_UNSPEC};

	for (size_t i = 0; i < 4; i++)
		address.bytes[i] = (uint8_t)(number >> (24 - 8 * i));
	return address;
}

uint32_t ip_number_value(const struct ip_address *number)
{
	uint32_t value = 0;

	for (size_t i = 0; i < 4; i++)
		value = value << 8 | number->bytes[i];
	return value;
}

int ip_compare(const struct ip_address *a, const struct ip_address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

bool ip_after(const struct ip_address *address, struct ip_address *after)
{
	size_t at = ip_length_bytes(address->family);

	*after = *address;
	while (at-- > 0)
		if (++after->bytes[at] != 0)
			return true;
	return false;
}

struct ip_address ip_before(const struct ip_address *address)
{
	struct ip_address before = *address;
	size_t at = ip_length_bytes(address->family);

	while (at-- > 0 && before.bytes[at]-- == 0)
		;
	return before;
}

struct ip_range ip_range_of_prefix(const struct ip_prefix *prefix)
{
	struct ip_range range = {.first = prefix->address, .last = prefix->address};
	size_t whole = (prefix->bits + 7u) / 8;

	if (prefix->bits % 8)
		range.last.bytes[whole - 1] |= (uint8_t)(0xff >> prefix->bits % 8);
	memset(range.last.bytes + whole, 0xff, ip_length_bytes(prefix->address.family) - whole);
	return range;
}

struct ip_range ip_range_any(uint8_t family)
{
	return ip_range_of_prefix(&(struct ip_prefix){.address.family = family});
}

bool ip_range_equal(const struct ip_range *a, const struct ip_range *b)
{
	return ip_equal(&a->first, &b->first) && ip_equal(&a->last, &b->last);
}

bool ip_range_touches(const struct ip_range *a, const struct ip_range *b)
{
	struct ip_address after;

	return ip_after(&a->last, &after) && ip_equal(&after, &b->first);
}

struct ip_prefix ip_range_head(const struct ip_range *range)
{
	uint8_t bits = (uint8_t)(ip_length_bytes(range->first.family) * 8);

	for (; bits > 0; bits--) {
		struct ip_prefix wider = ip_prefix_of(&range->first, (uint8_t)(bits - 1));
		struct ip_range covered = ip_range_of_prefix(&wider);

		if (!ip_equal(&wider.address, &range->first) ||
		    ip_compare(&covered.last, &range->last) > 0)
			break;
	}
	return (struct ip_prefix){.address = range->first, .bits = bits};
}

size_t ip_range_networks(const struct ip_range *range, size_t most)
{
	struct ip_range rest = *range;
	size_t count = 0;

	while (count <= most) {
		struct ip_prefix head = ip_range_head(&rest);
		struct ip_range covered = ip_range_of_prefix(&head);

		count++;
		if (ip_equal(&covered.last, &rest.last) || !ip_after(&covered.last, &rest.first))
			break;
	}
	return count;
}

bool ip_ranges_add(struct ip_ranges *ranges, struct ip_range range)
{
	/* Room for the next power of two. */
	if ((ranges->count & (ranges->count - 1)) == 0) {
		size_t room = ranges->count ? 2 * ranges->count : 1;
		struct ip_range *all = reallocarray(ranges->all, room, sizeof(*all));

		if (!all)
			return false;
		ranges->all = all;
	}
	ranges->all[ranges->count++] = range;
	return true;
}

static int by_first(const void *a, const void *b)
{
	const struct ip_range *left = a, *right = b;

	return ip_compare(&left->first, &right->first);
}

void ip_ranges_merge(struct ip_ranges *ranges)
{
	size_t kept = 0;

	if (ranges->count == 0)
		return;
	qsort(ranges->all, ranges->count, sizeof(*ranges->all), by_first);
	for (size_t i = 1; i < ranges->count; i++) {
		struct ip_range *last = &ranges->all[kept], *next = &ranges->all[i];

		if (ip_compare(&next->first, &last->last) > 0 && !ip_range_touches(last, next))
			ranges->all[++kept] = *next;
		else if (ip_compare(&next->last, &last->last) > 0)
			last->last = next->last;
	}
	ranges->count = kept + 1;
}

/* Appends to *left what a range has outside of other, from index *at on. */
static bool add_rest(struct ip_ranges *left, struct ip_range range, const struct ip_ranges *other,
		     size_t at)
{
	for (; at < other->count; at++) {
		const struct ip_range *out = &other->all[at];

		if (ip_compare(&out->first, &range.last) > 0)
			break;
		if (ip_compare(&out->first, &range.first) > 0) {
			struct ip_range piece = {range.first, ip_before(&out->first)};

			if (!ip_ranges_add(left, piece))
				return false;
		}
		if (ip_compare(&out->last, &range.last) >= 0 || !ip_after(&out->last, &range.first))
			return true;
	}
	return ip_ranges_add(left, range);
}

bool ip_ranges_subtract(struct ip_ranges *ranges, const struct ip_ranges *other)
{
	struct ip_ranges left = {0};
	size_t at = 0;

	for (size_t i = 0; i < ranges->count; i++) {
		while (at < other->count &&
		       ip_compare(&other->all[at].last, &ranges->all[i].first) < 0)
			at++;
		if (!add_rest(&left, ranges->all[i], other, at)) {
			ip_ranges_free(&left);
			return false;
		}
	}
	ip_ranges_free(ranges);
	*ranges = left;
	return true;
}

void ip_ranges_free(struct ip_ranges *ranges)
{
	free(ranges->all);
	*ranges = (struct ip_ranges){0};
}
