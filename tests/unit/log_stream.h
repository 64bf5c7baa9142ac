/* SPDX-License-Identifier: MIT */
/* stderr, redirected to where a test can read what was logged. */
#ifndef TESTS_UNIT_LOG_STREAM_H
#define TESTS_UNIT_LOG_STREAM_H

#include "control/log.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What stderr goes to, and where that is read. */
struct stream {
	int real_stderr;
	int read_fd;
};

static inline struct stream redirect(int read_fd, int write_fd)
{
	struct stream stream = {.real_stderr = dup(STDERR_FILENO), .read_fd = read_fd};

	assert_true(stream.real_stderr >= 0);
	assert_int_equal(dup2(write_fd, STDERR_FILENO), STDERR_FILENO);
	close(write_fd);
	return stream;
}

static inline struct stream redirect_to_pipe(void)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	return redirect(ends[0], ends[1]);
}

/* Ends the redirection; what was written is in text. */
static inline void take(const struct stream *stream, char *text, size_t size)
{
	size_t held = 0;
	ssize_t got;

	dup2(stream->real_stderr, STDERR_FILENO);
	close(stream->real_stderr);
	while ((got = read(stream->read_fd, text + held, size - 1 - held)) > 0)
		held += (size_t)got;
	text[held] = '\0';
	close(stream->read_fd);
}

static inline int begin(void **state)
{
	static char name[] = "program";

	(void)state;
	program_invocation_short_name = name;
	unsetenv("JOURNAL_STREAM");
	log_set_level(LOG_LEVEL_INFO);
	log_set_format(LOG_FORMAT_TEXT);
	return 0;
}

/* JOURNAL_STREAM names the socket that stderr is; systemd sets it so. */
static inline void name_the_journal(int fd, ino_t differs_by)
{
	struct stat status;
	char text[64];

	assert_int_equal(fstat(fd, &status), 0);
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)status.st_dev,
		 (uintmax_t)(status.st_ino + differs_by));
	assert_int_equal(setenv("JOURNAL_STREAM", text, 1), 0);
}

static inline unsigned lines_of(const char *text)
{
	unsigned lines = 0;

	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	return lines;
}

#define logging(test) cmocka_unit_test_setup(test, begin)

#endif
