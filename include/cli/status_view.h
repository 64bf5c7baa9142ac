/* SPDX-License-Identifier: MIT */
/* The counters for people: two states of the daemon, side by side, as totals and rates. */
#ifndef TRAFFICDUPLICATOR_CLI_STATUS_VIEW_H
#define TRAFFICDUPLICATOR_CLI_STATUS_VIEW_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Writes the later of two states, as `status --json` has them, taken elapsed_s apart. A rule or
 * destination that was not there before, or whose counters began anew, has "-" for a rate.
 */
void status_view_print(FILE *out, const struct json_object *earlier,
		       const struct json_object *later, double elapsed_s, bool use_colour);

#endif
