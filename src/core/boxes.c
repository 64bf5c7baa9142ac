/* SPDX-License-Identifier: MIT */
#include "core/boxes.h"

#include <stdlib.h>
#include <string.h>

/* Products looked at, over all slices: about a second's worth. */
#define STEPS_MAX (1u << 25)

struct cutter {
	struct boxes *boxes;
	const struct box_product *products;
	size_t most;
	size_t steps;
	enum boxes_result result;
	struct box box; /* the slices that the cutter is in, by side */
};

/* One range of one product in the side that is cut. */
struct entry {
	struct ip_range range;
	size_t product;
};

/* Goes along one side, slice by slice: within a slice the same products apply. */
struct sweep {
	struct entry *entries; /* sorted by where they begin */
	size_t count;
	size_t next;
	struct entry *live;
	size_t *products; /* of the live ones */
	size_t live_count;
	struct ip_range slice;
};

bool boxes_add(struct boxes *boxes, const struct box *box)
{
	/* Room for the next power of two. */
	if ((boxes->count & (boxes->count - 1)) == 0) {
		size_t room = boxes->count ? 2 * boxes->count : 1;
		struct box *all = reallocarray(boxes->all, room, sizeof(*all));

		if (!all)
			return false;
		boxes->all = all;
	}
	boxes->all[boxes->count++] = *box;
	return true;
}

void boxes_free(struct boxes *boxes)
{
	free(boxes->all);
	*boxes = (struct boxes){0};
}

static int by_first(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	return ip_compare(&left->range.first, &right->range.first);
}

static void sweep_end(struct sweep *sweep)
{
	free(sweep->entries);
	free(sweep->live);
	free(sweep->products);
}

static bool sweep_begin(struct sweep *sweep, const struct box_product *all, const size_t *products,
			size_t count, size_t side)
{
	size_t room = 0;

	for (size_t i = 0; i < count; i++)
		room += all[products[i]].sides[side]->count;
	sweep->entries = calloc(room + 1, sizeof(*sweep->entries));
	sweep->live = calloc(room + 1, sizeof(*sweep->live));
	sweep->products = calloc(room + 1, sizeof(*sweep->products));
	if (!sweep->entries || !sweep->live || !sweep->products)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct ip_ranges *ranges = all[products[i]].sides[side];

		for (size_t r = 0; r < ranges->count; r++)
			sweep->entries[sweep->count++] =
				(struct entry){ranges->all[r], products[i]};
	}
	qsort(sweep->entries, sweep->count, sizeof(*sweep->entries), by_first);
	return true;
}

/* Goes on to the next slice in which some product applies; false when there is none. */
static bool sweep_next(struct sweep *sweep)
{
	struct ip_range *slice = &sweep->slice;
	size_t kept = 0;

	for (size_t i = 0; i < sweep->live_count; i++)
		if (ip_compare(&sweep->live[i].range.last, &slice->last) > 0)
			sweep->live[kept++] = sweep->live[i];
	sweep->live_count = kept;
	if (kept > 0)
		ip_after(&slice->last, &slice->first);
	else if (sweep->next < sweep->count)
		slice->first = sweep->entries[sweep->next].range.first;
	else
		return false;
	while (sweep->next < sweep->count &&
	       ip_equal(&sweep->entries[sweep->next].range.first, &slice->first))
		sweep->live[sweep->live_count++] = sweep->entries[sweep->next++];
	slice->last = sweep->live[0].range.last;
	for (size_t i = 0; i < sweep->live_count; i++) {
		sweep->products[i] = sweep->live[i].product;
		if (ip_compare(&sweep->live[i].range.last, &slice->last) < 0)
			slice->last = sweep->live[i].range.last;
	}
	if (sweep->next < sweep->count &&
	    ip_compare(&sweep->entries[sweep->next].range.first, &slice->last) <= 0)
		slice->last = ip_before(&sweep->entries[sweep->next].range.first);
	return true;
}

/*
 * Joins the boxes from index middle on with as many from first on, where those differ in nothing
 * but that they end in this side where the others begin.
 */
static bool join(struct boxes *boxes, size_t first, size_t middle, size_t side)
{
	size_t count = boxes->count - middle;

	if (middle - first != count ||
	    !ip_range_touches(&boxes->all[first].sides[side], &boxes->all[middle].sides[side]))
		return false;
	for (size_t i = 0; i < count; i++)
		for (size_t s = side + 1; s < BOX_SIDES; s++)
			if (!ip_range_equal(&boxes->all[first + i].sides[s],
					    &boxes->all[middle + i].sides[s]))
				return false;
	for (size_t i = 0; i < count; i++)
		boxes->all[first + i].sides[side].last = boxes->all[middle + i].sides[side].last;
	boxes->count = middle;
	return true;
}

static bool fail(struct cutter *cutter, enum boxes_result result)
{
	cutter->result = result;
	return false;
}

/* Cuts what some products have in common with the box so far, from this side on. */
static bool cut(struct cutter *cutter, const size_t *products, size_t count, size_t side)
{
	struct boxes *boxes = cutter->boxes;
	struct sweep sweep = {0};
	size_t previous = boxes->count;
	bool going = sweep_begin(&sweep, cutter->products, products, count, side) ||
		     fail(cutter, BOXES_NO_MEMORY);

	while (going && sweep_next(&sweep)) {
		size_t first = boxes->count;

		cutter->box.sides[side] = sweep.slice;
		cutter->steps += sweep.live_count;
		if (cutter->steps > STEPS_MAX)
			going = fail(cutter, BOXES_TOO_MANY);
		else if (side + 1 < BOX_SIDES)
			going = cut(cutter, sweep.products, sweep.live_count, side + 1);
		else
			going = boxes_add(boxes, &cutter->box) || fail(cutter, BOXES_NO_MEMORY);
		if (!going || boxes->count == first)
			continue;
		if (!join(boxes, previous, first, side))
			previous = first;
		if (boxes->count > cutter->most)
			going = fail(cutter, BOXES_TOO_MANY);
	}
	sweep_end(&sweep);
	return going;
}

enum boxes_result boxes_cut(struct boxes *boxes, const struct box_product *products, size_t count,
			    size_t most)
{
	struct cutter cutter = {.boxes = boxes, .products = products, .most = most};
	size_t *every = calloc(count + 1, sizeof(*every));

	if (!every)
		return BOXES_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		every[i] = i;
	cut(&cutter, every, count, 0);
	free(every);
	return cutter.result;
}
