/* SPDX-License-Identifier: MIT */
#include "cli/load.h"

#include "control/config_file.h"

#include <stdio.h>

int load_config(const struct options *options, struct config **config)
{
	struct config_errors errors = {0};
	enum config_file_result result =
		config_file_load(options->config_path, CONFIG_FILE_WRITABLE_WARN, config, &errors);

	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.messages[i]);
	config_errors_free(&errors);
	switch (result) {
	case CONFIG_FILE_OK:
		return EXIT_FINE;
	case CONFIG_FILE_INVALID:
		return EXIT_INVALID_CONFIG;
	default:
		return EXIT_FAILED;
	}
}
