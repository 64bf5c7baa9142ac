/* SPDX-License-Identifier: MIT */
#include "control/program.h"

#include <errno.h>
#include <stdlib.h>

enum config_file_result program_load(struct program *program, const char *path,
				     struct config_errors *errors)
{
	enum config_file_result result;

	*program = (struct program){0};
	result = config_file_read(path, CONFIG_FILE_REGULAR, &program->file, errors);
	if (result == CONFIG_FILE_OK)
		result = config_file_parse(path, &program->file, CONFIG_FILE_WRITABLE_REFUSE,
					   &program->config, errors);
	if (result != CONFIG_FILE_OK)
		program_free(program);
	return result;
}

int program_compile(struct program *program, struct ruleset **former)
{
	struct ruleset *ruleset = ruleset_compile(program->config);

	if (!ruleset)
		return -ENOMEM;
	*former = program->ruleset;
	program->ruleset = ruleset;
	return 0;
}

void program_free(struct program *program)
{
	ruleset_free(program->ruleset);
	config_free(program->config);
	free(program->file.text);
	*program = (struct program){0};
}
