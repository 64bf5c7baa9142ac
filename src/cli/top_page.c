/* SPDX-License-Identifier: MIT */
#include "cli/top_page.h"

#include "cli/status_format.h"
#include "cli/status_read.h"
#include "cli/top_items.h"
#include "cli/top_rules.h"
#include "cli/top_screen.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define LINE_SIZE 768
#define CLOCK_SIZE 32
/* Totals: two columns where the screen is wide enough, one where not. */
#define TOTALS_PER_COLUMN 3
#define TOTALS_GAP 3

struct total {
	const char *label;
	const char *part; /* the object in the state that has the key; NULL: the state itself */
	const char *key;
	bool is_level; /* goes up and down: has no rate */
	bool is_loss;
};

static const struct total totals[] = {
	{"received", NULL, "received_pkts", false, false},
	{"matched", NULL, "matched_by_any_pkts", false, false},
	{"waiting", "queue", "waiting_pkts", true, false},
	{"originals forwarded", "originals", "forwarded_pkts", false, false},
	{"originals dropped", "originals", "dropped_pkts", false, false},
	{"kernel drops", "queue", "dropped_kernel_pkts", false, true},
};

#define TOTAL_COUNT (sizeof(totals) / sizeof(totals[0]))

/* A total as text, and how much it takes. */
struct total_cells {
	char value[TOTAL_COUNT][STATUS_FORMAT_SIZE];
	char rate[TOTAL_COUNT][STATUS_FORMAT_SIZE + 2];
	enum top_style styles[TOTAL_COUNT];
	int value_width;
	int rate_width;
};

static const char *clock_text(time_t when, char out[static CLOCK_SIZE])
{
	struct tm parts;

	strftime(out, CLOCK_SIZE, "%H:%M:%S", localtime_r(&when, &parts));
	return out;
}

static void draw_title(const struct top_page *page)
{
	uint64_t uptime_s = status_read_number(page->later, "uptime_s");
	char line[LINE_SIZE], clock[CLOCK_SIZE];
	int width = top_screen_columns() - (int)sizeof("  hh:mm:ss") + 1;

	snprintf(line, sizeof(line),
		 "Traffic Duplicator %s  up %" PRIu64 " d %02" PRIu64 ":%02" PRIu64 ":%02" PRIu64
		 "  %s",
		 status_read_text(page->later, "version"), uptime_s / 86400, uptime_s / 3600 % 24,
		 uptime_s / 60 % 60, uptime_s % 60, status_read_text(page->later, "config"));
	top_screen_put(0, 0, width, TOP_BAR, line);
	top_screen_put_right(0, width, top_screen_columns() - width, TOP_BAR,
			     clock_text(page->answered, clock));
	top_screen_bar(0, TOP_BAR);
}

/* Returns the row after it. */
static int draw_failure(const struct top_page *page, int row)
{
	char line[LINE_SIZE], clock[CLOCK_SIZE];

	if (!page->failure)
		return row;
	snprintf(line, sizeof(line), "no answer since %s: %s",
		 clock_text(page->failing_since, clock), page->failure);
	top_screen_put(row, 0, top_screen_columns(), TOP_ALARM, line);
	top_screen_bar(row, TOP_ALARM);
	return row + 1;
}

static const struct json_object *part_of(const struct json_object *state, const struct total *total)
{
	return total->part ? status_read_value(state, total->part) : state;
}

static void fill_total(const struct top_page *page, size_t index, struct total_cells *cells)
{
	const struct total *total = &totals[index];
	const struct json_object *later = part_of(page->later, total);
	uint64_t value = status_read_number(later, total->key);
	double rate =
		status_read_rate(part_of(page->earlier, total), later, total->key, page->elapsed_s);
	char pps[STATUS_FORMAT_SIZE];
	int value_width, rate_width = 0;

	value_width = (int)strlen(status_format_number(value, cells->value[index]));
	cells->rate[index][0] = '\0';
	if (!total->is_level)
		rate_width = snprintf(cells->rate[index], sizeof(cells->rate[index]), "%s/s",
				      status_format_pps(rate, pps));
	cells->styles[index] = TOP_PLAIN;
	if (total->is_loss && value > 0)
		cells->styles[index] = rate > 0 ? TOP_GROWING_LOSS : TOP_LOSS;
	if (value_width > cells->value_width)
		cells->value_width = value_width;
	if (rate_width > cells->rate_width)
		cells->rate_width = rate_width;
}

static int label_width(size_t first, size_t end)
{
	int widest = 0;

	for (size_t i = first; i < end; i++) {
		int width = (int)strlen(totals[i].label);

		if (width > widest)
			widest = width;
	}
	return widest;
}

