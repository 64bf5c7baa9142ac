/* SPDX-License-Identifier: MIT */
/* One rule of the configuration. Used by the config modules only. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_RULE_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_RULE_H

#include "core/config_read.h"

/*
 * Reads the rule that value holds and whose name is value's key. *rule must be zero and is to be
 * released with config_rule_free, whatever was reported.
 */
void config_rule_read(const struct config_value *value, struct config_rule *rule);

/* Releases what a rule owns. */
void config_rule_free(struct config_rule *rule);

#endif
