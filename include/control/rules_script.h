/* SPDX-License-Identifier: MIT */
/* Runs the script that installs the netfilter rules. */
#ifndef TRAFFICDUPLICATOR_CONTROL_RULES_SCRIPT_H
#define TRAFFICDUPLICATOR_CONTROL_RULES_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

/* How long the script may take: tens of thousands of destinations take their time on a machine that
 * has other things to do. Whoever waits for it shows signs of life meanwhile. */
enum { RULES_SCRIPT_TIMEOUT_MS = 20000 };

/* The most bytes of `resolved`: an environment variable cannot be longer than 128 KiB (execve(2)).
 */
#define RULES_SCRIPT_RESOLVED_MAX (128 * 1024 - 64)

/* A script that says more than this has lost its way. */
enum { RULES_SCRIPT_OUTPUT_MAX = 16 * 1024 };

/* What to run, and what the script makes rules of. */
struct rules_script_order {
	const char *verb;
	int config_fd; /* the text, to be opened like a file */
	unsigned worker_count;
	int program_fd;	      /* of the program that runs, whatever lies at its path by now */
	const char *resolved; /* addresses that host names have, each with a space behind it */
	int asker_fd;	      /* a socket to whom it is run for */
};

/* What the script has said. */
struct rules_script_output {
	size_t length;
	char text[RULES_SCRIPT_OUTPUT_MAX + 1]; /* NUL-terminated */
};

/* Whether it is one that the daemon has use for. */
bool rules_script_is_verb(const char *verb);

/*
 * Runs `SCRIPT verb -c CONFIG` and waits for it, RULES_SCRIPT_TIMEOUT_MS at most, and no longer
 * than the other end of asker_fd is open: what it would make are rules of a process that is gone,
 * and the next one makes its own. The program's descriptor reaches it as TRAFFICDUPLICATOR. The count of workers and the addresses reach
 * `trafficduplicator rules`, which the script calls, as TRAFFICDUPLICATOR_WORKERS and
 * TRAFFICDUPLICATOR_RESOLVED of its environment. Returns 0 when it succeeded, 1 when it failed (and
 * has said why), or -errno when it could not be run. *output is what it said by then.
 */
int rules_script_run(const char *script, const struct rules_script_order *order,
		     struct rules_script_output *output);

#endif
