/* SPDX-License-Identifier: MIT */
/* SETTINGS of the configuration. Used by the config modules only. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_SETTINGS_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_SETTINGS_H

#include "core/config_read.h"

/* What holds where the file says nothing. */
void config_settings_default(struct config_settings *settings);

/* Reads the object into *settings, which holds the defaults. */
void config_settings_read(const struct config_value *value, struct config_settings *settings);

#endif
