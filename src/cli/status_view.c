/* SPDX-License-Identifier: MIT */
#include "cli/status_view.h"

#include "cli/status_format.h"
#include "cli/status_read.h"

#include <stdint.h>
#include <string.h>

/* Columns of a destination's line, right-aligned from COLUMN_DUE on. */
enum { COLUMN_NAME, COLUMN_STATE, COLUMN_DUE, COLUMN_SENT, COLUMN_PPS, COLUMN_BITS, COLUMN_COUNT };

#define CELL_SIZE 96

struct view {
	FILE *out;
	double elapsed_s;
	bool colour;
	int widths[COLUMN_COUNT];
};

struct cells {
	char text[COLUMN_COUNT][CELL_SIZE];
};

static const struct cells headings = {
	{"DESTINATION", "STATE", "DUE", "SENT", "PACKETS/S", "BIT RATE"},
};

static double rate(const struct view *view, const struct json_object *earlier,
		   const struct json_object *later, const char *key)
{
	return status_read_rate(earlier, later, key, view->elapsed_s);
}

static void fill_cells(const struct view *view, const struct json_object *earlier,
		       const struct json_object *later, struct cells *cells)
{
	char due[STATUS_FORMAT_SIZE], sent[STATUS_FORMAT_SIZE], pps[STATUS_FORMAT_SIZE],
		bits[STATUS_FORMAT_SIZE];
	const char *values[COLUMN_COUNT] = {
		status_read_text(later, "name"),
		status_read_state(later),
		status_format_number(status_read_number(later, "due_pkts"), due),
		status_format_number(status_read_number(later, "sent_pkts"), sent),
		status_format_pps(rate(view, earlier, later, "sent_pkts"), pps),
		status_format_bits(rate(view, earlier, later, "sent_bytes"), bits),
	};

	for (int i = 0; i < COLUMN_COUNT; i++)
		snprintf(cells->text[i], CELL_SIZE, "%s", values[i]);
}

static void widen(struct view *view, const struct cells *cells)
{
	for (int i = 0; i < COLUMN_COUNT; i++) {
		int width = (int)strlen(cells->text[i]);

		if (width > view->widths[i])
			view->widths[i] = width;
	}
}

/* One width for all rules, so that the eye can go down a column. */
static void measure(struct view *view, const struct json_object *earlier_rules,
		    const struct json_object *later_rules)
{
	struct cells cells;

	widen(view, &headings);
	for (size_t i = 0; i < status_read_length(later_rules); i++) {
		struct json_object *rule = json_object_array_get_idx(later_rules, i);
		struct json_object *former =
			status_read_find(earlier_rules, status_read_text(rule, "name"), i);
		struct json_object *destinations = status_read_value(rule, "destinations");

		for (size_t j = 0; j < status_read_length(destinations); j++) {
			struct json_object *later = json_object_array_get_idx(destinations, j);
			struct json_object *earlier =
				status_read_find(status_read_value(former, "destinations"),
						 status_read_text(later, "name"), j);

			fill_cells(view, earlier, later, &cells);
			widen(view, &cells);
		}
	}
}

static void print_cells(const struct view *view, const struct cells *cells)
{
	for (int i = 0; i < COLUMN_COUNT; i++)
		fprintf(view->out, i < COLUMN_DUE ? "  %-*s" : "  %*s", view->widths[i],
			cells->text[i]);
}

static const char *colour(const struct view *view, const char *code)
{
	return view->colour ? code : "";
}

/* "label number", after what stands on the line already. */
static void print_number(const struct view *view, const char *label, uint64_t value)
{
	char digits[STATUS_FORMAT_SIZE];

	fprintf(view->out, "  %s %s", label, status_format_number(value, digits));
}

/* As print_number, but red where it should be zero and is not. */
static void print_loss(const struct view *view, const char *label, uint64_t value)
{
	fputs(value > 0 ? colour(view, "\033[31m") : "", view->out);
	print_number(view, label, value);
	fputs(value > 0 ? colour(view, "\033[0m") : "", view->out);
}

/* As print_loss, and silent where it is zero. */
static void print_loss_if_any(const struct view *view, const char *label, uint64_t value)
{
	if (value > 0)
		print_loss(view, label, value);
}

static void print_dropped(const struct view *view, const struct json_object *dropped)
{
	struct json_object_iterator at, end;

	if (!json_object_is_type(dropped, json_type_object))
		return;
	at = json_object_iter_begin((struct json_object *)(uintptr_t)dropped);
	end = json_object_iter_end(dropped);
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
		print_loss_if_any(view, json_object_iter_peek_name(&at),
				  json_object_get_uint64(json_object_iter_peek_value(&at)));
}

static void print_destinations(const struct view *view, const struct json_object *earlier,
			       const struct json_object *later)
{
	struct cells cells;

	for (size_t i = 0; i < status_read_length(later); i++) {
		struct json_object *destination = json_object_array_get_idx(later, i);
		uint64_t sampled_out = status_read_number(destination, "sampled_out_pkts");

		fill_cells(view,
			   status_read_find(earlier, status_read_text(destination, "name"), i),
			   destination, &cells);
		print_cells(view, &cells);
		if (sampled_out > 0)
			print_number(view, "sampled out", sampled_out);
		print_dropped(view, status_read_value(destination, "dropped"));
		fputc('\n', view->out);
	}
}

