/* SPDX-License-Identifier: MIT */
#include "cli/status_view.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

/* "18,446,744,073,709,551,615" and its NUL. */
#define NUMBER_SIZE 27
#define RATE_UNKNOWN (-1.0)

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

static struct json_object *get(const struct json_object *object, const char *key)
{
	return json_object_object_get(object, key);
}

static uint64_t number(const struct json_object *object, const char *key)
{
	return json_object_get_uint64(get(object, key));
}

static const char *text(const struct json_object *object, const char *key)
{
	const char *value = json_object_get_string(get(object, key));

	return value ? value : "";
}

/* An array's length; 0 for what is no array. */
static size_t length(const struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

/* The object of this name in an array of such, or NULL. */
static struct json_object *find(const struct json_object *array, const char *name)
{
	for (size_t i = 0; i < length(array); i++) {
		struct json_object *object = json_object_array_get_idx(array, i);

		if (strcmp(text(object, "name"), name) == 0)
			return object;
	}
	return NULL;
}

/* Writes number with commas between its thousands. Returns out. */
static const char *format_number(uint64_t value, char out[static NUMBER_SIZE])
{
	char digits[21];
	int count = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	char *at = out;

	for (int i = 0; i < count; i++) {
		if (i > 0 && (count - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return out;
}

/* Per second, or RATE_UNKNOWN where there is no earlier value to compare with. */
static double rate(const struct view *view, const struct json_object *earlier,
		   const struct json_object *later, const char *key)
{
	if (!earlier || number(later, key) < number(earlier, key) || view->elapsed_s <= 0)
		return RATE_UNKNOWN;
	return (double)(number(later, key) - number(earlier, key)) / view->elapsed_s;
}

static const char *format_pps(double pps, char out[static NUMBER_SIZE])
{
	return pps < 0 ? strcpy(out, "-") : format_number((uint64_t)(pps + 0.5), out);
}

/* "1.6 Mbit/s": decimal multiples, as link speeds have them. */
static const char *format_bits(double bytes_per_s, char out[static NUMBER_SIZE])
{
	static const char *const units[] = {"", "k", "M", "G", "T"};
	double bits = bytes_per_s * 8;
	size_t unit = 0;

	if (bytes_per_s < 0)
		return strcpy(out, "-");
	for (; bits >= 999.95 && unit < 4; unit++)
		bits /= 1000;
	snprintf(out, NUMBER_SIZE, unit ? "%.1f %sbit/s" : "%.0f %sbit/s", bits, units[unit]);
	return out;
}

static void fill_cells(const struct view *view, const struct json_object *earlier,
		       const struct json_object *later, struct cells *cells)
{
	char due[NUMBER_SIZE], sent[NUMBER_SIZE], pps[NUMBER_SIZE], bits[NUMBER_SIZE];
	const char *values[COLUMN_COUNT] = {
		text(later, "name"),
		text(later, "state"),
		format_number(number(later, "due_pkts"), due),
		format_number(number(later, "sent_pkts"), sent),
		format_pps(rate(view, earlier, later, "sent_pkts"), pps),
		format_bits(rate(view, earlier, later, "sent_bytes"), bits),
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
	for (size_t i = 0; i < length(later_rules); i++) {
		struct json_object *rule = json_object_array_get_idx(later_rules, i);
		struct json_object *former = find(earlier_rules, text(rule, "name"));
		struct json_object *destinations = get(rule, "destinations");

		for (size_t j = 0; j < length(destinations); j++) {
			struct json_object *later = json_object_array_get_idx(destinations, j);

			fill_cells(view, find(get(former, "destinations"), text(later, "name")),
				   later, &cells);
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
	char digits[NUMBER_SIZE];

	fprintf(view->out, "  %s %s", label, format_number(value, digits));
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

	for (size_t i = 0; i < length(later); i++) {
		struct json_object *destination = json_object_array_get_idx(later, i);
		uint64_t sampled_out = number(destination, "sampled_out_pkts");

		fill_cells(view, find(earlier, text(destination, "name")), destination, &cells);
		print_cells(view, &cells);
		if (sampled_out > 0)
			print_number(view, "sampled out", sampled_out);
		print_dropped(view, get(destination, "dropped"));
		fputc('\n', view->out);
	}
}

static void print_rule(const struct view *view, const struct json_object *earlier,
		       const struct json_object *later)
{
	char pps[NUMBER_SIZE], bits[NUMBER_SIZE];
	uint64_t sampled_out = number(later, "sampled_out_pkts");

	fprintf(view->out, "\n%s%s%s", colour(view, "\033[1m"), text(later, "name"),
		colour(view, "\033[0m"));
	print_number(view, "matched", number(later, "matched_pkts"));
	fprintf(view->out, " (%s packets/s, %s)",
		format_pps(rate(view, earlier, later, "matched_pkts"), pps),
		format_bits(rate(view, earlier, later, "matched_bytes"), bits));
	print_number(view, "duplicated", number(later, "duplicated_pkts"));
	if (sampled_out > 0)
		print_number(view, "sampled out", sampled_out);
	print_loss_if_any(view, "rate limited", number(later, "rate_limited_pkts"));
	fputc('\n', view->out);
	print_cells(view, &headings);
	fputc('\n', view->out);
	print_destinations(view, get(earlier, "destinations"), get(later, "destinations"));
}

static uint64_t duplicated_pkts(const struct json_object *rules)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < length(rules); i++)
		sum += number(json_object_array_get_idx(rules, i), "duplicated_pkts");
	return sum;
}

static void print_totals(const struct view *view, const struct json_object *earlier,
			 const struct json_object *later)
{
	const struct json_object *originals = get(later, "originals"), *queue = get(later, "queue");
	char received[NUMBER_SIZE], pps[NUMBER_SIZE];

	fprintf(view->out, "received %s (%s packets/s)",
		format_number(number(later, "received_pkts"), received),
		format_pps(rate(view, earlier, later, "received_pkts"), pps));
	print_number(view, "duplicated", duplicated_pkts(get(later, "rules")));
	print_number(view, "originals forwarded", number(originals, "forwarded_pkts"));
	print_number(view, "originals dropped", number(originals, "dropped_pkts"));
	print_number(view, "waiting", number(queue, "waiting_pkts"));
	print_loss(view, "kernel drops", number(queue, "dropped_kernel_pkts"));
	print_loss_if_any(view, "unmatched", number(later, "unmatched_pkts"));
	print_loss_if_any(view, "malformed", number(later, "malformed_pkts"));
	print_loss_if_any(view, "truncated", number(later, "truncated_pkts"));
	fputc('\n', view->out);
}

void status_view_print(FILE *out, const struct json_object *earlier,
		       const struct json_object *later, double elapsed_s, bool use_colour)
{
	struct view view = {.out = out, .elapsed_s = elapsed_s, .colour = use_colour};
	const struct json_object *earlier_rules = get(earlier, "rules");
	const struct json_object *later_rules = get(later, "rules");

	measure(&view, earlier_rules, later_rules);
	print_totals(&view, earlier, later);
	for (size_t i = 0; i < length(later_rules); i++) {
		const struct json_object *rule = json_object_array_get_idx(later_rules, i);

		print_rule(&view, find(earlier_rules, text(rule, "name")), rule);
	}
}
