/* SPDX-License-Identifier: MIT */
/*
 * Keeps a storm of log lines from flooding the journal: of each kind of line, so many may come at
 * once, and from then on one in a while. What is held back is counted, and its latest line kept, so
 * that nothing is lost in silence. Knows no clock and writes nothing: log.c does.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_LOG_LIMIT_H
#define TRAFFICDUPLICATOR_CONTROL_LOG_LIMIT_H

#include "core/config.h"

#include <stdbool.h>
#include <stdint.h>

/* A kind may write this many lines at once, and gets one more each interval, up to as many again.
 */
#define LOG_LIMIT_BURST 50
#define LOG_LIMIT_INTERVAL_MS 20000

/* More kinds at a time than this share one allowance. There are fewer in the program. */
#define LOG_LIMIT_KINDS 128

/* Of the latest line held back, this much is kept. */
#define LOG_LIMIT_KEPT_BYTES 512

struct log_limit;

/* What has not been written. */
struct log_held {
	uint64_t count;	  /* 0: nothing was held back */
	uint64_t time_ms; /* since the first of them */
	enum log_level level;
	char latest[LOG_LIMIT_KEPT_BYTES]; /* cut when longer; not within a UTF-8 character */
};

/* Returns NULL when memory runs out. */
struct log_limit *log_limit_create(void);
void log_limit_free(struct log_limit *limit);

/*
 * Whether a line may be written at now_ms, of a monotonic clock. Its kind is the address of what it
 * is made of, and its level. If it may, held says what was held back before it, and is told of with
 * it. If not, the message, which is UTF-8, is kept as the latest.
 */
bool log_limit_admit(struct log_limit *limit, const void *kind, enum log_level level,
		     const char *message, uint64_t now_ms, struct log_held *held);

/*
 * The same for what changes to and fro, as a server that is up or down: lines of all levels are one
 * kind, so that the latest is the last change. kind is the address of something else than a format.
 */
bool log_limit_admit_change(struct log_limit *limit, const void *kind, enum log_level level,
			    const char *message, uint64_t now_ms, struct log_held *held);

/* Takes out one kind's held lines that may be told of at now_ms. Returns false when there are none.
 */
bool log_limit_due(struct log_limit *limit, uint64_t now_ms, struct log_held *held);

/* The same, whether their time has come or not. */
bool log_limit_rest(struct log_limit *limit, uint64_t now_ms, struct log_held *held);

#endif
