/* SPDX-License-Identifier: MIT */
/* What a log line looks like. Allocates nothing: also that memory has run out can be said. */
#ifndef TRAFFICDUPLICATOR_CONTROL_LOG_LINE_H
#define TRAFFICDUPLICATOR_CONTROL_LOG_LINE_H

#include "core/config.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/*
 * Writes text as a line can have it: valid UTF-8, each byte that is none replaced by U+FFFD, each
 * control character by a space; cut after a character where out, of size bytes, is too small for
 * it. Returns its length without the NUL.
 */
size_t log_line_clean(char *out, size_t size, const char *text);

struct log_line {
	enum log_level level;
	const char *message; /* clean */
	uint64_t held_back;  /* other lines like it that were not written; 0: none */
	struct timespec time;
	pid_t pid;
};

/* The most bytes of a line in JSON whose message has so many, the NUL included. */
#define LOG_LINE_JSON_SIZE(message_bytes) (2 * (message_bytes) + 160)

/*
 * {"time":"2026-11-23T08:50:15.123Z","level":"warning","pid":4711,"message":"..."}, with
 * "held_back" before the message where it is not 0. The time is UTC (RFC 3339). No newline. out is
 * of LOG_LINE_JSON_SIZE.
 */
void log_line_json(const struct log_line *line, char *out);

#endif
