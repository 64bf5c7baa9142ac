/* SPDX-License-Identifier: MIT */
/* The verbs of the command line, one file each. All return the program's exit code. */
#ifndef TRAFFICDUPLICATOR_CLI_VERBS_H
#define TRAFFICDUPLICATOR_CLI_VERBS_H

#include "cli/options.h"

int verb_run(const struct options *options);
int verb_check(const struct options *options);
int verb_status(const struct options *options);
int verb_top(const struct options *options);
int verb_rules(const struct options *options);
int verb_reload(const struct options *options);
int verb_handover(const struct options *options);
int verb_explain(const struct options *options);
int verb_import(const struct options *options);
int verb_doctor(const struct options *options);

#endif
