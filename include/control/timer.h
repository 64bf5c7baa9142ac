/* SPDX-License-Identifier: MIT */
/* Time in milliseconds for what runs on the control loop. */
#ifndef TRAFFICDUPLICATOR_CONTROL_TIMER_H
#define TRAFFICDUPLICATOR_CONTROL_TIMER_H

#include <event2/event.h>
#include <stdint.h>

/* The monotonic clock. */
uint64_t timer_now_ms(void);

/* Makes a timer event pending for the first time or anew. */
void timer_start(struct event *timer, uint64_t delay_ms);

/* The same with a moment of the monotonic clock, which may have passed. */
void timer_start_at(struct event *timer, uint64_t when_ms);

#endif
