/* SPDX-License-Identifier: MIT */
/* A configuration in force, from the text of the file to the tables that packets need. */
#ifndef TRAFFICDUPLICATOR_CONTROL_PROGRAM_H
#define TRAFFICDUPLICATOR_CONTROL_PROGRAM_H

#include "control/config_file.h"
#include "core/ruleset.h"

struct program {
	struct config_file file;
	struct config *config;
	struct ruleset *ruleset;
};

/*
 * Reads and checks; the ruleset is NULL so far. Where the result is not OK, *program is empty and
 * errors says why.
 */
enum config_file_result program_load(struct program *program, const char *path,
				     struct config_errors *errors);

/* Compiles, for the first time or anew after destinations' addresses have changed. The former
 * ruleset, which workers may still use, goes to *former. Returns 0, or -ENOMEM with nothing
 * changed. */
int program_compile(struct program *program, struct ruleset **former);

void program_free(struct program *program);

#endif
