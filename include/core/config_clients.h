/* SPDX-License-Identifier: MIT */
/* Whom a rule takes packets from and at which addresses, as ranges. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_CLIENTS_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_CLIENTS_H

#include "core/config.h"
#include "core/ip_range.h"

/* Whether an enabled rule has a destination for packets of this family. */
bool config_rule_takes(const struct config_rule *rule, uint8_t family);

/*
 * Adds to *ranges, which are empty, what a list of networks (SOURCEADDRESS, LISTENADDRESS) admits
 * of one family: those that are not excluded, or anything where none of either family is listed,
 * less those that are. Sorted and disjoint. Returns false when memory runs out; the caller calls
 * ip_ranges_free in any case.
 */
bool config_networks(struct ip_ranges *ranges, const struct config_prefix *prefixes, size_t count,
		     uint8_t family);

/*
 * Whether SOURCEADDRESS lets anybody on the Internet send, by this family: it is not there, or what
 * it admits, less what it excludes, is a third of the family's public addresses or more, which is
 * nobody's own network. False when memory runs out.
 */
bool config_rule_is_open(const struct config_rule *rule, uint8_t family);

/* Whether LISTENADDRESS covers an address. False when memory runs out. */
bool config_rule_listens_at(const struct config_rule *rule, const struct ip_address *address);

#endif
