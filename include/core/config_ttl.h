/* SPDX-License-Identifier: MIT */
/* TTL, of a rule or of one destination. Used by the config modules only. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_TTL_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_TTL_H

#include "core/config_read.h"

/* Reads "keep", "decrement" or a number; false when it was reported to be none of them. */
bool config_ttl_read(const struct config_value *value, struct ttl_policy *ttl);

#endif
