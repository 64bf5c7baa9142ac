/* SPDX-License-Identifier: MIT */
/*
 * Ports that need plans of their own: where one rule's destination keeps the packet's port and
 * another's names that very port, the two are one place. For fastpath_tables.c only.
 */
#ifndef TRAFFICDUPLICATOR_CORE_FASTPATH_SPLIT_H
#define TRAFFICDUPLICATOR_CORE_FASTPATH_SPLIT_H

#include "core/fastpath_abi.h"
#include "core/ruleset.h"

/*
 * By port in host byte order, whether packets to it may have other plans than those to the other
 * ports that the same rules listen to.
 */
struct fastpath_split {
	bool ports[FASTPATH_FAMILIES][FASTPATH_PORTS];
};

/* Returns NULL when memory runs out; the caller frees it. */
struct fastpath_split *fastpath_split_create(const struct ruleset *ruleset);

#endif
