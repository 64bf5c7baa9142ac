/* SPDX-License-Identifier: MIT */
#include "core/fastpath_store.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool fastpath_store_open(struct fastpath_store *store, const struct fastpath_limits *limits)
{
	static const struct fastpath_plan fixed[FASTPATH_FIXED_PLANS] = {
		[FASTPATH_PLAN_QUEUE].action = FASTPATH_QUEUE,
		[FASTPATH_PLAN_QUEUE_CERTAIN].action = FASTPATH_QUEUE_CERTAIN,
	};
	struct fastpath_tables *t = calloc(1, sizeof(*t));

	*store = (struct fastpath_store){.limits = limits, .tables = t};
	if (!t || !hash_index_init(&store->plans, limits->plans))
		return false;
	/* As large as they may become: pages that stay untouched cost nothing. */
	t->classes = calloc(limits->classes, sizeof(*t->classes));
	t->ranges4 = calloc(limits->ranges4, sizeof(*t->ranges4));
	t->ranges6 = calloc(limits->ranges6, sizeof(*t->ranges6));
	t->plans = calloc(limits->plans, sizeof(*t->plans));
	t->steps = calloc(limits->steps + 1, sizeof(*t->steps));
	t->own4 = calloc(limits->own4 + 1, sizeof(*t->own4));
	t->own6 = calloc(limits->own6 + 1, sizeof(*t->own6));
	if (!t->classes || !t->ranges4 || !t->ranges6 || !t->plans || !t->steps || !t->own4 ||
	    !t->own6)
		return false;
	memcpy(t->plans, fixed, sizeof(fixed));
	t->plan_count = FASTPATH_FIXED_PLANS;
	return true;
}

/* Gives back what an array does not use. */
static void *shrunk(void *array, size_t count, size_t size)
{
	void *small = array ? realloc(array, (count ? count : 1) * size) : NULL;

	return small ? small : array;
}

struct fastpath_tables *fastpath_store_close(struct fastpath_store *store)
{
	struct fastpath_tables *t = store->tables;

	hash_index_free(&store->plans);
	if (!t)
		return NULL;
	t->classes = shrunk(t->classes, t->class_count, sizeof(*t->classes));
	t->ranges4 = shrunk(t->ranges4, t->range4_count, sizeof(*t->ranges4));
	t->ranges6 = shrunk(t->ranges6, t->range6_count, sizeof(*t->ranges6));
	t->plans = shrunk(t->plans, t->plan_count, sizeof(*t->plans));
	t->steps = shrunk(t->steps, t->step_count, sizeof(*t->steps));
	t->own4 = shrunk(t->own4, t->own4_count, sizeof(*t->own4));
	t->own6 = shrunk(t->own6, t->own6_count, sizeof(*t->own6));
	return t;
}

/* Eight bytes of an IPv6 address as a number. */
static uint64_t half(const struct ip_address *address, size_t from)
{
	uint64_t be;

	memcpy(&be, address->bytes + from, sizeof(be));
	return be64toh(be);
}

void fastpath_store_add_own(struct fastpath_store *store, const struct netview *netview)
{
	struct fastpath_tables *tables = store->tables;

	/* The view's order is by family, and then that of the numbers. */
	for (size_t i = 0; i < netview->own_count; i++) {
		const struct ip_address *own = &netview->own[i];

		if (own->family == AF_INET && tables->own4_count < store->limits->own4)
			tables->own4[tables->own4_count++] = ip_number_value(own);
		else if (own->family == AF_INET6 && tables->own6_count < store->limits->own6)
			tables->own6[tables->own6_count++] =
				(struct fastpath_own6){half(own, 0), half(own, 8)};
		else
			store->own_missing[own->family == AF_INET6] = true;
	}
}

struct wanted_plan {
	const struct fastpath_tables *tables;
	const struct fastpath_plan *plan;
	const struct fastpath_step *steps;
};

static bool is_plan(const void *context, uint32_t entry)
{
	const struct wanted_plan *wanted = context;
	const struct fastpath_plan *known = &wanted->tables->plans[entry];

	/* All else of a plan follows from its steps. */
	return known->step_count == wanted->plan->step_count &&
	       memcmp(wanted->tables->steps + known->first_step, wanted->steps,
		      known->step_count * sizeof(*wanted->steps)) == 0;
}

