/* SPDX-License-Identifier: MIT */
/*
 * Where every value of a JSON text stands. json-c reads the values, but keeps no line numbers,
 * lets the last of two equal keys win in silence, and takes texts that RFC 8259 does not. So this
 * strict scanner goes over the text first. Used by the config modules only.
 */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_LOCATE_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_LOCATE_H

#include "core/config_report.h"

/* A value. Nodes refer to each other by index; 0 is the root, and as a link it means none. */
struct config_node {
	uint32_t begin; /* the bytes begin..end-1 of the text */
	uint32_t end;
	unsigned line;	       /* where the value begins */
	unsigned key_line;     /* where its key stands; the value's line in an array */
	const char *key;       /* decoded; NULL in an array and for the root */
	uint32_t string_bytes; /* the length of a string's value, decoded */
	uint32_t number;       /* place among its siblings, from 1 */
	uint32_t first_child;
	uint32_t next;
	uint32_t child_count;
	bool superseded; /* a later member of the same object has the same key */
};

struct config_tree {
	const char *text;
	struct config_node *nodes; /* in the order of the text */
	uint32_t count;
	uint32_t capacity;
	char *keys; /* what the nodes' keys point into */
};

/*
 * Scans a text, which must outlive *tree. Reports the first syntax error and returns false; *tree
 * is to be released with config_locate_free either way.
 */
bool config_locate(const char *text, size_t length, struct config_tree *tree,
		   struct config_report *report);

void config_locate_free(struct config_tree *tree);

/* A path with two long keys, an index and some room. */
#define CONFIG_LOCATE_PATH_SIZE 192

/*
 * Names a child of the object or array that parent_path names: `rule "Syslog"`, `SETTINGS`,
 * `rule "Syslog": DESTINATION[2]`. The root's path is "". Array elements count from 1.
 */
void config_locate_path(const struct config_tree *tree, const char *parent_path, uint32_t child,
			char path[static CONFIG_LOCATE_PATH_SIZE]);

#endif
