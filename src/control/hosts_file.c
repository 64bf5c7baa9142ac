/* SPDX-License-Identifier: MIT */
#include "control/hosts_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n\f\v"

static void read_line(char *line, hosts_file_entry *entry, void *context)
{
	struct ip_address address;
	char *rest = NULL, *word;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, BLANKS, &rest);
	if (!word || !ip_parse(word, strlen(word), &address))
		return;
	while ((word = strtok_r(NULL, BLANKS, &rest)))
		entry(context, word, &address);
}

int hosts_file_read(const char *path, hosts_file_entry *entry, void *context)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int result;

	if (!file)
		return -errno;
	while (getline(&line, &size, file) >= 0)
		read_line(line, entry, context);
	result = feof(file) ? 0 : -errno;
	free(line);
	fclose(file);
	return result;
}
