/* SPDX-License-Identifier: MIT */
#include "cli/status_sample.h"
#include "cli/verbs.h"
#include "control/config_file.h"
#include "control/control_socket.h"
#include "core/config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns the answer's body, freed by the caller; NULL, with the user told why, when refused. */
static char *ask(const struct options *options, const char *request)
{
	char failure[STATUS_SAMPLE_FAILURE_SIZE];
	char *body = NULL;
	int error =
		control_socket_ask(options->socket_path, request, CONTROL_SOCKET_ANSWER_S, &body);

	if (error == 0)
		return body;
	status_sample_explain(options->socket_path, error, body, failure);
	fprintf(stderr, "trafficduplicator: %s\n", failure);
	free(body);
	return NULL;
}

/* Queues and packets under way would not be those that the next daemon knows. */
static bool fits(const struct config_settings *running, const struct config_settings *next)
{
	const char *changed = running->queue != next->queue	  ? "QUEUE"
			      : running->workers != next->workers ? "WORKERS"
			      : running->mark != next->mark	  ? "MARK"
								  : NULL;

	if (changed)
		fprintf(stderr,
			"trafficduplicator: SETTINGS.%s has changed: the daemon can only end, and "
			"packets go uncopied until the next one is ready\n",
			changed);
	return !changed;
}

/* Whether the daemon's configuration fits the one that the next daemon will have. */
static bool fits_running(const struct options *options, const struct config *next)
{
	struct config_errors errors = {0};
	char *text = ask(options, "config");
	struct config *running = NULL;
	bool result = false;

	if (text)
		running = config_parse(text, strlen(text), options->config_path, &errors);
	if (running)
		result = fits(&running->settings, &next->settings);
	config_errors_free(&errors);
	config_free(running);
	free(text);
	return result;
}

/* As the next daemon will find it. Returns EXIT_FINE, or the exit code to end with. */
static int load_as_run_does(const struct options *options, struct config **config)
{
	struct config_errors errors = {0};
	enum config_file_result result = config_file_load(
		options->config_path, CONFIG_FILE_WRITABLE_REFUSE, config, &errors);

	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.messages[i]);
	config_errors_free(&errors);
	if (result == CONFIG_FILE_OK)
		return EXIT_FINE;
	return result == CONFIG_FILE_INVALID ? EXIT_INVALID_CONFIG : EXIT_FAILED;
}

int verb_handover(const struct options *options)
{
	struct config *next;
	int code = load_as_run_does(options, &next);
	char *answer = NULL;

	if (code != EXIT_FINE)
		return code;
	if (fits_running(options, next))
		answer = ask(options, "handover");
	code = answer ? EXIT_FINE : EXIT_FAILED;
	config_free(next);
	free(answer);
	return code;
}