static void print_rule(const struct view *view, const struct json_object *earlier,
		       const struct json_object *later)
{
	char pps[STATUS_FORMAT_SIZE], bits[STATUS_FORMAT_SIZE];
	uint64_t sampled_out = status_read_number(later, "sampled_out_pkts");
	const char *fastpath = status_read_text(later, "fastpath");
	struct json_object *enabled = json_object_object_get(later, "enabled");

	fprintf(view->out, "\n%s%s%s", colour(view, "\033[1m"), status_read_text(later, "name"),
		colour(view, "\033[0m"));
	print_number(view, "matched", status_read_number(later, "matched_pkts"));
	fprintf(view->out, " (%s packets/s, %s)",
		status_format_pps(rate(view, earlier, later, "matched_pkts"), pps),
		status_format_bits(rate(view, earlier, later, "matched_bytes"), bits));
	print_number(view, "duplicated", status_read_number(later, "duplicated_pkts"));
	if (sampled_out > 0)
		print_number(view, "sampled out", sampled_out);
	print_loss_if_any(view, "rate limited", status_read_number(later, "rate_limited_pkts"));
	fputc('\n', view->out);
	/* A daemon of a former version does not tell. Without a fast path nothing is said of it. */
	if (enabled && !json_object_get_boolean(enabled))
		fprintf(view->out, "  disabled: nothing is duplicated\n");
	else if (strcmp(fastpath, "off") != 0)
		fprintf(view->out, "  fast path: %s\n", fastpath);
	print_cells(view, &headings);
	fputc('\n', view->out);
	print_destinations(view, status_read_value(earlier, "destinations"),
			   status_read_value(later, "destinations"));
}

static uint64_t duplicated_pkts(const struct json_object *rules)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < status_read_length(rules); i++)
		sum += status_read_number(json_object_array_get_idx(rules, i), "duplicated_pkts");
	return sum;
}

static void print_totals(const struct view *view, const struct json_object *earlier,
			 const struct json_object *later)
{
	const struct json_object *originals = status_read_value(later, "originals"),
				 *queue = status_read_value(later, "queue");
	char received[STATUS_FORMAT_SIZE], pps[STATUS_FORMAT_SIZE];

	fprintf(view->out, "received %s (%s packets/s)",
		status_format_number(status_read_number(later, "received_pkts"), received),
		status_format_pps(rate(view, earlier, later, "received_pkts"), pps));
	print_number(view, "duplicated", duplicated_pkts(status_read_value(later, "rules")));
	print_number(view, "originals forwarded", status_read_number(originals, "forwarded_pkts"));
	print_number(view, "originals dropped", status_read_number(originals, "dropped_pkts"));
	print_number(view, "waiting", status_read_number(queue, "waiting_pkts"));
	print_loss(view, "kernel drops", status_read_number(queue, "dropped_kernel_pkts"));
	print_loss_if_any(view, "unmatched", status_read_number(later, "unmatched_pkts"));
	print_loss_if_any(view, "malformed", status_read_number(later, "malformed_pkts"));
	print_loss_if_any(view, "truncated", status_read_number(later, "truncated_pkts"));
	fputc('\n', view->out);
}

/* How the daemon itself is: a line each, where there is something to say. */
static void print_daemon(const struct view *view, const struct json_object *state)
{
	const char *health = status_read_text(state, "health"),
		   *http = status_read_text(state, "http");
	struct json_object *reload = status_read_value(state, "last_reload");
	bool ok = json_object_get_boolean(status_read_value(reload, "ok"));
	const char *report = status_read_text(reload, "report");

	if (strcmp(health, "ok") != 0 && health[0])
		fprintf(view->out, "%snot healthy: %s%s\n", colour(view, "\033[31m"), health,
			colour(view, "\033[0m"));
	if (strcmp(http, "off") != 0 && http[0])
		fprintf(view->out, "http %s\n", http);
	if (reload)
		fprintf(view->out, "last reload %s  %s%s%s  %.*s\n", status_read_text(reload, "at"),
			ok ? "" : colour(view, "\033[31m"), ok ? "done" : "refused",
			ok ? "" : colour(view, "\033[0m"), (int)strcspn(report, "\n"), report);
}

void status_view_print(FILE *out, const struct json_object *earlier,
		       const struct json_object *later, double elapsed_s, bool use_colour)
{
	struct view view = {.out = out, .elapsed_s = elapsed_s, .colour = use_colour};
	const struct json_object *earlier_rules = status_read_value(earlier, "rules");
	const struct json_object *later_rules = status_read_value(later, "rules");

	measure(&view, earlier_rules, later_rules);
	print_totals(&view, earlier, later);
	print_daemon(&view, later);
	for (size_t i = 0; i < status_read_length(later_rules); i++) {
		const struct json_object *rule = json_object_array_get_idx(later_rules, i);

		print_rule(&view,
			   status_read_find(earlier_rules, status_read_text(rule, "name"), i),
			   rule);
	}
}
