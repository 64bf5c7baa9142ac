/* SPDX-License-Identifier: MIT */
/*
 * The helper: a process that the daemon starts first of all, to do later what the daemon itself
 * may not any more. It runs the rules script, and it makes and removes the control socket's file.
 * So the process that reads packets needs neither fork nor exec, and no file that it could write
 * (confine.h).
 *
 * The two share a pair of sockets and nothing else. The helper ends when the daemon's end is
 * closed, however the daemon ends, and finishes first what it is at. What it is told is checked
 * like any other input: it runs one script, for a few verbs, and makes or removes one file.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_HELPER_H
#define TRAFFICDUPLICATOR_CONTROL_HELPER_H

#include "control/confine.h"

#include <stdbool.h>
#include <stddef.h>

struct helper;

/* What it is for; known before it starts, and not to be changed by the daemon any more. */
struct helper_options {
	const char *rules_script;
	const char *socket_path; /* of the control socket */
	int program_fd;		 /* of the program that runs, whatever lies at its path by now */
};

/* What the script makes rules of. */
struct helper_script_input {
	const char *config_text; /* exactly this, whatever became of the file meanwhile */
	size_t config_length;
	unsigned worker_count; /* however many CPUs there are by now */
	const char *resolved;  /* addresses that host names have, each with a space behind it */
	/* After a start that failed: what the script says is not what matters then, and is logged
	 * at level debug. */
	bool is_tidying;
	void (*waiting)(void *context); /* called once a second while the script runs */
	void *context;
};

/*
 * Starts it, and waits until it has given up its own privileges and is confined. To be called while
 * there is one thread. Returns 0, or -errno with the reason in why.
 */
int helper_start(struct helper **helper, const struct helper_options *options,
		 char why[static CONFINE_ERROR_BYTES]);

/* Is readable once the helper is lost: it has ended by itself, which it never should, or it did not
 * answer. */
int helper_fd(const struct helper *helper);

/* Gives the helper up: whatever is asked of it from now on fails. */
void helper_lost(struct helper *helper);
bool helper_is_lost(const struct helper *helper);

/*
 * Has the rules script run for a verb, and waits for it: rules_script.h. What the script says goes
 * to the log. Returns 0 when it succeeded, 1 when it failed (and has said why), or -errno when it
 * could not be run; that is logged, too. -EPIPE: there is no helper any more.
 */
int helper_run_script(struct helper *helper, const char *verb,
		      const struct helper_script_input *input);

/* Has the control socket's file removed. Returns 0 or -errno. */
int helper_remove_socket(struct helper *helper);
/* Has it made anew: control_socket_listen. Returns the listening socket, or -errno. */
int helper_make_socket(struct helper *helper);

/* Ends it, waits for that, and frees. NULL is none. */
void helper_end(struct helper *helper);

#endif
