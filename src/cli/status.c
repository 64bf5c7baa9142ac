/* SPDX-License-Identifier: MIT */
#include "cli/status_sample.h"
#include "cli/status_view.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool wants_colour(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && terminal &&
	       strcmp(terminal, "dumb") != 0;
}

static int fail(const char *failure)
{
	fprintf(stderr, "trafficduplicator: %s\n", failure);
	return EXIT_FAILED;
}

static int print_for_people(const char *path)
{
	const struct timespec second = {.tv_sec = 1};
	char failure[STATUS_SAMPLE_FAILURE_SIZE];
	struct status_sample earlier, later;

	if (status_sample_take(&earlier, path, failure) != 0)
		return fail(failure);
	nanosleep(&second, NULL);
	if (status_sample_take(&later, path, failure) != 0) {
		status_sample_release(&earlier);
		return fail(failure);
	}
	status_view_print(stdout, earlier.state, later.state,
			  status_sample_elapsed_s(&earlier, &later), wants_colour());
	status_sample_release(&later);
	status_sample_release(&earlier);
	return EXIT_FINE;
}

int verb_status(const struct options *options)
{
	char failure[STATUS_SAMPLE_FAILURE_SIZE], *text;

	if (!options->json)
		return print_for_people(options->socket_path);
	text = status_sample_text(options->socket_path, failure);
	if (!text)
		return fail(failure);
	fputs(text, stdout);
	free(text);
	return EXIT_FINE;
}
