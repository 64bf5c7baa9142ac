/* SPDX-License-Identifier: MIT */
/*
 * The daemon's answers, one a second, from a thread of its own: a daemon that hangs must not make
 * the keys hang.
 */
#ifndef TRAFFICDUPLICATOR_CLI_TOP_SOURCE_H
#define TRAFFICDUPLICATOR_CLI_TOP_SOURCE_H

#include "cli/status_sample.h"

#include <stdbool.h>

struct top_source;

struct top_answer {
	struct status_sample sample;		  /* state NULL: there was no answer */
	char failure[STATUS_SAMPLE_FAILURE_SIZE]; /* and this is why */
};

/*
 * Begins to ask, in a second for the first time. socket_path must stay. Returns 0 or -errno.
 */
int top_source_start(struct top_source **source, const char *socket_path);
/* Ends the asking, at once: a question still open is abandoned. NULL is fine. */
void top_source_stop(struct top_source *source);

/* Readable when there is an answer to take. */
int top_source_fd(const struct top_source *source);

/* The newest answer not yet taken, whose sample the caller releases; false if there is none. */
bool top_source_take(struct top_source *source, struct top_answer *answer);

#endif
