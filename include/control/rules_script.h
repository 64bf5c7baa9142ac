/* SPDX-License-Identifier: MIT */
/* Runs the script that installs the netfilter rules. */
#ifndef TRAFFICDUPLICATOR_CONTROL_RULES_SCRIPT_H
#define TRAFFICDUPLICATOR_CONTROL_RULES_SCRIPT_H

#include <stddef.h>

/* What the script makes rules of. */
struct rules_script_input {
	const char *config_text; /* exactly this, whatever became of the file meanwhile */
	size_t config_length;
	unsigned worker_count; /* however many CPUs there are by now */
	int program_fd;	       /* of the program that runs, whatever lies at its path by now */
	const char *resolved;  /* addresses that host names have, each with a space behind it */
};

/*
 * Runs `SCRIPT verb -c CONFIG` and waits for it, eight seconds at most. What it says goes to the
 * log, as errors where it failed, as long as it is not above 16 KiB. The program's descriptor
 * reaches it as TRAFFICDUPLICATOR. The count of workers and the addresses reach `trafficduplicator
 * rules`, which the script calls, as TRAFFICDUPLICATOR_WORKERS and TRAFFICDUPLICATOR_RESOLVED of
 * its environment. Returns 0 when it succeeded, 1 when it failed (and has said why), or -errno when
 * it could not be run.
 */
int rules_script_run(const char *script, const char *verb, const struct rules_script_input *input);

/* The most bytes of `resolved`: an environment variable cannot be longer than 128 KiB (execve(2)).
 */
#define RULES_SCRIPT_RESOLVED_MAX (128 * 1024 - 64)

#endif
