/* SPDX-License-Identifier: MIT */
/*
 * Diagnostics: one line per event on stderr. Under systemd (JOURNAL_STREAM is set) each line
 * begins with its syslog priority as sd-daemon(3) has it, so that the journal keeps the level.
 *
 * Lines are valid UTF-8 without control characters, whatever they are made of, and not longer than
 * some 2,000 bytes of message. They may come from any thread; none that serves packets writes any.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_LOG_H
#define TRAFFICDUPLICATOR_CONTROL_LOG_H

#include "core/config.h"

#include <stdbool.h>
#include <stdint.h>

/* LOG_FORMAT_JSON: each line is an object, see log_line_json. Default: LOG_FORMAT_TEXT. */
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
void log_set_format(enum log_format format);

/* Lines less urgent than this are not written. Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* Whether stderr goes to the journal (systemd.exec(5), JOURNAL_STREAM). */
bool log_is_journal(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A change of something that goes to and fro, as a server that is up or down. In a storm, changes
 * of one name are held back apart from those of most others, and the last that is told of is the
 * last that was, whatever its level.
 */
void log_change(const char *name, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * An event that takes several lines: writes each line of text, empty ones apart, with `before`, a
 * string literal, in front. They are written or held back together.
 */
void log_lines(enum log_level level, const char *before, const char *text);

/*
 * From now on a storm of lines of one kind, those of one format and level, is held back as
 * log_limit.h has it, counted, and told of. Until then, and when memory runs out, all are written.
 * clock_ms: a monotonic clock.
 */
void log_limit_begin(uint64_t (*clock_ms)(void));

/* To be called once a second or so: tells of what was held back, where nothing like it came since.
 */
void log_limit_tick(void);

/* Tells of all that was held back. From now on everything is written at once. */
void log_limit_end(void);

#endif
