/* SPDX-License-Identifier: MIT */
/* What a reload changes, in words. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_DIFF_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_DIFF_H

#include "core/config.h"

/*
 * One line for each rule that was added, removed or changed, with a line below it for each of its
 * destinations and keys that differ; a line where only the order is another, of a rule's
 * destinations or of the rules; "no change" where there is none. Returns a text that the caller
 * frees, NULL when memory runs out.
 */
char *config_diff(const struct config *former, const struct config *now);

#endif
