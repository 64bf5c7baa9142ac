/* SPDX-License-Identifier: MIT */
#include "control/timer.h"

#include <time.h>

uint64_t timer_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void timer_start(struct event *timer, uint64_t delay_ms)
{
	const struct timeval delay = {.tv_sec = (time_t)(delay_ms / 1000),
				      .tv_usec = (suseconds_t)(delay_ms % 1000 * 1000)};

	event_add(timer, &delay);
}

void timer_start_at(struct event *timer, uint64_t when_ms)
{
	uint64_t now = timer_now_ms();

	timer_start(timer, when_ms > now ? when_ms - now : 0);
}
