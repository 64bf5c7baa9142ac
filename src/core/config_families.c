/* SPDX-License-Identifier: MIT */
#include "core/config_families.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Families as bits. */
#define IPV4 1u
#define IPV6 2u

/* Addresses first..last, both included, of one family. */
struct range {
	struct ip_address first;
	struct ip_address last;
};

static unsigned family_bit(uint8_t family)
{
	return family == AF_INET6 ? IPV6 : IPV4;
}

static const char *family_name(unsigned family)
{
	return family == IPV6 ? "IPv6" : "IPv4";
}

static struct range range_of(const struct ip_prefix *prefix)
{
	struct range range = {prefix->address, prefix->address};
	size_t bits = ip_length_bytes(prefix->address.family) * 8;

	for (size_t bit = prefix->bits; bit < bits; bit++)
		range.last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return range;
}

/* The order of families, then of addresses: that of the struct's bytes. */
static int compare(const struct ip_address *a, const struct ip_address *b)
{
	return memcmp(a, b, sizeof *a);
}

static int by_first(const void *left, const void *right)
{
	const struct range *a = left, *b = right;

	return compare(&a->first, &b->first);
}

/* The address after this one; behind the last, the family's first. */
static struct ip_address next_address(struct ip_address address)
{
	for (size_t i = ip_length_bytes(address.family); i-- > 0;)
		if (++address.bytes[i] != 0)
			break;
	return address;
}

/* Merges sorted ranges that overlap or touch, in place. Returns how many are left. */
static size_t merge(struct range *ranges, size_t count)
{
	size_t merged = 0;

	for (size_t i = 0; i < count; i++) {
		struct range *last = merged ? &ranges[merged - 1] : NULL;
		struct ip_address next = last ? next_address(last->last) : (struct ip_address){0};

		if (!last || (compare(&ranges[i].first, &last->last) > 0 &&
			      !ip_equal(&ranges[i].first, &next)))
			ranges[merged++] = ranges[i];
		else if (compare(&ranges[i].last, &last->last) > 0)
			last->last = ranges[i].last;
	}
	return merged;
}

static int by_place(const void *key, const void *element)
{
	const struct ip_address *address = key;
	const struct range *range = element;

	if (compare(address, &range->first) < 0)
		return -1;
	return compare(address, &range->last) > 0;
}

/* Whether sorted ranges without gaps between touching ones hold all of a network. */
static bool covers(const struct range *ranges, size_t count, const struct ip_prefix *prefix)
{
	struct range wanted = range_of(prefix);
	const struct range *range = bsearch(&wanted.first, ranges, count, sizeof *ranges, by_place);

	return range && compare(&wanted.last, &range->last) <= 0;
}

/* The families of which exclusions, as ranges, leave anything of the list's inclusions. */
static unsigned families_left(const struct config_prefixes *list, const struct range *excluded,
			      size_t excluded_count)
{
	static const struct ip_prefix everyone[] = {{.address.family = AF_INET},
						    {.address.family = AF_INET6}};
	bool any_inclusion = false;
	unsigned families = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct ip_prefix *prefix = &list->all[i].prefix;

		if (list->all[i].excluded)
			continue;
		any_inclusion = true;
		if (!covers(excluded, excluded_count, prefix))
			families |= family_bit(prefix->address.family);
	}
	for (size_t i = 0; !any_inclusion && i < 2; i++)
		if (!covers(excluded, excluded_count, &everyone[i]))
			families |= family_bit(everyone[i].address.family);
	return families;
}

/*
 * The families of which a list leaves at least one address; both where the list is not there or
 * not right. Reports it when nobody is left.
 */
static unsigned find_families(const struct config_prefixes *list)
{
	struct range *excluded;
	size_t count = 0;
	unsigned families;

	if (!list->valid)
		return IPV4 | IPV6;
	excluded = calloc(list->count, sizeof *excluded);
	if (!excluded) {
		config_report_no_memory(list->list.report);
		return IPV4 | IPV6;
	}
	for (size_t i = 0; i < list->count; i++)
		if (list->all[i].excluded)
			excluded[count++] = range_of(&list->all[i].prefix);
	qsort(excluded, count, sizeof *excluded, by_first);
	families = families_left(list, excluded, merge(excluded, count));
	free(excluded);
	if (families != 0)
		return families;
	config_read_error(&list->list, "the exclusions leave nobody; remove or narrow one of them");
	return IPV4 | IPV6;
}

static void report_destination(const struct config_destinations *destinations, size_t index,
			       unsigned families, bool by_sources)
{
	struct config_value place;

	config_read_place(&destinations->list, destinations->nodes[index], &place);
	config_read_error(&place,
			  "an %s destination, but %s leaves %s only, and a copy stays in its "
			  "packet's family; write an %s destination, or widen %s",
			  family_name(families ^ (IPV4 | IPV6)),
			  by_sources ? "SOURCEADDRESS" : "LISTENADDRESS", family_name(families),
			  family_name(families), by_sources ? "SOURCEADDRESS" : "LISTENADDRESS");
}

void config_families_check(const struct config_prefixes *sources,
			   const struct config_prefixes *listens,
			   const struct config_destinations *destinations)
{
	unsigned clients = find_families(sources), originals = find_families(listens);
	unsigned families = clients & originals;

	if (families == 0) {
		config_read_error(&listens->list,
				  "%s only, but SOURCEADDRESS leaves %s only, so that no packet "
				  "matches; write addresses of one family in both",
				  family_name(originals), family_name(clients));
		return;
	}
	if (families == (IPV4 | IPV6))
		return;
	for (size_t i = 0; i < destinations->count; i++)
		if (!config_destination_takes(&destinations->all[i],
					      families == IPV6 ? AF_INET6 : AF_INET))
			report_destination(destinations, i, families, clients == families);
}
