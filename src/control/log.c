/* SPDX-License-Identifier: MIT */
#include "control/log.h"

#include "control/log_limit.h"
#include "control/log_line.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#define MESSAGE_MAX_BYTES 2048
#define SUFFIX_MAX_BYTES 96 /* of these, for what was held back */
#define PREFIX_MAX_BYTES 256
#define CHANGES_COUNT 31 /* kinds of changes; a storm writes as many bursts at most */

static atomic_int log_threshold = LOG_LEVEL_INFO;
static atomic_int log_format = LOG_FORMAT_TEXT;

/* What is held back; NULL: nothing is. */
static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_limit *limit;
static uint64_t (*limit_clock_ms)(void);

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_threshold, (int)level, memory_order_relaxed);
}

void log_set_format(enum log_format format)
{
	atomic_store_explicit(&log_format, (int)format, memory_order_relaxed);
}

static bool is_wanted(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_threshold, memory_order_relaxed);
}

/* The variable names device and inode, so that a child whose stderr was redirected does not take
 * itself for connected. */
bool log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat status;

	return stream && sscanf(stream, "%" SCNuMAX ":%" SCNuMAX, &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && device == status.st_dev &&
	       inode == status.st_ino;
}

static const struct {
	int priority;
	const char *word;
} levels[] = {
	[LOG_LEVEL_ERROR] = {LOG_ERR, "error: "},
	[LOG_LEVEL_WARNING] = {LOG_WARNING, "warning: "},
	[LOG_LEVEL_INFO] = {LOG_INFO, ""},
	[LOG_LEVEL_DEBUG] = {LOG_DEBUG, "debug: "},
};

/* The journal takes the priority off the line, and keeps it. */
static int write_prefix(char *line, size_t size, enum log_level level, enum log_format format)
{
	if (log_is_journal())
		return snprintf(line, size, "<%d>", levels[level].priority);
	if (format == LOG_FORMAT_JSON)
		return 0;
	return snprintf(line, size, "%s: %s", program_invocation_short_name, levels[level].word);
}

/* One write(2) per line, so that lines of several threads do not mix. message is clean. */
static void write_line(enum log_level level, const char *message, uint64_t held_back)
{
	int format = atomic_load_explicit(&log_format, memory_order_relaxed);
	struct log_line parts = {level, message, held_back, {0}, getpid()};
	char line[PREFIX_MAX_BYTES + LOG_LINE_JSON_SIZE(MESSAGE_MAX_BYTES)];
	int start = write_prefix(line, PREFIX_MAX_BYTES, level, (enum log_format)format);
	size_t length;

	if (start >= PREFIX_MAX_BYTES)
		start = PREFIX_MAX_BYTES - 1;
	clock_gettime(CLOCK_REALTIME, &parts.time);
	if (format == LOG_FORMAT_JSON)
		log_line_json(&parts, line + start);
	else
		strcpy(line + start, message);
	length = strlen(line);
	line[length++] = '\n';
	/* Where diagnostics cannot be written, there is nobody to tell. */
	if (write(STDERR_FILENO, line, length) < 0)
		return;
}

static unsigned long long seconds(uint64_t time_ms)
{
	return time_ms > 1000 ? (time_ms + 999) / 1000 : 1;
}

/* A line before which some of its kind were held back says so. */
static void write_after(enum log_level level, char message[static MESSAGE_MAX_BYTES],
			const struct log_held *held)
{
	size_t length = strlen(message);

	if (held->count > 0)
		snprintf(message + length, MESSAGE_MAX_BYTES - length,
			 " (%" PRIu64 " more like this held back in the last %llu s)", held->count,
			 seconds(held->time_ms));
	write_line(level, message, held->count);
}

/* Nothing has come since: the latest of those that were held back stands for them. */
static void write_held(const struct log_held *held)
{
	char message[MESSAGE_MAX_BYTES];

	if (!is_wanted(held->level))
		return;
	if (held->count == 1)
		snprintf(message, sizeof(message), "%s (held back %llu s ago)", held->latest,
			 seconds(held->time_ms));
	else
		snprintf(message, sizeof(message),
			 "%s (the latest of %" PRIu64 " like this held back in the last %llu s)",
			 held->latest, held->count, seconds(held->time_ms));
	write_line(held->level, message, held->count - 1);
}

