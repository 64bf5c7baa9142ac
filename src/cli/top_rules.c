/* SPDX-License-Identifier: MIT */
#include "cli/top_rules.h"

#include "cli/status_format.h"
#include "cli/status_read.h"
#include "cli/top_items.h"
#include "cli/top_screen.h"

#include <stdio.h>
#include <string.h>

#define DESTINATION_INDENT 2
#define ITEMS_INDENT 4
#define NAME_WIDTH_MIN 12
#define CELL_SIZE 64
/* From here on there is room for wide gaps. */
#define WIDE_SCREEN_COLUMNS 100

struct cells {
	char text[TOP_COLUMN_COUNT][CELL_SIZE];
};

static const struct cells rule_headings = {
	{"", "PACKETS/S", "BIT RATE", "MATCHED", "DUPLICATED"},
};
static const struct cells destination_headings = {
	{"STATE", "PACKETS/S", "BIT RATE", "DUE", "SENT"},
};
/* What fits always, so that columns do not jump at each second's new rates. */
static const struct cells usual = {
	{"", "999,999", "999.9 Mbit/s", "", ""},
};

/* The keys of the counters that a line shows. */
struct keys {
	const char *pkts;
	const char *bytes;
	const char *in;
	const char *out;
};

static const struct keys rule_keys = {
	.pkts = "matched_pkts",
	.bytes = "matched_bytes",
	.in = "matched_pkts",
	.out = "duplicated_pkts",
};
static const struct keys destination_keys = {
	.pkts = "sent_pkts",
	.bytes = "sent_bytes",
	.in = "due_pkts",
	.out = "sent_pkts",
};

/* A rule or a destination, now and before. */
struct pair {
	const struct json_object *earlier;
	const struct json_object *later;
};

static struct pair pair_at(const struct json_object *earlier, const struct json_object *later,
			   size_t index)
{
	const struct json_object *object = json_object_array_get_idx(later, index);

	return (struct pair){
		.earlier = status_read_find(earlier, status_read_text(object, "name"), index),
		.later = object,
	};
}

static struct pair destination_at(const struct pair *rule, size_t index)
{
	return pair_at(status_read_value(rule->earlier, "destinations"),
		       status_read_value(rule->later, "destinations"), index);
}

static size_t destination_count(const struct pair *rule)
{
	return status_read_length(status_read_value(rule->later, "destinations"));
}

static void fill_cells(const struct top_rules *rules, const struct pair *pair,
		       const struct keys *keys, struct cells *cells)
{
	char pps[STATUS_FORMAT_SIZE], bits[STATUS_FORMAT_SIZE];
	char in[STATUS_FORMAT_SIZE], out[STATUS_FORMAT_SIZE];
	double pkts_rate =
		status_read_rate(pair->earlier, pair->later, keys->pkts, rules->elapsed_s);
	double bytes_rate =
		status_read_rate(pair->earlier, pair->later, keys->bytes, rules->elapsed_s);
	const char *values[TOP_COLUMN_COUNT] = {
		status_read_state(pair->later),
		status_format_pps(pkts_rate, pps),
		status_format_bits(bytes_rate, bits),
		status_format_number(status_read_number(pair->later, keys->in), in),
		status_format_number(status_read_number(pair->later, keys->out), out),
	};

	for (int i = 0; i < TOP_COLUMN_COUNT; i++)
		snprintf(cells->text[i], CELL_SIZE, "%s", values[i]);
}

static void widen(struct top_rules *rules, const struct cells *cells)
{
	for (int i = 0; i < TOP_COLUMN_COUNT; i++) {
		int width = (int)strlen(cells->text[i]);

		if (width > rules->widths[i])
			rules->widths[i] = width;
	}
}

static void measure_pair(struct top_rules *rules, const struct pair *pair, const struct keys *keys,
			 int indent)
{
	int width = indent + top_screen_width(status_read_text(pair->later, "name"));
	struct cells cells;

	fill_cells(rules, pair, keys, &cells);
	widen(rules, &cells);
	if (width > rules->name_width)
		rules->name_width = width;
}

/* Names get what the numbers leave. */
static void limit_names(struct top_rules *rules)
{
	int room = top_screen_columns();

	for (int i = 0; i < TOP_COLUMN_COUNT; i++)
		room -= rules->widths[i] + rules->gap;
	if (rules->name_width > room)
		rules->name_width = room > NAME_WIDTH_MIN ? room : NAME_WIDTH_MIN;
}

