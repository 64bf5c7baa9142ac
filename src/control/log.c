/* SPDX-License-Identifier: MIT */
#include "control/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static atomic_int log_threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_threshold, (int)level, memory_order_relaxed);
}

/*
 * Whether stderr goes to the journal: the variable names its device and inode (systemd.exec(5)), so
 * that a child whose stderr was redirected does not take itself for connected.
 */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat status;

	return stream && sscanf(stream, "%" SCNuMAX ":%" SCNuMAX, &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && device == status.st_dev &&
	       inode == status.st_ino;
}

static int prefix(char *line, size_t size, enum log_level level)
{
	static const struct {
		int priority;
		const char *word;
	} levels[] = {
		[LOG_LEVEL_ERROR] = {LOG_ERR, "error: "},
		[LOG_LEVEL_WARNING] = {LOG_WARNING, "warning: "},
		[LOG_LEVEL_INFO] = {LOG_INFO, ""},
		[LOG_LEVEL_DEBUG] = {LOG_DEBUG, "debug: "},
	};

	if (stderr_is_journal())
		return snprintf(line, size, "<%d>", levels[level].priority);
	return snprintf(line, size, "%s: %s", program_invocation_short_name, levels[level].word);
}

/* One write(2) per line, so that lines of several threads do not mix. */
static void __attribute__((format(printf, 2, 0)))
write_line(enum log_level level, const char *format, va_list arguments)
{
	char line[LINE_MAX_BYTES];
	size_t start, length;

	if ((int)level > atomic_load_explicit(&log_threshold, memory_order_relaxed))
		return;
	start = (size_t)prefix(line, sizeof(line), level);
	if (vsnprintf(line + start, sizeof(line) - start, format, arguments) < 0)
		return;
	length = strlen(line);
	for (size_t i = start; i < length; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	}
	line[length++] = '\n';
	/* Where diagnostics cannot be written, there is nobody to tell. */
	if (write(STDERR_FILENO, line, length) < 0)
		return;
}

void log_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_ERROR, format, arguments);
	va_end(arguments);
}

void log_warning(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_WARNING, format, arguments);
	va_end(arguments);
}

void log_info(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_INFO, format, arguments);
	va_end(arguments);
}

void log_debug(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_DEBUG, format, arguments);
	va_end(arguments);
}
