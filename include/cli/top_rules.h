/* SPDX-License-Identifier: MIT */
/* The part of top's page that scrolls: rules and their destinations, in the order of the file. */
#ifndef TRAFFICDUPLICATOR_CLI_TOP_RULES_H
#define TRAFFICDUPLICATOR_CLI_TOP_RULES_H

#include <json-c/json.h>

enum {
	TOP_COLUMN_STATE,
	TOP_COLUMN_PPS,
	TOP_COLUMN_BITS,
	TOP_COLUMN_IN,
	TOP_COLUMN_OUT,
	TOP_COLUMN_COUNT
};

/* The states to compare, and the columns that they need. */
struct top_rules {
	const struct json_object *earlier; /* NULL: no rates */
	const struct json_object *later;   /* arrays "rules" of `status --json` */
	double elapsed_s;
	int name_width;
	int gap;
	int widths[TOP_COLUMN_COUNT];
};

/* The lines of the screen that the rules may have. */
struct top_viewport {
	int row;
	int height;
	int first_line; /* the line of the rules that stands in the first row */
};

/* Sets the columns' widths for this screen. */
void top_rules_measure(struct top_rules *rules);

/* Two lines: what the columns mean for a rule, and for a destination. */
void top_rules_draw_headings(const struct top_rules *rules, int row);

/* Draws what the viewport shows. Returns how many lines there are in all. */
int top_rules_draw(const struct top_rules *rules, const struct top_viewport *viewport);

#endif
