/* SPDX-License-Identifier: MIT */
/*
 * Boxes: one range in each of several dimensions. Cuts any number of products of lists of ranges,
 * which may overlap, into boxes that do not.
 */
#ifndef TRAFFICDUPLICATOR_CORE_BOXES_H
#define TRAFFICDUPLICATOR_CORE_BOXES_H

#include "core/ip_range.h"

#define BOX_SIDES 4

/* Ranges of addresses of one family, or of numbers, in each side. */
struct box {
	struct ip_range sides[BOX_SIDES];
};

/* Zero-initialise before first use. */
struct boxes {
	struct box *all;
	size_t count;
};

/* Whatever is in some range of each side's list. The lists are merged. */
struct box_product {
	const struct ip_ranges *sides[BOX_SIDES];
};

enum boxes_result { BOXES_DONE, BOXES_TOO_MANY, BOXES_NO_MEMORY };

/*
 * Fills *boxes, empty so far, with disjoint boxes that together cover exactly what the products
 * cover: cut along the first side first, and joined again wherever neighbours turn out to be equal.
 * BOXES_TOO_MANY when those are more than most, or would take seconds to find. The caller frees
 * *boxes in any case.
 */
enum boxes_result boxes_cut(struct boxes *boxes, const struct box_product *products, size_t count,
			    size_t most);

/* Appends. Returns false, and changes nothing, when memory runs out. */
bool boxes_add(struct boxes *boxes, const struct box *box);

void boxes_free(struct boxes *boxes);

#endif
