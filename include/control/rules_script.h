/* SPDX-License-Identifier: MIT */
/* Runs the script that installs the netfilter rules. */
#ifndef TRAFFICDUPLICATOR_CONTROL_RULES_SCRIPT_H
#define TRAFFICDUPLICATOR_CONTROL_RULES_SCRIPT_H

#include <stddef.h>

/*
 * Runs `SCRIPT verb -c CONFIG` and waits for it, eight seconds at most. The script reads exactly
 * the given text, whatever became of the file meanwhile, and makes rules
 * for worker_count workers, however many CPUs there are by now. What it says goes to our stderr.
 * Returns 0 when it succeeded, 1 when it failed (and has said why), or -errno when it could not be
 * run.
 */
int rules_script_run(const char *script, const char *verb, const char *config_text,
		     size_t config_length, unsigned worker_count);

#endif
