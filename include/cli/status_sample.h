/* SPDX-License-Identifier: MIT */
/* The daemon's state, asked for over the control socket, and when it was so. */
#ifndef TRAFFICDUPLICATOR_CLI_STATUS_SAMPLE_H
#define TRAFFICDUPLICATOR_CLI_STATUS_SAMPLE_H

#include <json-c/json.h>
#include <time.h>

#define STATUS_SAMPLE_FAILURE_SIZE 512

struct status_sample {
	struct json_object *state; /* as `status --json` has it */
	struct timespec when;	   /* CLOCK_MONOTONIC */
};

/*
 * The state as JSON text, freed by the caller; NULL where there is none, and then failure says why:
 * one sentence, without a full stop. Waits five seconds at most.
 */
char *status_sample_text(const char *socket_path, char failure[static STATUS_SAMPLE_FAILURE_SIZE]);

/* Says in failure what an error of control_socket_ask means; body as that gave it. */
void status_sample_explain(const char *path, int error, const char *body,
			   char failure[static STATUS_SAMPLE_FAILURE_SIZE]);

/* The same, parsed: 0, and status_sample_release() frees it; or -1 and failure. */
int status_sample_take(struct status_sample *sample, const char *socket_path,
		       char failure[static STATUS_SAMPLE_FAILURE_SIZE]);
/* Also for a sample that is all zero. */
void status_sample_release(struct status_sample *sample);

double status_sample_elapsed_s(const struct status_sample *earlier,
			       const struct status_sample *later);

#endif