void top_rules_measure(struct top_rules *rules)
{
	rules->name_width = NAME_WIDTH_MIN;
	rules->gap = top_screen_columns() < WIDE_SCREEN_COLUMNS ? 1 : 2;
	memset(rules->widths, 0, sizeof(rules->widths));
	widen(rules, &rule_headings);
	widen(rules, &destination_headings);
	widen(rules, &usual);
	for (size_t i = 0; i < status_read_length(rules->later); i++) {
		struct pair rule = pair_at(rules->earlier, rules->later, i);

		measure_pair(rules, &rule, &rule_keys, 0);
		for (size_t j = 0; j < destination_count(&rule); j++) {
			struct pair destination = destination_at(&rule, j);

			measure_pair(rules, &destination, &destination_keys, DESTINATION_INDENT);
		}
	}
	limit_names(rules);
}

/* Nobody has looked ("unchecked"), or it is "up", or packets are lost there. */
static enum top_style style_of_state(const char *state)
{
	if (strcmp(state, "unchecked") == 0)
		return TOP_PLAIN;
	return strcmp(state, "up") == 0 ? TOP_GOOD : TOP_LOSS;
}

static void put_cells(const struct top_rules *rules, int row, const struct cells *cells,
		      enum top_style style, enum top_style state_style)
{
	int column = rules->name_width;

	for (int i = 0; i < TOP_COLUMN_COUNT; i++) {
		column += rules->gap;
		if (i == TOP_COLUMN_STATE)
			top_screen_put(row, column, rules->widths[i], state_style, cells->text[i]);
		else
			top_screen_put_right(row, column, rules->widths[i], style, cells->text[i]);
		column += rules->widths[i];
	}
}

void top_rules_draw_headings(const struct top_rules *rules, int row)
{
	top_screen_put(row, 0, rules->name_width, TOP_PLAIN, "RULE");
	put_cells(rules, row, &rule_headings, TOP_PLAIN, TOP_PLAIN);
	top_screen_put(row + 1, 0, rules->name_width, TOP_PLAIN, "  DESTINATION");
	put_cells(rules, row + 1, &destination_headings, TOP_PLAIN, TOP_PLAIN);
	top_screen_bar(row, TOP_STRONG);
	top_screen_bar(row + 1, TOP_HEADING);
}

static bool is_shown(const struct top_viewport *viewport, int line)
{
	return line >= viewport->first_line && line < viewport->first_line + viewport->height;
}

static void draw_pair(const struct top_rules *rules, int row, const struct pair *pair,
		      const struct keys *keys, int indent)
{
	enum top_style style = indent > 0 ? TOP_PLAIN : TOP_STRONG;
	struct cells cells;

	fill_cells(rules, pair, keys, &cells);
	top_screen_put(row, indent, rules->name_width - indent, style,
		       status_read_text(pair->later, "name"));
	put_cells(rules, row, &cells, style, style_of_state(cells.text[TOP_COLUMN_STATE]));
}

static struct top_items items_at(const struct top_rules *rules, const struct top_viewport *viewport,
				 int line)
{
	return (struct top_items){
		.line = line,
		.indent = ITEMS_INDENT,
		.first_line = viewport->first_line,
		.end_line = viewport->first_line + viewport->height,
		.row = viewport->row,
		.elapsed_s = rules->elapsed_s,
	};
}

/* Both return the line after what they draw. */
static int draw_destination(const struct top_rules *rules, const struct top_viewport *viewport,
			    const struct pair *destination, int line)
{
	struct top_items items = items_at(rules, viewport, line + 1);

	if (is_shown(viewport, line))
		draw_pair(rules, viewport->row + line - viewport->first_line, destination,
			  &destination_keys, DESTINATION_INDENT);
	top_items_add(&items, "sampled out", destination->earlier, destination->later,
		      "sampled_out_pkts", false);
	top_items_add_losses(&items, status_read_value(destination->earlier, "dropped"),
			     status_read_value(destination->later, "dropped"));
	return top_items_end(&items);
}

static int draw_rule(const struct top_rules *rules, const struct top_viewport *viewport,
		     const struct pair *rule, int line)
{
	struct top_items items = items_at(rules, viewport, line + 1);

	if (is_shown(viewport, line))
		draw_pair(rules, viewport->row + line - viewport->first_line, rule, &rule_keys, 0);
	top_items_add(&items, "sampled out", rule->earlier, rule->later, "sampled_out_pkts", false);
	top_items_add(&items, "rate limited", rule->earlier, rule->later, "rate_limited_pkts",
		      true);
	return top_items_end(&items);
}

int top_rules_draw(const struct top_rules *rules, const struct top_viewport *viewport)
{
	int line = 0;

	for (size_t i = 0; i < status_read_length(rules->later); i++) {
		struct pair rule = pair_at(rules->earlier, rules->later, i);

		line = draw_rule(rules, viewport, &rule, line);
		for (size_t j = 0; j < destination_count(&rule); j++) {
			struct pair destination = destination_at(&rule, j);

			line = draw_destination(rules, viewport, &destination, line);
		}
	}
	return line;
}
