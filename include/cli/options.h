/* SPDX-License-Identifier: MIT */
/* What stands on the command line. */
#ifndef TRAFFICDUPLICATOR_CLI_OPTIONS_H
#define TRAFFICDUPLICATOR_CLI_OPTIONS_H

#include <stdbool.h>

/* The installed rules script. */
#define OPTIONS_RULES_SCRIPT TRAFFICDUPLICATOR_LIBDIR "/trafficduplicator-rules"

/* Exit codes of all verbs. */
enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INVALID_CONFIG = 3 };

/* Options that only some verbs have. */
enum {
	OPTIONS_OF_STATUS = 1,
	OPTIONS_OF_RULES = 2,
	OPTIONS_OF_IMPORT = 4,
	OPTIONS_OF_EXPLAIN = 8,
	OPTIONS_OF_DOCTOR = 16,
	OPTIONS_OF_RUN = 32
};

/* Texts point into argv or are static. */
struct options {
	const char *verb;	/* NULL: none given */
	char *const *arguments; /* what follows the verb, options apart */
	int argument_count;
	const char *config_path;
	const char *socket_path;
	const char *rules_script;
	bool no_rules;
	bool verbose;
	bool help;
	bool version;
	unsigned own; /* OPTIONS_OF_...: whose of the following were given */
	bool json;
	const char *way; /* these three as written; NULL: not given */
	const char *defragmentation;
	const char *format;
	const char *send_test_client; /* as written; NULL: not given */
	const char *port;	      /* as written; NULL: not given */
	const char *interface;	      /* as written; NULL: not given */
	const char *log_format;	      /* as written; NULL: not given */
};

/*
 * Reads a command line: one verb and its arguments, with options anywhere. Returns false, having
 * told the user what is wrong, where it cannot be understood.
 */
bool options_parse(struct options *options, int argc, char **argv);

/* The index of value among two words, the first where it is NULL, or -1 after telling the user. */
int options_choose(const char *option, const char *value, const char *first, const char *second);

#endif
