/* SPDX-License-Identifier: MIT */
/* The scanner of JSON: what it takes, json-c takes too, and reads the same values. */
#include "fuzz.h"

#include "core/config_duplicates.h"
#include "core/config_locate.h"

#include <json-c/json.h>
#include <stdbool.h>

static struct json_object *json_c_read(const char *text, size_t length)
{
	struct json_tokener *tokener = json_tokener_new_ex(CONFIG_DEPTH_MAX + 2);
	char *copy = calloc(1, length + 1);
	struct json_object *json;

	FUZZ_EXPECT(tokener && copy);
	memcpy(copy, text, length);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	json = json_tokener_parse_ex(tokener, copy, (int)length + 1);
	FUZZ_EXPECT(json_tokener_get_error(tokener) == json_tokener_success);
	json_tokener_free(tokener);
	free(copy);
	return json;
}

static void compare(const struct config_tree *tree, uint32_t index, struct json_object *json);

/* Of equal keys json-c keeps the last; the tree has them all, and which are superseded. */
static void compare_object(const struct config_tree *tree, const struct config_node *node,
			   struct json_object *json)
{
	uint32_t count = 0, members = 0;
	struct json_object *value;

	for (uint32_t i = node->first_child; i; i = tree->nodes[i].next) {
		const struct config_node *child = &tree->nodes[i];

		FUZZ_EXPECT(child->key && child->number == ++count);
		if (child->superseded)
			continue;
		FUZZ_EXPECT(json_object_object_get_ex(json, child->key, &value));
		compare(tree, i, value);
		members++;
	}
	FUZZ_EXPECT(count == node->child_count);
	FUZZ_EXPECT(members == (uint32_t)json_object_object_length(json));
}

static void compare_array(const struct config_tree *tree, const struct config_node *node,
			  struct json_object *json)
{
	uint32_t count = 0;

	for (uint32_t i = node->first_child; i; i = tree->nodes[i].next) {
		FUZZ_EXPECT(!tree->nodes[i].key && !tree->nodes[i].superseded);
		compare(tree, i, json_object_array_get_idx(json, count++));
		FUZZ_EXPECT(tree->nodes[i].number == count);
	}
	FUZZ_EXPECT(count == node->child_count && count == json_object_array_length(json));
}

static unsigned line_of(const struct config_tree *tree, uint32_t offset)
{
	unsigned line = 1;

	for (uint32_t i = 0; i < offset; i++)
		line += tree->text[i] == '\n';
	return line;
}

static void compare(const struct config_tree *tree, uint32_t index, struct json_object *json)
{
	const struct config_node *node = &tree->nodes[index];

	FUZZ_EXPECT(node->begin < node->end && node->line == line_of(tree, node->begin));
	FUZZ_EXPECT(node->key_line <= node->line);
	switch (tree->text[node->begin]) {
	case '{':
		FUZZ_EXPECT(json_object_is_type(json, json_type_object));
		compare_object(tree, node, json);
		break;
	case '[':
		FUZZ_EXPECT(json_object_is_type(json, json_type_array));
		compare_array(tree, node, json);
		break;
	case '"':
		FUZZ_EXPECT(json_object_is_type(json, json_type_string));
		FUZZ_EXPECT(node->string_bytes == (uint32_t)json_object_get_string_len(json));
		break;
	default:
		FUZZ_EXPECT(!json_object_is_type(json, json_type_string));
	}
}

static void check_paths(const struct config_tree *tree)
{
	char path[CONFIG_LOCATE_PATH_SIZE], below[CONFIG_LOCATE_PATH_SIZE];
	const struct config_node *root = &tree->nodes[0];

	for (uint32_t i = root->first_child; i; i = tree->nodes[i].next) {
		config_locate_path(tree, "", i, path);
		FUZZ_EXPECT(path[0] != '\0');
		for (uint32_t c = tree->nodes[i].first_child; c; c = tree->nodes[c].next)
			config_locate_path(tree, path, c, below);
	}
}

static void check_tree(const struct config_tree *tree, const char *text, size_t length)
{
	bool marked = length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
	struct json_object *json = json_c_read(text + (marked ? 3 : 0), length - (marked ? 3 : 0));

	compare(tree, 0, json);
	check_paths(tree);
	json_object_put(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_report report = {.file = "fuzz"};
	struct config_errors errors = {0};
	char *text = fuzz_copy(data, size);
	struct config_tree tree = {0};
	bool good = config_locate(text, size, &tree, &report);

	FUZZ_EXPECT(report.count == (good ? 0 : 1));
	if (good) {
		config_duplicates_mark(&tree, &report);
		check_tree(&tree, text, size);
	}
	config_report_finish(&report, &errors);
	config_errors_free(&errors);
	config_locate_free(&tree);
	free(text);
	return 0;
}
