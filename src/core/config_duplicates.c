/* SPDX-License-Identifier: MIT */
#include "core/config_duplicates.h"

#include <stdlib.h>
#include <string.h>

static int by_key(const void *left, const void *right, void *context)
{
	const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	const struct config_tree *tree = context;
	int order = strcmp(tree->nodes[a].key, tree->nodes[b].key);

	return order ? order : (a > b) - (a < b);
}

/* The indices of a node's children in the order of their keys, or NULL: out of memory. */
static uint32_t *sort_children(struct config_tree *tree, uint32_t parent)
{
	uint32_t *sorted = calloc(tree->nodes[parent].child_count, sizeof *sorted);
	size_t count = 0;

	if (!sorted)
		return NULL;
	for (uint32_t child = tree->nodes[parent].first_child; child;
	     child = tree->nodes[child].next)
		sorted[count++] = child;
	qsort_r(sorted, count, sizeof *sorted, by_key, tree);
	return sorted;
}

static void mark_object(struct config_tree *tree, uint32_t parent, const char *parent_path,
			struct config_report *report)
{
	struct config_node *nodes = tree->nodes;
	char path[CONFIG_LOCATE_PATH_SIZE];
	uint32_t *sorted = sort_children(tree, parent);

	if (!sorted) {
		config_report_no_memory(report);
		return;
	}
	for (uint32_t i = 1; i < nodes[parent].child_count; i++) {
		struct config_node *earlier = &nodes[sorted[i - 1]], *later = &nodes[sorted[i]];

		if (strcmp(earlier->key, later->key) != 0)
			continue;
		earlier->superseded = true;
		config_locate_path(tree, parent_path, sorted[i], path);
		config_report_add(report, later->key_line,
				  "%s: stands in line %u already; rename or remove one of the two",
				  path, earlier->key_line);
	}
	free(sorted);
}

/* The depth of the recursion is bounded by CONFIG_DEPTH_MAX. */
static void mark(struct config_tree *tree, uint32_t node, const char *path,
		 struct config_report *report)
{
	uint32_t child = tree->nodes[node].first_child;
	char child_path[CONFIG_LOCATE_PATH_SIZE];

	if (child && tree->nodes[child].key)
		mark_object(tree, node, path, report);
	for (; child; child = tree->nodes[child].next) {
		if (!tree->nodes[child].first_child)
			continue;
		config_locate_path(tree, path, child, child_path);
		mark(tree, child, child_path, report);
	}
}

void config_duplicates_mark(struct config_tree *tree, struct config_report *report)
{
	mark(tree, 0, "", report);
}
