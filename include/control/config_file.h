/* SPDX-License-Identifier: MIT */
/* The configuration file, from the disk to a checked config. */
#ifndef TRAFFICDUPLICATOR_CONTROL_CONFIG_FILE_H
#define TRAFFICDUPLICATOR_CONTROL_CONFIG_FILE_H

#include "core/config.h"

#include <sys/stat.h>

/* A file as it was read. */
struct config_file {
	char *text; /* NUL-terminated; the caller frees it */
	size_t length;
	struct stat status; /* of the file that was read, whatever its path names by now */
};

/* What to do with a file that its group or others can write. */
enum config_file_writable {
	CONFIG_FILE_WRITABLE_WARN, /* log a warning */
	CONFIG_FILE_WRITABLE_REFUSE,
};

/* What may stand at the path. */
enum config_file_kind {
	CONFIG_FILE_ANY,     /* whatever can be opened and read to its end: /dev/fd/N, a pipe */
	CONFIG_FILE_REGULAR, /* no pipe: nothing waits for its other end */
};

enum config_file_result {
	CONFIG_FILE_OK,
	CONFIG_FILE_UNREADABLE, /* missing, no permission, a folder, memory ran out, ... */
	CONFIG_FILE_INVALID,	/* read, and refused */
};

/*
 * Reads a whole file of at most CONFIG_TEXT_MAX bytes. Appends a message to *errors where the
 * result is not OK.
 */
enum config_file_result config_file_read(const char *path, enum config_file_kind kind,
					 struct config_file *file, struct config_errors *errors);

/*
 * Parses what was read, and checks it against this machine's addresses and its mode against
 * writable. On CONFIG_FILE_OK the caller frees *config with config_free; else every error found is
 * appended to *errors.
 */
enum config_file_result config_file_parse(const char *path, const struct config_file *file,
					  enum config_file_writable writable,
					  struct config **config, struct config_errors *errors);

/* Both in one, for those who do not need the text. */
enum config_file_result config_file_load(const char *path, enum config_file_writable writable,
					 struct config **config, struct config_errors *errors);

#endif
