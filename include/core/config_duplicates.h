/* SPDX-License-Identifier: MIT */
/* Keys that one object has twice, which json-c does not tell. Used by the config modules only. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_DUPLICATES_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_DUPLICATES_H

#include "core/config_locate.h"

/*
 * Reports every key that its object has had before, in every object of the tree, compared by value
 * ("A" and "\u0041" are one key), and marks the earlier members as superseded.
 */
void config_duplicates_mark(struct config_tree *tree, struct config_report *report);

#endif
