/* SPDX-License-Identifier: MIT */
/* DESTINATION: where a rule's copies go. Used by the config modules only. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_DESTINATION_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_DESTINATION_H

#include "core/config_read.h"

/* A rule's destinations while they are read, and where each of them stands in the file. */
struct config_destinations {
	struct config_value list;
	uint32_t nodes[CONFIG_DESTINATIONS_MAX];
	bool has_ttl[CONFIG_DESTINATIONS_MAX];
	struct config_destination *all;
	size_t count;
};

/* Reads the array; target is a config_destinations. */
void config_destination_read(const struct config_value *value, void *target);

/* Gives the rule's TTL to destinations without their own. */
void config_destination_inherit(const struct config_destinations *destinations,
				const struct ttl_policy *ttl);

/* Releases count destinations and their array. */
void config_destination_free(struct config_destination *destinations, size_t count);

#endif
