/* SPDX-License-Identifier: MIT */
/* Parts of a config in words, for config_describe and config_diff. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_PRINT_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_PRINT_H

#include "core/config.h"

#include <stdio.h>

/* What a rule matches, and all else but its destinations: a line for each key. */
void config_print_matching(FILE *out, const struct config_rule *rule);
void config_print_sending(FILE *out, const struct config_rule *rule);

/* One destination, without an end of line. */
void config_print_destination(FILE *out, const struct config_rule *rule, size_t index);

/* All SETTINGS, a line each. */
void config_print_settings(FILE *out, const struct config_settings *settings, unsigned cpu_count);

#endif
