/* SPDX-License-Identifier: MIT */
#include "core/config_locate.h"

#include "core/config_scan.h"
#include "core/config_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A scan and the tree that it builds. */
struct builder {
	struct config_scan scan;
	struct config_tree *tree;
	char *key_end; /* free room in tree->keys */
	unsigned depth;
};

static bool scan_value(struct builder *builder, uint32_t node);

/* Appends a node; 0 when memory ran out (but for the first, which is the root). */
static uint32_t add_node(struct builder *builder)
{
	struct config_tree *tree = builder->tree;
	uint32_t capacity = tree->capacity ? tree->capacity * 2 : 64;
	struct config_node *nodes;

	if (tree->count == tree->capacity) {
		nodes = reallocarray(tree->nodes, capacity, sizeof *nodes);
		if (!nodes) {
			config_report_no_memory(builder->scan.report);
			return 0;
		}
		tree->nodes = nodes;
		tree->capacity = capacity;
	}
	tree->nodes[tree->count] = (struct config_node){0};
	return tree->count++;
}

/* Appends a node as the next child of parent, after previous (0: as the first). */
static uint32_t add_child(struct builder *builder, uint32_t parent, uint32_t previous)
{
	uint32_t node = add_node(builder);
	struct config_node *nodes = builder->tree->nodes;

	if (node == 0)
		return 0;
	if (previous)
		nodes[previous].next = node;
	else
		nodes[parent].first_child = node;
	nodes[node].number = ++nodes[parent].child_count;
	nodes[node].key_line = builder->scan.line;
	return node;
}

static bool scan_key(struct builder *builder, uint32_t node)
{
	struct config_scan *scan = &builder->scan;

	if (config_scan_peek(scan) != '"')
		return config_scan_unexpected(scan, "a key in double quotes");
	builder->tree->nodes[node].key = builder->key_end;
	if (!config_scan_string(scan, builder->key_end))
		return false;
	builder->key_end += strlen(builder->key_end) + 1;
	config_scan_space(scan);
	if (config_scan_peek(scan) != ':')
		return config_scan_unexpected(scan, "\":\"");
	scan->at++;
	config_scan_space(scan);
	return true;
}

/* Steps over the comma or the end of an object or array. Returns whether that was in order. */
static bool scan_separator(struct builder *builder, char close, bool *more)
{
	struct config_scan *scan = &builder->scan;
	char expected[] = "\",\" or \"}\"";

	config_scan_space(scan);
	*more = config_scan_peek(scan) == ',';
	if (!*more && config_scan_peek(scan) != close) {
		expected[8] = close;
		return config_scan_unexpected(scan, expected);
	}
	scan->at++;
	if (!*more)
		return true;
	config_scan_space(scan);
	if (config_scan_peek(scan) == close)
		return config_scan_fail(scan, "nothing follows the comma before \"%c\"; remove it",
					close);
	return true;
}

/* Scans the members of an object, or the elements of an array, up to and with its end. */
static bool scan_children(struct builder *builder, uint32_t parent, char close)
{
	struct config_scan *scan = &builder->scan;
	uint32_t child = 0;
	bool more = true;

	if (++builder->depth > CONFIG_DEPTH_MAX)
		return config_scan_fail(scan, "nested deeper than %d levels", CONFIG_DEPTH_MAX);
	scan->at++;
	config_scan_space(scan);
	if (config_scan_peek(scan) == close) {
		scan->at++;
		more = false;
	}
	while (more) {
		child = add_child(builder, parent, child);
		if (child == 0 || (close == '}' && !scan_key(builder, child)) ||
		    !scan_value(builder, child) || !scan_separator(builder, close, &more))
			return false;
	}
	builder->depth--;
	return true;
}

static bool scan_plain(struct config_scan *scan)
{
	char c = config_scan_peek(scan);

	if (c == '"')
		return config_scan_string(scan, NULL);
	if (c == '-' || isdigit((unsigned char)c))
		return config_scan_number(scan);
	if (isalpha((unsigned char)c))
		return config_scan_name(scan);
	return config_scan_unexpected(scan, "a value");
}

static bool scan_value(struct builder *builder, uint32_t node)
{
	struct config_scan *scan = &builder->scan;
	struct config_node *nodes = builder->tree->nodes;
	char c = config_scan_peek(scan);
	bool scanned;

	nodes[node].begin = (uint32_t)scan->at;
	nodes[node].line = scan->line;
	if (c == '{' || c == '[')
		scanned = scan_children(builder, node, c == '{' ? '}' : ']');
	else
		scanned = scan_plain(scan);
	builder->tree->nodes[node].end = (uint32_t)scan->at;
	if (c == '"')
		builder->tree->nodes[node].string_bytes = (uint32_t)scan->string_bytes;
	return scanned;
}

static bool scan_text(struct builder *builder)
{
	struct config_scan *scan = &builder->scan;

	if (!config_scan_begin(scan))
		return false;
	config_scan_space(scan);
	if (scan->at == scan->length)
		return config_scan_fail(scan, "the file is empty");
	if (!scan_value(builder, 0))
		return false;
	config_scan_space(scan);
	if (scan->at < scan->length)
		return config_scan_unexpected(scan, "the end of the file");
	return true;
}

bool config_locate(const char *text, size_t length, struct config_tree *tree,
		   struct config_report *report)
{
	struct builder builder = {
		.scan = {.report = report, .text = text, .length = length, .line = 1},
		.tree = tree,
	};

	*tree = (struct config_tree){.text = text};
	if (length > CONFIG_TEXT_MAX) {
		config_report_add(report, 0, "larger than %u MiB", CONFIG_TEXT_MAX >> 20);
		return false;
	}
	tree->keys = builder.key_end = malloc(length + 1);
	add_node(&builder);
	if (!tree->keys || tree->count == 0) {
		config_report_no_memory(report);
		return false;
	}
	return scan_text(&builder);
}

void config_locate_free(struct config_tree *tree)
{
	free(tree->nodes);
	free(tree->keys);
	*tree = (struct config_tree){0};
}

static bool is_plain_key(const char *key)
{
	return *key && strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(key) &&
	       strlen(key) <= CONFIG_TEXT_SHOWN_MAX;
}

void config_locate_path(const struct config_tree *tree, const char *parent_path, uint32_t child,
			char path[static CONFIG_LOCATE_PATH_SIZE])
{
	const struct config_node *node = &tree->nodes[child];
	char quoted[CONFIG_TEXT_SIZE];
	const char *key = node->key, *rule = "", *joint = *parent_path ? ": " : "";
	int written;

	if (key && !*parent_path && strcmp(key, "SETTINGS") != 0) {
		rule = "rule ";
		key = config_text_quote(key, quoted);
	} else if (key && !is_plain_key(key)) {
		key = config_text_quote(key, quoted);
	}
	if (key)
		written = snprintf(path, CONFIG_LOCATE_PATH_SIZE, "%s%s%s%s", parent_path, joint,
				   rule, key);
	else
		written = snprintf(path, CONFIG_LOCATE_PATH_SIZE, "%s[%u]", parent_path,
				   node->number);
	/* A path too deep to name in full still names its beginning. */
	if (written >= CONFIG_LOCATE_PATH_SIZE)
		snprintf(path, CONFIG_LOCATE_PATH_SIZE, "%.*s", CONFIG_LOCATE_PATH_SIZE - 1,
			 parent_path);
}
