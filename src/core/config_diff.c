/* SPDX-License-Identifier: MIT */
#include "core/config_diff.h"

#include "core/config_print.h"
#include "core/hash_index.h"

#include <stdlib.h>
#include <string.h>

/* What a function prints, as a text; NULL when memory runs out. */
struct capture {
	FILE *out;
	char *text;
	size_t size;
};

static bool capture_begin(struct capture *capture)
{
	*capture = (struct capture){0};
	capture->out = open_memstream(&capture->text, &capture->size);
	return capture->out != NULL;
}

static char *capture_end(struct capture *capture)
{
	bool failed = ferror(capture->out) != 0;

	if (fclose(capture->out) == 0 && !failed)
		return capture->text;
	free(capture->text);
	return NULL;
}

static char *keys_of(const struct config_rule *rule)
{
	struct capture capture;

	if (!capture_begin(&capture))
		return NULL;
	if (!rule->enabled)
		fprintf(capture.out, "  disabled\n");
	config_print_matching(capture.out, rule);
	config_print_sending(capture.out, rule);
	return capture_end(&capture);
}

/* A line for each destination; no two of a rule are the same, as they differ in name. */
static char *destinations_of(const struct config_rule *rule)
{
	struct capture capture;

	if (!capture_begin(&capture))
		return NULL;
	for (size_t i = 0; i < rule->destination_count; i++) {
		fprintf(capture.out, "  destination   ");
		config_print_destination(capture.out, rule, i);
		fprintf(capture.out, "\n");
	}
	return capture_end(&capture);
}

static char *settings_of(const struct config *config)
{
	struct capture capture;

	if (!capture_begin(&capture))
		return NULL;
	config_print_settings(capture.out, &config->settings, 1);
	return capture_end(&capture);
}

/* Whether text has this line. */
static bool has_line(const char *text, const char *line, size_t length)
{
	for (const char *at = text; *at; at = strchr(at, '\n') + 1)
		if (strncmp(at, line, length) == 0 && at[length] == '\n')
			return true;
	return false;
}

/* Writes the lines of text that other does not have, behind sign. */
static void write_missing(FILE *out, const char *text, const char *other, char sign)
{
	for (const char *at = text; *at; at = strchr(at, '\n') + 1) {
		size_t length = strcspn(at, "\n");

		if (!has_line(other, at, length))
			fprintf(out, "  %c%.*s\n", sign, (int)length - 1, at + 1);
	}
}

/* From a line on, the first that other has too, or the end of the text. */
static const char *common_line(const char *at, const char *other)
{
	while (*at && !has_line(other, at, strcspn(at, "\n")))
		at = strchr(at, '\n') + 1;
	return at;
}

/* Whether the lines that both texts have stand in the same order. */
static bool same_order(const char *former, const char *now)
{
	const char *a = common_line(former, now), *b = common_line(now, former);

	while (*a && *b) {
		size_t length = strcspn(a, "\n") + 1;

		if (strncmp(a, b, length) != 0)
			return false;
		a = common_line(a + length, now);
		b = common_line(b + length, former);
	}
	return true;
}

/*
 * Writes the lines that differ, and order_changed where only the order of the others does. Both
 * texts are freed. Returns false when one of them is missing.
 */
static bool write_difference(FILE *out, char *former, char *now, const char *order_changed)
{
	bool complete = former && now;

	/* Most of what a reload compares has not changed. */
	if (complete && strcmp(former, now) != 0) {
		write_missing(out, former, now, '-');
		write_missing(out, now, former, '+');
		if (!same_order(former, now))
			fputs(order_changed, out);
	}
	free(former);
	free(now);
	return complete;
}

/* The rules of a config, to be found by name. */
struct rules_by_name {
	const struct config *config;
	struct hash_index index; /* into config->rules */
};

struct wanted_rule {
	const struct config *config;
	const char *name;
};

