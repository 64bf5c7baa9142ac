/* SPDX-License-Identifier: MIT */
/*
 * The fast path's tables while they grow, within their limits. For fastpath_tables.c only.
 *
 * Families are numbered as in core/fastpath_abi.h: 0 is IPv4, 1 is IPv6. Classes have numbers as
 * in the table of ports: index + 1.
 */
#ifndef TRAFFICDUPLICATOR_CORE_FASTPATH_STORE_H
#define TRAFFICDUPLICATOR_CORE_FASTPATH_STORE_H

#include "core/fastpath_tables.h"
#include "core/hash_index.h"
#include "core/ip_range.h"

/* Instead of the index of a plan: there is none. */
#define FASTPATH_NO_PLAN UINT32_MAX

struct fastpath_store {
	const struct fastpath_limits *limits;
	struct fastpath_tables *tables;
	struct hash_index plans; /* indices into tables->plans */
	/* The class that leaves all clients to the queue; 0 as long as nobody asked for it. */
	uint32_t queue_class[FASTPATH_FAMILIES];
	bool own_missing[FASTPATH_FAMILIES]; /* addresses of the machine found no room */
};

/*
 * Begins, with the two plans that all tables have. Returns false when memory runs out;
 * fastpath_store_close in any case.
 */
bool fastpath_store_open(struct fastpath_store *store, const struct fastpath_limits *limits);

/* Ends. Returns the tables, no larger than they need be, for the caller to free if there are any.
 */
struct fastpath_tables *fastpath_store_close(struct fastpath_store *store);

/* Adds the machine's addresses, as far as there is room. */
void fastpath_store_add_own(struct fastpath_store *store, const struct netview *netview);

/*
 * The index of a plan with these steps, added unless there is one (first_step aside) with the same
 * hash. FASTPATH_NO_PLAN where there is no room.
 */
uint32_t fastpath_store_add_plan(struct fastpath_store *store, const struct fastpath_plan *plan,
				 const struct fastpath_step *steps, uint64_t hash);

/* The number of ranges of a family so far; the caller may take it back to an earlier one. */
size_t *fastpath_store_range_count(struct fastpath_store *store, size_t family);

/*
 * Adds a range of clients behind those of its class, the first of which has index class_first; or
 * makes the last one longer, if that has the same plan and ends where this one begins. Returns
 * false where there is no room.
 */
bool fastpath_store_add_range(struct fastpath_store *store, size_t family,
			      const struct ip_range *range, uint32_t plan, size_t class_first);

bool fastpath_store_has_room_for_class(const struct fastpath_store *store);

/* Makes a class of all ranges from first on. Returns its number. There must be room. */
uint32_t fastpath_store_add_class(struct fastpath_store *store, size_t family, size_t first);

/* The number of the class that leaves all clients to the queue: there always is room for it. Not
 * while ranges of a class yet to be added are the last. */
uint32_t fastpath_store_queue_class(struct fastpath_store *store, size_t family);

#endif
