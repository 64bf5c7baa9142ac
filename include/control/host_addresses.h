/* SPDX-License-Identifier: MIT */
/* The addresses of a configuration's host names, for verbs that may wait for them. */
#ifndef TRAFFICDUPLICATOR_CONTROL_HOST_ADDRESSES_H
#define TRAFFICDUPLICATOR_CONTROL_HOST_ADDRESSES_H

#include "core/config.h"

#include <json-c/json.h>
#include <stdbool.h>

/* Whether an enabled rule has a destination by name. */
bool host_addresses_needed(const struct config *config);

/*
 * Gives enabled rules' destinations by name their addresses: those that the running daemon has, by
 * the names of rule and destination in its status (as `status --json`; NULL: none runs), though it
 * may have none. A destination that it does not know gets what getaddrinfo(3) says, asked once for
 * each host, by the daemon's own choice: see control/names.h, and not an address that
 * config_unusable_here speaks against. The rest keeps family AF_UNSPEC. Returns 0 or -errno.
 */
int host_addresses_fill(struct config *config, const struct json_object *status);

#endif
