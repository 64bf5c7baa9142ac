/* SPDX-License-Identifier: MIT */
/* The words of the configuration, in the order of their enums, each list ended by NULL. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_NAMES_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_NAMES_H

extern const char *const config_names_original[];
extern const char *const config_names_oversize[];
extern const char *const config_names_balance[];
extern const char *const config_names_when_full[];
extern const char *const config_names_send[];
extern const char *const config_names_fast_path[];
extern const char *const config_names_log_level[];

#endif