typedef bool admission(struct log_limit *, const void *kind, enum log_level, const char *message,
		       uint64_t now_ms, struct log_held *);

/* Whether a line may be written now; if not, it has been counted. */
static bool admit(admission *may_be, const void *kind, enum log_level level, const char *message,
		  struct log_held *held)
{
	bool admitted = true;

	held->count = 0;
	pthread_mutex_lock(&limit_lock);
	if (limit)
		admitted = may_be(limit, kind, level, message, limit_clock_ms(), held);
	pthread_mutex_unlock(&limit_lock);
	return admitted;
}

static void __attribute__((format(printf, 4, 0)))
write_as(admission *may_be, const void *kind, enum log_level level, const char *format,
	 va_list arguments)
{
	char said[MESSAGE_MAX_BYTES], message[MESSAGE_MAX_BYTES];
	struct log_held held;

	if (!is_wanted(level) || vsnprintf(said, sizeof(said), format, arguments) < 0)
		return;
	log_line_clean(message, sizeof(message) - SUFFIX_MAX_BYTES, said);
	if (admit(may_be, kind, level, message, &held))
		write_after(level, message, &held);
}

static void __attribute__((format(printf, 2, 0)))
write_event(enum log_level level, const char *format, va_list arguments)
{
	write_as(log_limit_admit, format, level, format, arguments);
}

void log_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_event(LOG_LEVEL_ERROR, format, arguments);
	va_end(arguments);
}

void log_warning(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_event(LOG_LEVEL_WARNING, format, arguments);
	va_end(arguments);
}

void log_info(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_event(LOG_LEVEL_INFO, format, arguments);
	va_end(arguments);
}

void log_debug(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_event(LOG_LEVEL_DEBUG, format, arguments);
	va_end(arguments);
}

void log_change(const char *name, enum log_level level, const char *format, ...)
{
	static const char kinds[CHANGES_COUNT];
	va_list arguments;
	uint32_t hash = 2166136261u; /* FNV-1a */

	while (*name)
		hash = (hash ^ (unsigned char)*name++) * 16777619u;
	va_start(arguments, format);
	write_as(log_limit_admit_change, kinds + hash % CHANGES_COUNT, level, format, arguments);
	va_end(arguments);
}

void log_lines(enum log_level level, const char *before, const char *text)
{
	struct log_held held;
	bool is_first = true;

	if (!is_wanted(level))
		return;
	for (size_t length; *text; text += length + (text[length] == '\n')) {
		char said[MESSAGE_MAX_BYTES], message[MESSAGE_MAX_BYTES];

		length = strcspn(text, "\n");
		if (length == 0)
			continue;
		snprintf(said, sizeof(said), "%s%.*s", before,
			 (int)(length < sizeof(said) ? length : sizeof(said)), text);
		log_line_clean(message, sizeof(message) - SUFFIX_MAX_BYTES, said);
		if (is_first && !admit(log_limit_admit, before, level, message, &held))
			return;
		write_after(level, message, &held);
		held.count = 0;
		is_first = false;
	}
}

void log_limit_begin(uint64_t (*clock_ms)(void))
{
	pthread_mutex_lock(&limit_lock);
	limit_clock_ms = clock_ms;
	if (!limit)
		limit = log_limit_create();
	pthread_mutex_unlock(&limit_lock);
}

static bool take_held(bool (*take)(struct log_limit *, uint64_t, struct log_held *),
		      struct log_held *held)
{
	bool taken;

	pthread_mutex_lock(&limit_lock);
	taken = limit && take(limit, limit_clock_ms(), held);
	pthread_mutex_unlock(&limit_lock);
	return taken;
}

void log_limit_tick(void)
{
	struct log_held held;

	while (take_held(log_limit_due, &held))
		write_held(&held);
}

void log_limit_end(void)
{
	struct log_held held;

	while (take_held(log_limit_rest, &held))
		write_held(&held);
	pthread_mutex_lock(&limit_lock);
	log_limit_free(limit);
	limit = NULL;
	pthread_mutex_unlock(&limit_lock);
}
