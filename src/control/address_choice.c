/* SPDX-License-Identifier: MIT */
#include "control/address_choice.h"

#include <string.h>
#include <sys/socket.h>

static void take_lower(struct ip_address *lowest, const struct ip_address *address)
{
	if (lowest->family == AF_UNSPEC ||
	    memcmp(address->bytes, lowest->bytes, sizeof(lowest->bytes)) < 0)
		*lowest = *address;
}

void address_choice_add(struct address_choice *choice, const struct ip_address *present,
			const struct ip_address *address)
{
	if (ip_kind(address) != IP_UNICAST) {
		take_lower(&choice->unusable, address);
		return;
	}
	choice->has_present |= ip_equal(address, present);
	take_lower(address->family == AF_INET ? &choice->ipv4 : &choice->ipv6, address);
}

const struct ip_address *address_choice_made(const struct address_choice *choice,
					     const struct ip_address *present)
{
	const struct ip_address *lowest =
		choice->ipv4.family != AF_UNSPEC ? &choice->ipv4 : &choice->ipv6;

	if (choice->has_present && present->family == lowest->family)
		return present;
	return lowest->family != AF_UNSPEC ? lowest : NULL;
}

bool address_choice_is_empty(const struct address_choice *choice)
{
	return choice->ipv4.family == AF_UNSPEC && choice->ipv6.family == AF_UNSPEC &&
	       choice->unusable.family == AF_UNSPEC;
}
