/* SPDX-License-Identifier: MIT */
/* top's page: totals that stay where they are, and rules that scroll. */
#ifndef TRAFFICDUPLICATOR_CLI_TOP_PAGE_H
#define TRAFFICDUPLICATOR_CLI_TOP_PAGE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <time.h>

/* What there is to show, and how far it is scrolled. */
struct top_page {
	const struct json_object *earlier; /* NULL: no rates */
	const struct json_object *later;
	double elapsed_s;
	time_t answered;     /* when later was so */
	const char *failure; /* NULL: the daemon answers */
	time_t failing_since;
	int first_line;
	int last_first_line; /* set by top_page_draw(), with the next too */
	int height;	     /* of what scrolls */
};

void top_page_draw(struct top_page *page);

/* Scrolls. Returns false for a key that does not. */
bool top_page_key(struct top_page *page, int key);

#endif
