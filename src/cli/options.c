/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include "control/control_socket.h"
#include "core/config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Long options have values that no letter has, so that optopt tells which of the two it was. */
enum {
	OPTION_CONFIG = 256,
	OPTION_SOCKET,
	OPTION_RULES_SCRIPT,
	OPTION_NO_RULES,
	OPTION_JSON,
	OPTION_WAY,
	OPTION_DEFRAGMENTATION,
	OPTION_FORMAT,
	OPTION_SEND_TEST,
	OPTION_LOG_FORMAT,
	OPTION_PORT,
	OPTION_INTERFACE,
	OPTION_VERBOSE,
	OPTION_VERSION,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"rules-script", required_argument, NULL, OPTION_RULES_SCRIPT},
	{"no-rules", no_argument, NULL, OPTION_NO_RULES},
	{"json", no_argument, NULL, OPTION_JSON},
	{"way", required_argument, NULL, OPTION_WAY},
	{"defragmentation", required_argument, NULL, OPTION_DEFRAGMENTATION},
	{"format", required_argument, NULL, OPTION_FORMAT},
	{"port", required_argument, NULL, OPTION_PORT},
	{"interface", required_argument, NULL, OPTION_INTERFACE},
	{"send-test", required_argument, NULL, OPTION_SEND_TEST},
	{"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
	{"verbose", no_argument, NULL, OPTION_VERBOSE},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, OPTION_HELP},
	{0},
};

static void complain(const char *what, const char *argument)
{
	fprintf(stderr, "trafficduplicator: %s '%s'; see 'trafficduplicator --help'\n", what,
		argument);
}

/* Says what getopt_long stopped at: a letter, maybe one of several, or a whole word. */
static void complain_of_option(const char *what, const char *word)
{
	const char letter[] = {'-', (char)optopt, '\0'};

	complain(what, optopt > 0 && optopt < OPTION_CONFIG ? letter : word);
}

/* Options that a single verb has. Returns false for any other. */
static bool apply_own(struct options *options, int option)
{
	switch (option) {
	case OPTION_JSON:
		options->json = true;
		options->own |= OPTIONS_OF_STATUS;
		return true;
	case OPTION_PORT:
		options->port = optarg;
		options->own |= OPTIONS_OF_IMPORT;
		return true;
	case OPTION_INTERFACE:
		options->interface = optarg;
		options->own |= OPTIONS_OF_EXPLAIN;
		return true;
	case OPTION_SEND_TEST:
		options->send_test_client = optarg;
		options->own |= OPTIONS_OF_DOCTOR;
		return true;
	case OPTION_LOG_FORMAT:
		options->log_format = optarg;
		options->own |= OPTIONS_OF_RUN;
		return true;
	case OPTION_WAY:
		options->way = optarg;
		break;
	case OPTION_DEFRAGMENTATION:
		options->defragmentation = optarg;
		break;
	case OPTION_FORMAT:
		options->format = optarg;
		break;
	default:
		return false;
	}
	options->own |= OPTIONS_OF_RULES;
	return true;
}

/* Returns false for an option that is not understood. */
static bool apply(struct options *options, int option, const char *word)
{
	switch (option) {
	case 'c':
	case OPTION_CONFIG:
		options->config_path = optarg;
		return true;
	case OPTION_SOCKET:
		options->socket_path = optarg;
		return true;
	case OPTION_RULES_SCRIPT:
		options->rules_script = optarg;
		return true;
	case OPTION_NO_RULES:
		options->no_rules = true;
		return true;
	case 'v':
	case OPTION_VERBOSE:
		options->verbose = true;
		return true;
	case OPTION_VERSION:
		options->version = true;
		return true;
	case 'h':
	case OPTION_HELP:
		options->help = true;
		return true;
	case ':':
		complain_of_option("a value is missing after", word);
		return false;
	default:
		if (apply_own(options, option))
			return true;
		complain_of_option("unknown option", word);
		return false;
	}
}

bool options_parse(struct options *options, int argc, char **argv)
{
	int option;

	*options = (struct options){
		.config_path = CONFIG_DEFAULT_PATH,
		.socket_path = CONTROL_SOCKET_DEFAULT_PATH,
		.rules_script = OPTIONS_RULES_SCRIPT,
	};
	optind = 0; /* getopt(3): begin anew */
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":c:vh", long_options, NULL)) != -1) {
		if (!apply(options, option, argv[optind - 1]))
			return false;
	}
	if (optind < argc)
		options->verb = argv[optind++];
	options->arguments = argv + optind;
	options->argument_count = argc - optind;
	return true;
}

int options_choose(const char *option, const char *value, const char *first, const char *second)
{
	if (!value || strcmp(value, first) == 0)
		return 0;
	if (strcmp(value, second) == 0)
		return 1;
	fprintf(stderr, "trafficduplicator: %s is '%s' or '%s', not '%s'\n", option, first, second,
		value);
	return -1;
}
