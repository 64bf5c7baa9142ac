/* SPDX-License-Identifier: MIT */
/* Which addresses the Internet reaches. */
#ifndef TRAFFICDUPLICATOR_CORE_IP_PUBLIC_H
#define TRAFFICDUPLICATOR_CORE_IP_PUBLIC_H

#include "core/ip.h"

#include <stdbool.h>

/*
 * Whether an address of a machine is one that the Internet has a way to: unicast, and not of a
 * block that IANA's registries of special-purpose addresses (RFC 6890 and what has updated it) call
 * not globally reachable: private, shared, link-local, documentation, benchmarking, ... Of IPv6,
 * only 2000::/3 is given out. 2001::/23 counts as not public altogether: what of it is reachable
 * are services, not machines.
 */
bool ip_is_public(const struct ip_address *address);

#endif
