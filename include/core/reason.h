/* SPDX-License-Identifier: MIT */
/* Why a packet or a copy went no further: one list for status, metrics and logs. */
#ifndef TRAFFICDUPLICATOR_CORE_REASON_H
#define TRAFFICDUPLICATOR_CORE_REASON_H

enum reason {
	REASON_OVERSIZE,    /* larger than the way out's MTU, and the rule says OVERSIZE: drop */
	REASON_NO_ROUTE,    /* no route to the destination, or a blackhole or prohibit route */
	REASON_UNREACHABLE, /* a route, but the destination's host cannot be reached */
	REASON_DOWN,	    /* the destination's health check says that it is down */
	REASON_NO_BUFFER,   /* a send buffer or a device's queue was full */
	REASON_MALFORMED,   /* headers that contradict themselves, or a source nobody can have */
	REASON_TRUNCATED,   /* larger than NFQUEUE can carry */
	REASON_REJECTED,    /* this machine's own firewall refused the copy */
	REASON_LOOP,	    /* TTL used up, or the packet has been here before, in a loop */
	REASON_QUEUE_FULL,  /* the kernel could not queue it: the appliance is too slow */
	REASON_OTHER,
	REASON_COUNT
};

/* The name that users see: "oversize", "no_route", ... */
const char *reason_name(enum reason reason);

/*
 * The reason for a copy that sendmmsg(2) refused with this errno, as Linux raw sockets use them
 * (net/ipv4/raw.c, net/ipv6/raw.c, net/ipv4/fib_semantics.c's fib_props).
 */
enum reason reason_from_errno(int error);

#endif
