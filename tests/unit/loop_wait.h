/* SPDX-License-Identifier: MIT */
/*
 * Runs an event loop until something has come true, never longer than a limit, and knows how long
 * the loop was held up. What is written to stderr meanwhile can be counted. Include after cmocka.h.
 */
#ifndef TRAFFICDUPLICATOR_TESTS_LOOP_WAIT_H
#define TRAFFICDUPLICATOR_TESTS_LOOP_WAIT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LOOP_TICK_MS 5

struct loop_wait {
	struct event_base *base;
	struct event *tick;
	uint64_t ticked_ms;
	uint64_t held_up_ms; /* the longest time between two ticks */
	int log;	     /* what stderr goes to */
	int real_stderr;
};

typedef bool loop_condition(void *context);

static inline uint64_t loop_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void loop_on_tick(evutil_socket_t fd, short what, void *context)
{
	struct loop_wait *wait = context;
	uint64_t now = loop_now_ms();

	(void)fd;
	(void)what;
	if (now - wait->ticked_ms > wait->held_up_ms)
		wait->held_up_ms = now - wait->ticked_ms;
	wait->ticked_ms = now;
}

static inline void loop_wait_begin(struct loop_wait *wait)
{
	const struct timeval tick = {.tv_usec = LOOP_TICK_MS * 1000};

	*wait = (struct loop_wait){.base = event_base_new()};
	assert_non_null(wait->base);
	wait->tick = event_new(wait->base, -1, EV_PERSIST, loop_on_tick, wait);
	assert_non_null(wait->tick);
	assert_int_equal(event_add(wait->tick, &tick), 0);
	fflush(stderr);
	wait->real_stderr = dup(STDERR_FILENO);
	wait->log = memfd_create("log", MFD_CLOEXEC);
	assert_true(wait->real_stderr >= 0 && wait->log >= 0);
	assert_int_equal(dup2(wait->log, STDERR_FILENO), STDERR_FILENO);
}

static inline void loop_wait_end(struct loop_wait *wait)
{
	char text[2048]; /* the beginning is enough to see what went wrong */
	ssize_t length = pread(wait->log, text, sizeof(text), 0);

	dup2(wait->real_stderr, STDERR_FILENO);
	if (length > 0)
		fprintf(stderr, "%.*s", (int)length, text);
	close(wait->log);
	close(wait->real_stderr);
	event_free(wait->tick);
	event_base_free(wait->base);
}

/* Whether the condition has come true within limit_ms. */
static inline bool loop_until(struct loop_wait *wait, loop_condition *condition, void *context,
			      uint64_t limit_ms)
{
	uint64_t end_ms = loop_now_ms() + limit_ms;

	wait->ticked_ms = loop_now_ms();
	while (!condition(context)) {
		if (loop_now_ms() > end_ms)
			return false;
		event_base_loop(wait->base, EVLOOP_ONCE);
	}
	return true;
}

static inline bool loop_never(void *context)
{
	(void)context;
	return false;
}

/* For what must not happen: lets the loop run for so long. */
static inline void loop_for(struct loop_wait *wait, uint64_t duration_ms)
{
	loop_until(wait, loop_never, NULL, duration_ms);
}

/* How often text stands in a file, in whatever case: names in DNS questions have random case. */
static inline unsigned file_count(int fd, const char *text)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *all = calloc(1, (size_t)size + 1);
	unsigned count = 0;

	assert_non_null(all);
	assert_int_equal(pread(fd, all, (size_t)size, 0), size);
	for (const char *at = all; (at = strcasestr(at, text)); at++)
		count++;
	free(all);
	return count;
}

static inline unsigned log_count(const struct loop_wait *wait, const char *text)
{
	return file_count(wait->log, text);
}

#endif
