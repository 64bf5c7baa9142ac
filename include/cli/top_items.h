/* SPDX-License-Identifier: MIT */
/* Numbers with labels, one after the other, on as many lines as they need; zeros are left out. */
#ifndef TRAFFICDUPLICATOR_CLI_TOP_ITEMS_H
#define TRAFFICDUPLICATOR_CLI_TOP_ITEMS_H

#include <json-c/json.h>
#include <stdbool.h>

/* Where the next item stands. */
struct top_items {
	int line;	/* of the first item; goes up */
	int column;	/* after the last item; 0: none yet */
	int indent;	/* of every line */
	int first_line; /* lines before this one are not drawn */
	int end_line;	/* nor this one and those after it */
	int row;	/* of the screen: where first_line stands */
	double elapsed_s;
};

/*
 * Adds "label number", and the rate per second where it is above zero. The number is a key's; the
 * earlier object, from which the rate is, may be NULL. A loss is red, and bold while it grows.
 */
void top_items_add(struct top_items *items, const char *label, const struct json_object *earlier,
		   const struct json_object *later, const char *key, bool is_loss);

/* Adds every number of an object as a loss, with its key for a label. */
void top_items_add_losses(struct top_items *items, const struct json_object *earlier,
			  const struct json_object *later);

/* The line after the last item. */
int top_items_end(const struct top_items *items);

#endif
