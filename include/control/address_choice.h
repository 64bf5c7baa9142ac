/* SPDX-License-Identifier: MIT */
/* Which of the addresses that a host name has is used. Start with a zeroed struct. */
#ifndef TRAFFICDUPLICATOR_CONTROL_ADDRESS_CHOICE_H
#define TRAFFICDUPLICATOR_CONTROL_ADDRESS_CHOICE_H

#include "core/ip.h"

/* The lowest address of each sort; family AF_UNSPEC: none. */
struct address_choice {
	bool has_present; /* the address in use is among them */
	struct ip_address ipv4, ipv6;
	struct ip_address unusable; /* no copy can go there: loopback, multicast, ... */
};

/* present is the address in use, or one of family AF_UNSPEC. */
void address_choice_add(struct address_choice *choice, const struct ip_address *present,
			const struct ip_address *address);

/* The present address if it is among them and of the better family, else the lowest: of IPv4 if
 * there is one, else of IPv6. NULL: none is usable. Points into the arguments. */
const struct ip_address *address_choice_made(const struct address_choice *choice,
					     const struct ip_address *present);

/* Whether nothing was added, not even an unusable address. */
bool address_choice_is_empty(const struct address_choice *choice);

#endif
