/* SPDX-License-Identifier: MIT */
/* Whether the addresses of one rule go together. Used by the config modules only. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_FAMILIES_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_FAMILIES_H

#include "core/config_destination.h"
#include "core/config_prefixes.h"

/*
 * Reports a SOURCEADDRESS whose exclusions leave nobody, and what no packet can come to because a
 * copy stays in its packet's family: a LISTENADDRESS of another family than SOURCEADDRESS, and
 * destinations of another family than both. To be called when all three keys are read.
 */
void config_families_check(const struct config_prefixes *sources,
			   const struct config_prefixes *listens,
			   const struct config_destinations *destinations);

#endif
