/* SPDX-License-Identifier: MIT */
#include "cli/status_sample.h"

#include "control/control_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void status_sample_explain(const char *path, int error, const char *body,
			   char failure[static STATUS_SAMPLE_FAILURE_SIZE])
{
	switch (-error) {
	case ENOENT:
	case ECONNREFUSED:
		snprintf(failure, STATUS_SAMPLE_FAILURE_SIZE,
			 "no daemon answers on %s; start it with 'systemctl start "
			 "trafficduplicator' or 'trafficduplicator run'",
			 path);
		break;
	case EACCES:
	case EPERM:
		snprintf(failure, STATUS_SAMPLE_FAILURE_SIZE,
			 "permission denied on %s: only root and the daemon's own user may ask; "
			 "try sudo",
			 path);
		break;
	case EPROTO:
		snprintf(failure, STATUS_SAMPLE_FAILURE_SIZE, "the daemon refused: %.*s",
			 (int)strcspn(body, "\n"), body);
		break;
	case EPIPE:
		snprintf(failure, STATUS_SAMPLE_FAILURE_SIZE,
			 "the answer on %s was cut short: the daemon does not wait for a client "
			 "that reads nothing for 5 s; try again when this machine has less to do",
			 path);
		break;
	case EBADMSG:
		snprintf(
			failure, STATUS_SAMPLE_FAILURE_SIZE,
			"what answers on %s is no daemon of this version: compare '--version' with "
			"the log of its start; 'systemctl restart trafficduplicator' starts this "
			"one",
			path);
		break;
	default:
		snprintf(failure, STATUS_SAMPLE_FAILURE_SIZE, "no answer on %s: %s", path,
			 strerror(-error));
	}
}

char *status_sample_text(const char *socket_path, char failure[static STATUS_SAMPLE_FAILURE_SIZE])
{
	char *body;
	int error = control_socket_ask(socket_path, "status", CONTROL_SOCKET_ANSWER_S, &body);

	if (error == 0)
		return body;
	status_sample_explain(socket_path, error, body, failure);
	free(body);
	return NULL;
}

int status_sample_take(struct status_sample *sample, const char *socket_path,
		       char failure[static STATUS_SAMPLE_FAILURE_SIZE])
{
	char *body = status_sample_text(socket_path, failure);

	*sample = (struct status_sample){0};
	if (!body)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &sample->when);
	sample->state = json_tokener_parse(body);
	free(body);
	if (sample->state)
		return 0;
	snprintf(failure, STATUS_SAMPLE_FAILURE_SIZE, "the answer on %s is not JSON", socket_path);
	return -1;
}

void status_sample_release(struct status_sample *sample)
{
	json_object_put(sample->state);
	sample->state = NULL;
}

double status_sample_elapsed_s(const struct status_sample *earlier,
			       const struct status_sample *later)
{
	return (double)(later->when.tv_sec - earlier->when.tv_sec) +
	       (double)(later->when.tv_nsec - earlier->when.tv_nsec) / 1e9;
}