uint32_t fastpath_store_add_plan(struct fastpath_store *store, const struct fastpath_plan *plan,
				 const struct fastpath_step *steps, uint64_t hash)
{
	struct fastpath_tables *tables = store->tables;
	const struct wanted_plan wanted = {tables, plan, steps};
	uint32_t *slot = hash_index_find(&store->plans, hash, is_plan, &wanted);

	if (*slot != HASH_INDEX_NONE)
		return *slot;
	if (tables->plan_count == store->limits->plans ||
	    plan->step_count > store->limits->steps - tables->step_count)
		return FASTPATH_NO_PLAN;
	*slot = (uint32_t)tables->plan_count++;
	tables->plans[*slot] = *plan;
	tables->plans[*slot].first_step = (__u32)tables->step_count;
	memcpy(tables->steps + tables->step_count, steps, plan->step_count * sizeof(*steps));
	tables->step_count += plan->step_count;
	return *slot;
}

size_t *fastpath_store_range_count(struct fastpath_store *store, size_t family)
{
	return family == 0 ? &store->tables->range4_count : &store->tables->range6_count;
}

static bool add_range4(struct fastpath_store *store, const struct ip_range *range, uint32_t plan,
		       size_t class_first)
{
	struct fastpath_tables *tables = store->tables;
	struct fastpath_range4 *next = &tables->ranges4[tables->range4_count];
	uint32_t first = ip_number_value(&range->first), last = ip_number_value(&range->last);

	if (tables->range4_count > class_first && next[-1].plan == plan &&
	    next[-1].last + 1 == first) {
		next[-1].last = last;
		return true;
	}
	/* One entry is kept for the class of the queue. */
	if (tables->range4_count + 1 >= store->limits->ranges4)
		return false;
	*next = (struct fastpath_range4){first, last, plan};
	tables->range4_count++;
	return true;
}

static bool add_range6(struct fastpath_store *store, const struct ip_range *range, uint32_t plan,
		       size_t class_first)
{
	struct fastpath_tables *tables = store->tables;
	struct fastpath_range6 *next = &tables->ranges6[tables->range6_count];
	struct fastpath_range6 added = {
		.first_high = half(&range->first, 0),
		.first_low = half(&range->first, 8),
		.last_high = half(&range->last, 0),
		.last_low = half(&range->last, 8),
		.plan = plan,
	};

	if (tables->range6_count > class_first && next[-1].plan == plan &&
	    next[-1].last_low + 1 == added.first_low &&
	    next[-1].last_high + (added.first_low == 0) == added.first_high) {
		next[-1].last_high = added.last_high;
		next[-1].last_low = added.last_low;
		return true;
	}
	if (tables->range6_count + 1 >= store->limits->ranges6)
		return false;
	*next = added;
	tables->range6_count++;
	return true;
}

bool fastpath_store_add_range(struct fastpath_store *store, size_t family,
			      const struct ip_range *range, uint32_t plan, size_t class_first)
{
	return family == 0 ? add_range4(store, range, plan, class_first)
			   : add_range6(store, range, plan, class_first);
}

bool fastpath_store_has_room_for_class(const struct fastpath_store *store)
{
	/* Besides those of the queue. */
	return store->tables->class_count + FASTPATH_FAMILIES < store->limits->classes;
}

uint32_t fastpath_store_add_class(struct fastpath_store *store, size_t family, size_t first)
{
	struct fastpath_tables *tables = store->tables;
	size_t count = *fastpath_store_range_count(store, family) - first;

	tables->classes[tables->class_count] = (struct fastpath_run){(__u32)first, (__u32)count};
	return (uint32_t)++tables->class_count;
}

uint32_t fastpath_store_queue_class(struct fastpath_store *store, size_t family)
{
	struct fastpath_tables *tables = store->tables;
	size_t *count = fastpath_store_range_count(store, family), first = *count;

	if (store->queue_class[family] != 0)
		return store->queue_class[family];
	if (family == 0)
		tables->ranges4[first] =
			(struct fastpath_range4){.last = UINT32_MAX, .plan = FASTPATH_PLAN_QUEUE};
	else
		tables->ranges6[first] = (struct fastpath_range6){.last_high = UINT64_MAX,
								  .last_low = UINT64_MAX,
								  .plan = FASTPATH_PLAN_QUEUE};
	*count = first + 1;
	store->queue_class[family] = fastpath_store_add_class(store, family, first);
	return store->queue_class[family];
}