static bool is_wanted(const void *context, uint32_t entry)
{
	const struct wanted_rule *wanted = context;

	return strcmp(wanted->config->rules[entry].name, wanted->name) == 0;
}

/* Where the index has the rule of this name, or would have it. */
static uint32_t *slot_of(const struct rules_by_name *rules, const char *name)
{
	const struct wanted_rule wanted = {rules->config, name};

	return hash_index_find(&rules->index, hash_bytes(name, strlen(name)), is_wanted, &wanted);
}

/* Returns false when memory runs out. */
static bool index_rules(struct rules_by_name *rules, const struct config *config)
{
	rules->config = config;
	if (!hash_index_init(&rules->index, config->rule_count))
		return false;
	for (size_t r = 0; r < config->rule_count; r++)
		*slot_of(rules, config->rules[r].name) = (uint32_t)r;
	return true;
}

static const struct config_rule *find_rule(const struct rules_by_name *rules, const char *name)
{
	uint32_t entry = *slot_of(rules, name);

	return entry == HASH_INDEX_NONE ? NULL : &rules->config->rules[entry];
}

static bool write_changed_rule(FILE *out, const struct config_rule *former,
			       const struct config_rule *now)
{
	struct capture capture;
	bool complete;
	char *text;

	if (!capture_begin(&capture))
		return false;
	complete = write_difference(capture.out, keys_of(former), keys_of(now), "") &&
		   write_difference(capture.out, destinations_of(former), destinations_of(now),
				    "  order of destinations changed\n");
	text = capture_end(&capture);
	if (text && text[0])
		fprintf(out, "changed rule \"%s\"\n%s", now->name, text);
	complete &= text != NULL;
	free(text);
	return complete;
}

static bool write_changed_settings(FILE *out, const struct config *former, const struct config *now)
{
	struct capture capture;
	bool complete;
	char *text;

	if (!capture_begin(&capture))
		return false;
	complete = write_difference(capture.out, settings_of(former), settings_of(now), "");
	text = capture_end(&capture);
	if (text && text[0])
		fprintf(out, "changed SETTINGS\n%s", text);
	complete &= text != NULL;
	free(text);
	return complete;
}

/* Rules that came, went or changed, and whether those that stayed stand in another order. */
static bool write_rules(FILE *out, const struct rules_by_name *former,
			const struct rules_by_name *now)
{
	const struct config_rule *before, *last = NULL;
	bool complete = true, reordered = false;

	for (size_t r = 0; r < former->config->rule_count; r++)
		if (!find_rule(now, former->config->rules[r].name))
			fprintf(out, "removed rule \"%s\"\n", former->config->rules[r].name);
	for (size_t r = 0; r < now->config->rule_count && complete; r++) {
		const struct config_rule *rule = &now->config->rules[r];

		/* former has as many as it counts.
		 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		before = find_rule(former, rule->name);
		if (!before) {
			fprintf(out, "added rule \"%s\"\n", rule->name);
			continue;
		}
		complete = write_changed_rule(out, before, rule);
		reordered |= last && before < last;
		last = before;
	}
	if (reordered)
		fprintf(out, "changed order of rules\n");
	return complete;
}

/* As config_diff, but for an empty text where there is no change. */
static char *changes(const struct rules_by_name *former, const struct rules_by_name *now)
{
	struct capture capture;
	bool complete;
	char *text;

	if (!capture_begin(&capture))
		return NULL;
	complete = write_rules(capture.out, former, now) &&
		   write_changed_settings(capture.out, former->config, now->config);
	text = capture_end(&capture);
	if (complete)
		return text;
	free(text);
	return NULL;
}

char *config_diff(const struct config *former, const struct config *now)
{
	struct rules_by_name a = {0}, b = {0};
	char *text = NULL;

	if (index_rules(&a, former) && index_rules(&b, now))
		text = changes(&a, &b);
	hash_index_free(&a.index);
	hash_index_free(&b.index);
	if (text && text[0] == '\0') {
		free(text);
		text = strdup("no change\n");
	}
	return text;
}
