/* SPDX-License-Identifier: MIT */
/*
 * What a daemon tells the one that takes over from it: its counters, as `status --json` has them,
 * and the numbers that belong to its queues and to its program at the ingress. A JSON text, so that
 * another version reads of it what it knows.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_HANDOVER_STATE_H
#define TRAFFICDUPLICATOR_CONTROL_HANDOVER_STATE_H

#include "core/ruleset.h"
#include "datapath/counters.h"
#include "datapath/fastpath_left.h"
#include "datapath/legacy.h"

#include <stdbool.h>

struct handover_state;

/*
 * status: of status_json; config: the text of the configuration in force. left is NULL where there
 * is no program that goes on. Descriptors are not part of it. The caller frees the text; NULL when
 * memory runs out.
 */
char *handover_state_write(const char *status, const char *config, const struct legacy *legacy,
			   const struct fastpath_left *left);

/* NULL where the text is not understood. */
struct handover_state *handover_state_read(const char *text);
void handover_state_free(struct handover_state *state);

/* Queues without descriptors: -1. */
void handover_state_legacy(const struct handover_state *state, struct legacy *legacy);

/* Returns false where there is none; descriptors are not touched. */
bool handover_state_left(const struct handover_state *state, struct fastpath_left *left);

/* Whether that was the text of the configuration in force. */
bool handover_state_is_of(const struct handover_state *state, const char *config);

/* The address that a destination's host name had. Returns false where it had none. */
bool handover_state_address(const struct handover_state *state, const struct config_rule *rule,
			    const struct config_destination *destination,
			    struct ip_address *address);

/* All counters, by the indices of the daemon that wrote them. NULL when memory runs out. */
struct counters *handover_state_counters(const struct handover_state *state);

/*
 * Counters by those indices as counters of another ruleset, by the names of rules and destinations.
 * NULL when memory runs out.
 */
struct counters *handover_state_translate(const struct handover_state *state,
					  const struct counters *theirs,
					  const struct ruleset *ruleset);

#endif
