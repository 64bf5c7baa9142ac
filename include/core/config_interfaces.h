/* SPDX-License-Identifier: MIT */
/* INTERFACE: where a rule's packets arrive. Used by the config modules only. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_INTERFACES_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_INTERFACES_H

#include "core/config_read.h"

/* Sets the rule's interfaces from a name or an array of names. */
void config_interfaces_read(const struct config_value *value, struct config_rule *rule);

/* Releases the rule's interfaces. */
void config_interfaces_free(struct config_rule *rule);

#endif
