/* SPDX-License-Identifier: MIT */
/* The configuration file, as verbs that do not run anything need it. */
#ifndef TRAFFICDUPLICATOR_CLI_LOAD_H
#define TRAFFICDUPLICATOR_CLI_LOAD_H

#include "cli/options.h"
#include "core/config.h"

/*
 * Loads options->config_path, warns where others can write it, and prints every error to stderr.
 * Returns EXIT_FINE, and the caller frees *config, or the exit code to end with.
 */
int load_config(const struct options *options, struct config **config);

#endif
