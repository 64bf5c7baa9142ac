/* SPDX-License-Identifier: MIT */
/*
 * Ranges of addresses of one family, and sorted lists of them. Plain numbers can be ranges too:
 * ip_number writes one as an address of no family.
 */
#ifndef TRAFFICDUPLICATOR_CORE_IP_RANGE_H
#define TRAFFICDUPLICATOR_CORE_IP_RANGE_H

#include "core/ip.h"

/* All addresses from first to last, both included. */
struct ip_range {
	struct ip_address first;
	struct ip_address last;
};

/* Zero-initialise before first use. Sorted and disjoint once ip_ranges_merge has been called. */
struct ip_ranges {
	struct ip_range *all;
	size_t count;
};

/* A number as an address of family AF_UNSPEC, and back. */
struct ip_address ip_number(uint32_t number);
uint32_t ip_number_value(const struct ip_address *number);

/* Order of two addresses of one family: negative, 0 or positive. */
int ip_compare(const struct ip_address *a, const struct ip_address *b);

/* The address after one; false, with *after all zero bytes, where it is the last of its family. */
bool ip_after(const struct ip_address *address, struct ip_address *after);

/* The address before one that is not the first of its family. */
struct ip_address ip_before(const struct ip_address *address);

struct ip_range ip_range_of_prefix(const struct ip_prefix *prefix);
struct ip_range ip_range_any(uint8_t family);
bool ip_range_equal(const struct ip_range *a, const struct ip_range *b);

/* Whether b begins right after the end of a. */
bool ip_range_touches(const struct ip_range *a, const struct ip_range *b);

/* The largest network that a range begins with; all of the range if that is a network. */
struct ip_prefix ip_range_head(const struct ip_range *range);

/* Into how many networks a range must be cut, or most + 1 where those would be more than most. */
size_t ip_range_networks(const struct ip_range *range, size_t most);

/* Appends. Returns false, and changes nothing, when memory runs out. */
bool ip_ranges_add(struct ip_ranges *ranges, struct ip_range range);

/* Sorts, and joins what overlaps or touches. */
void ip_ranges_merge(struct ip_ranges *ranges);

/* Takes out what is in other; both are merged. Returns false when memory runs out. */
bool ip_ranges_subtract(struct ip_ranges *ranges, const struct ip_ranges *other);

void ip_ranges_free(struct ip_ranges *ranges);

#endif
