/* SPDX-License-Identifier: MIT */
/* SOURCEPORT: the ports that a rule listens to. Used by the config modules only. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_PORTS_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_PORTS_H

#include "core/config_read.h"

/* Sets the rule's ports from a port, a range, or an array of these; target is the config_rule. */
void config_ports_read(const struct config_value *value, void *target);

/* Whether the rule listens to this port. */
bool config_ports_contain(const struct config_rule *rule, uint16_t port);

#endif
