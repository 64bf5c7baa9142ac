/* SPDX-License-Identifier: MIT */
#include "cli/top_items.h"

#include "cli/status_format.h"
#include "cli/status_read.h"
#include "cli/top_screen.h"

#include <stdint.h>
#include <stdio.h>

#define GAP 2
/* A label, a number, a rate. */
#define ITEM_SIZE 192

static void put(struct top_items *items, const char *text, enum top_style style)
{
	int width = top_screen_width(text);

	if (items->column > 0 && items->column + GAP + width > top_screen_columns()) {
		items->line++;
		items->column = 0;
	}
	items->column += items->column > 0 ? GAP : items->indent;
	if (items->line >= items->first_line && items->line < items->end_line)
		top_screen_put(items->row + items->line - items->first_line, items->column, width,
			       style, text);
	items->column += width;
}

void top_items_add(struct top_items *items, const char *label, const struct json_object *earlier,
		   const struct json_object *later, const char *key, bool is_loss)
{
	double rate = status_read_rate(earlier, later, key, items->elapsed_s);
	uint64_t value = status_read_number(later, key);
	char number[STATUS_FORMAT_SIZE], pps[STATUS_FORMAT_SIZE], text[ITEM_SIZE];
	enum top_style style = TOP_PLAIN;

	if (value == 0)
		return;
	if (is_loss)
		style = rate > 0 ? TOP_GROWING_LOSS : TOP_LOSS;
	status_format_number(value, number);
	if (rate > 0)
		snprintf(text, sizeof(text), "%s %s (%s/s)", label, number,
			 status_format_pps(rate, pps));
	else
		snprintf(text, sizeof(text), "%s %s", label, number);
	put(items, text, style);
}

void top_items_add_losses(struct top_items *items, const struct json_object *earlier,
			  const struct json_object *later)
{
	struct json_object_iterator at, end;

	if (!json_object_is_type(later, json_type_object))
		return;
	at = json_object_iter_begin((struct json_object *)(uintptr_t)later);
	end = json_object_iter_end(later);
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *reason = json_object_iter_peek_name(&at);

		top_items_add(items, reason, earlier, later, reason, true);
	}
}

int top_items_end(const struct top_items *items)
{
	return items->column > 0 ? items->line + 1 : items->line;
}
