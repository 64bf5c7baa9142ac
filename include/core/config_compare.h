/* SPDX-License-Identifier: MIT */
/* Destinations of one rule that are the same, or called the same. Used by the config modules only.
 */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_COMPARE_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_COMPARE_H

#include "core/config_destination.h"

/*
 * Reports destinations that are the same, would be for a packet to one of the rule's ports, or have
 * the same name. To be called when SOURCEPORT and DESTINATION are read.
 */
void config_compare_destinations(const struct config_destinations *destinations,
				 const struct config_rule *rule);

#endif
