/* SPDX-License-Identifier: MIT */
/* SOURCEADDRESS and LISTENADDRESS: lists of networks. Used by the config modules only. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_PREFIXES_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_PREFIXES_H

#include "core/config_read.h"

/* A list while its rule is read. Zero: the rule does not have the key. */
struct config_prefixes {
	struct config_value list;
	struct config_prefix *all; /* in the file's order */
	size_t count;
	bool valid; /* it is there, and nothing in it was reported */
};

/*
 * Reads a network or an array of networks into *prefixes, whose former content is released. Where
 * exclusions are allowed, an entry may begin with "!".
 */
void config_prefixes_read(const struct config_value *value, bool exclusions_allowed,
			  struct config_prefixes *prefixes);

#endif
