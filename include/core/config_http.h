/* SPDX-License-Identifier: MIT */
/* HTTP: where the daemon answers browsers and monitoring. Used by the config modules only. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_HTTP_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_HTTP_H

#include "core/config_read.h"

/* Sets the address and the port of the settings; target is the config_settings. */
void config_http_read(const struct config_value *value, void *target);

#endif
