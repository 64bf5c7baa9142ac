/* SPDX-License-Identifier: MIT */
/*
 * Checks whether destinations are alive: an ICMP echo (RFC 792, RFC 4443 4.1), or a TCP connection
 * that is closed as soon as it stands. All run on the control loop.
 *
 * A target is up from the moment it is wanted: a start or a reload must not cut traffic off while
 * nothing is known of it. What is dead is found out by the third check, 4 to 6 s later. Failures in
 * a row take it down, successes in a row bring it back, each such change logged once. That a check
 * cannot be made for want of memory or descriptors here says nothing of the target, and is neither.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_HEALTH_H
#define TRAFFICDUPLICATOR_CONTROL_HEALTH_H

#include "core/config.h"
#include "core/ip.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct health;

struct health_options {
	uint32_t mark;	      /* of every probe, so that it takes the way of the copies */
	uint32_t interval_ms; /* from the beginning of a check to that of the next */
	uint32_t timeout_ms;  /* less than interval_ms */
	unsigned fall;	      /* failures in a row that take a target down */
	unsigned rise;	      /* successes in a row that bring it back */
	unsigned connections_max;
};

/* The options for a mark: every 2 s, 1.5 s for an answer, 3 failures, 2 successes, 256 sockets. */
#define HEALTH_DEFAULTS(mark_value)                                                                \
	((struct health_options){                                                                  \
		.mark = (mark_value),                                                              \
		.interval_ms = 2000,                                                               \
		.timeout_ms = 1500,                                                                \
		.fall = 3,                                                                         \
		.rise = 2,                                                                         \
		.connections_max = 256,                                                            \
	})

struct health_target {
	struct ip_address address;
	enum check_kind kind;
	uint16_t tcp_port; /* host byte order; with CHECK_TCP */
};

/*
 * Called on the loop, at most ten times a second, after targets went up or down. May call any
 * function of this module but health_close.
 */
typedef void health_changed(void *context);

/*
 * Opens the raw ICMP sockets, which takes CAP_NET_RAW; later, only the mark takes a capability:
 * CAP_NET_ADMIN, at every TCP check. On a machine without IPv6, IPv6 targets fail. Returns 0 or
 * -errno.
 */
int health_open(struct health **health, struct event_base *base,
		const struct health_options *options, health_changed *changed, void *context);

/*
 * The targets wanted from now on, in any order and number; CHECK_NONE among them is passed over.
 * Those known keep their state, others are forgotten. The first checks of new ones are spread over
 * one interval, and so are all that follow. While connections_max TCP checks wait for an answer,
 * further ones wait for their turn, so that with very many dead targets an interval is longer.
 * Returns 0, or -ENOMEM with nothing changed.
 */
int health_set(struct health *health, const struct health_target *targets, size_t count);

/* Also true for targets that are not checked: CHECK_NONE, or not among the wanted. */
bool health_is_up(const struct health *health, const struct health_target *target);

void health_close(struct health *health);

#endif
