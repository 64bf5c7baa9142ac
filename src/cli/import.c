/* SPDX-License-Identifier: MIT */
#include "core/import.h"
#include "cli/verbs.h"
#include "control/config_file.h"
#include "core/config_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_messages(const struct config_errors *messages)
{
	for (size_t i = 0; i < messages->count; i++)
		fprintf(stderr, "%s\n", messages->messages[i]);
}

static int convert(const struct import_format *format, const char *path, uint16_t port)
{
	struct config_errors errors = {0};
	struct import_result result;
	struct config_file file;
	int code;

	if (config_file_read(path, CONFIG_FILE_ANY, &file, &errors) != CONFIG_FILE_OK) {
		print_messages(&errors);
		config_errors_free(&errors);
		return EXIT_FAILED;
	}
	import_convert(format, file.text, file.length, path, port, &result);
	print_messages(&result.messages);
	if (result.config)
		fputs(result.config, stdout);
	code = result.complete ? EXIT_FINE : EXIT_FAILED;
	import_result_free(&result);
	free(file.text);
	return code;
}

int verb_import(const struct options *options)
{
	const struct import_format *format = import_format_find(options->arguments[0]);
	uint32_t port = 0;

	if (!format) {
		fprintf(stderr,
			"trafficduplicator: import knows 'samplicator' and 'pmacct', not "
			"'%s'\n",
			options->arguments[0]);
		return EXIT_USAGE;
	}
	if (options->port &&
	    (!config_read_digits(options->port, strlen(options->port), UINT16_MAX, &port) ||
	     port == 0)) {
		fprintf(stderr, "trafficduplicator: --port is a number from 1 to 65535, not '%s'\n",
			options->port);
		return EXIT_USAGE;
	}
	return convert(format, options->arguments[1], (uint16_t)port);
}
