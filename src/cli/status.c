/* SPDX-License-Identifier: MIT */
#include "cli/status_view.h"
#include "cli/verbs.h"
#include "control/control_socket.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void complain(const char *path, int error, const char *body)
{
	switch (-error) {
	case ENOENT:
	case ECONNREFUSED:
		fprintf(stderr,
			"trafficduplicator: no daemon answers on %s; start it with 'systemctl "
			"start "
			"trafficduplicator' or 'trafficduplicator run'\n",
			path);
		break;
	case EACCES:
	case EPERM:
		fprintf(stderr,
			"trafficduplicator: permission denied on %s: only root and the daemon's "
			"own "
			"user may ask; try sudo\n",
			path);
		break;
	case EPROTO:
		fprintf(stderr, "trafficduplicator: the daemon refused: %s", body);
		break;
	default:
		fprintf(stderr, "trafficduplicator: no answer on %s: %s\n", path, strerror(-error));
	}
}

/* Asks for the state as JSON text. Returns NULL, having said why, where there is none. */
static char *ask(const char *path)
{
	char *body;
	int error = control_socket_ask(path, "status", &body);

	if (error == 0)
		return body;
	complain(path, error, body);
	free(body);
	return NULL;
}

/* The state and when it was so; NULL, having said why, where there is none. */
static struct json_object *sample(const char *path, struct timespec *when)
{
	char *body = ask(path);
	struct json_object *object;

	if (!body)
		return NULL;
	clock_gettime(CLOCK_MONOTONIC, when);
	object = json_tokener_parse(body);
	free(body);
	if (!object)
		fprintf(stderr, "trafficduplicator: the answer on %s is not JSON\n", path);
	return object;
}

static bool wants_colour(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && terminal &&
	       strcmp(terminal, "dumb") != 0;
}

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

static int print_for_people(const char *path)
{
	const struct timespec second = {.tv_sec = 1};
	struct json_object *earlier, *later = NULL;
	struct timespec earlier_time, later_time;
	int code = EXIT_FAILED;

	earlier = sample(path, &earlier_time);
	if (!earlier)
		return EXIT_FAILED;
	nanosleep(&second, NULL);
	later = sample(path, &later_time);
	if (later) {
		status_view_print(stdout, earlier, later,
				  seconds_between(&earlier_time, &later_time), wants_colour());
		code = EXIT_FINE;
	}
	json_object_put(later);
	json_object_put(earlier);
	return code;
}

int verb_status(const struct options *options)
{
	char *body;

	if (!options->json)
		return print_for_people(options->socket_path);
	body = ask(options->socket_path);
	if (!body)
		return EXIT_FAILED;
	fputs(body, stdout);
	free(body);
	return EXIT_FINE;
}
