/* SPDX-License-Identifier: MIT */
/*
 * The lists of system calls. What is in them was found by tracing every feature (strace -f) and by
 * reading what C libraries do for theirs: a libc may do the same work by another call than the one
 * traced, so calls come in families.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_CONFINE_CALLS_H
#define TRAFFICDUPLICATOR_CONTROL_CONFINE_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One condition: the argument's bits under mask are value. Only the lower 32 bits count where an
 * argument is an int: the upper ones may hold anything. */
struct confine_condition {
	unsigned argument;
	uint64_t mask, value;
};

/* A call that is allowed where all conditions hold; one call may stand here several times. */
struct confine_call {
	const char *name;
	unsigned count;
	struct confine_condition conditions[2];
};

/* By name, ended by NULL. Those that the libc of some architectures has, and others lack, are
 * passed over where they are not known. */
extern const char *const confine_shared_calls[]; /* the daemon's and the helper's */
extern const char *const confine_helper_calls[];
/* Of builds with sanitizers or coverage, which do work of their own. */
extern const char *const confine_instrumented_calls[];

/* By arguments, ended by name NULL. */
extern const struct confine_call confine_shared_checked[];
extern const struct confine_call confine_daemon_checked[];
extern const struct confine_call confine_helper_checked[];

/* Whether this build does more than the release does (Makefile, SANITIZE). */
#ifdef TRAFFICDUPLICATOR_INSTRUMENTED
enum { CONFINE_IS_INSTRUMENTED = true };
#else
enum { CONFINE_IS_INSTRUMENTED = false };
#endif

#endif