/* Returns the column after them. */
static int draw_totals_column(const struct total_cells *cells, size_t first, size_t end, int row,
			      int column)
{
	int value_at = column + label_width(first, end) + 1;
	int rate_at = value_at + cells->value_width + 1;

	for (size_t i = first; i < end; i++, row++) {
		top_screen_put(row, column, value_at - column - 1, cells->styles[i],
			       totals[i].label);
		top_screen_put_right(row, value_at, cells->value_width, cells->styles[i],
				     cells->value[i]);
		top_screen_put_right(row, rate_at, cells->rate_width, cells->styles[i],
				     cells->rate[i]);
	}
	return rate_at + cells->rate_width;
}

/* Returns the row after them. */
static int draw_totals(const struct top_page *page, int row)
{
	/* "999,999,999" and "999,999/s": columns should not jump. */
	struct total_cells cells = {.value_width = 11, .rate_width = 9};
	int numbers, both;

	for (size_t i = 0; i < TOTAL_COUNT; i++)
		fill_total(page, i, &cells);
	numbers = 1 + cells.value_width + 1 + cells.rate_width;
	both = label_width(0, TOTALS_PER_COLUMN) + numbers + TOTALS_GAP +
	       label_width(TOTALS_PER_COLUMN, TOTAL_COUNT) + numbers;
	if (both > top_screen_columns()) {
		draw_totals_column(&cells, 0, TOTAL_COUNT, row, 0);
		return row + (int)TOTAL_COUNT;
	}
	draw_totals_column(&cells, TOTALS_PER_COLUMN, TOTAL_COUNT, row,
			   draw_totals_column(&cells, 0, TOTALS_PER_COLUMN, row, 0) + TOTALS_GAP);
	return row + TOTALS_PER_COLUMN;
}

/* Returns the row after them, where there are any. */
static int draw_lost_totals(const struct top_page *page, int row)
{
	struct top_items items = {
		.first_line = 0,
		.end_line = INT_MAX,
		.row = row,
		.elapsed_s = page->elapsed_s,
	};

	top_items_add(&items, "unmatched", page->earlier, page->later, "unmatched_pkts", true);
	top_items_add(&items, "malformed", page->earlier, page->later, "malformed_pkts", true);
	top_items_add(&items, "truncated", page->earlier, page->later, "truncated_pkts", true);
	return row + top_items_end(&items);
}

static void draw_footer(const struct top_page *page, int line_count)
{
	int end = page->first_line + page->height;
	char line[LINE_SIZE];

	if (page->last_first_line > 0)
		snprintf(line, sizeof(line),
			 "q quits  lines %d-%d of %d: arrows, PgUp, PgDn, Home, End",
			 page->first_line + 1, end < line_count ? end : line_count, line_count);
	else
		snprintf(line, sizeof(line), "q quits");
	top_screen_put(top_screen_rows() - 1, 0, top_screen_columns(), TOP_BAR, line);
	top_screen_bar(top_screen_rows() - 1, TOP_BAR);
}

static void clamp(struct top_page *page)
{
	if (page->first_line > page->last_first_line)
		page->first_line = page->last_first_line;
	if (page->first_line < 0)
		page->first_line = 0;
}

/* In what is left from row on, less the footer. Returns how many lines there are. */
static int draw_rules(struct top_page *page, int row)
{
	struct top_rules rules = {
		.earlier = status_read_value(page->earlier, "rules"),
		.later = status_read_value(page->later, "rules"),
		.elapsed_s = page->elapsed_s,
	};
	struct top_viewport viewport = {.row = row + 2};
	int line_count = top_rules_draw(&rules, &viewport);

	page->height = top_screen_rows() - 1 - viewport.row;
	if (page->height < 1)
		page->height = 1;
	page->last_first_line = line_count > page->height ? line_count - page->height : 0;
	clamp(page);
	viewport.height = page->height;
	viewport.first_line = page->first_line;
	top_rules_measure(&rules);
	top_rules_draw_headings(&rules, row);
	top_rules_draw(&rules, &viewport);
	return line_count;
}

void top_page_draw(struct top_page *page)
{
	int row = 1;

	top_screen_begin();
	draw_title(page);
	row = draw_failure(page, row);
	row = draw_totals(page, row);
	row = draw_lost_totals(page, row);
	draw_footer(page, draw_rules(page, row));
	top_screen_end();
}

bool top_page_key(struct top_page *page, int key)
{
	switch (key) {
	case KEY_UP:
		page->first_line--;
		break;
	case KEY_DOWN:
		page->first_line++;
		break;
	case KEY_PPAGE:
		page->first_line -= page->height;
		break;
	case KEY_NPAGE:
		page->first_line += page->height;
		break;
	case KEY_HOME:
		page->first_line = 0;
		break;
	case KEY_END:
		page->first_line = page->last_first_line;
		break;
	default:
		return false;
	}
	clamp(page);
	return true;
}
