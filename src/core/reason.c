/* SPDX-License-Identifier: MIT */
#include "core/reason.h"

#include <errno.h>

const char *reason_name(enum reason reason)
{
	static const char *const names[REASON_COUNT] = {
		[REASON_OVERSIZE] = "oversize",
		[REASON_NO_ROUTE] = "no_route",
		[REASON_UNREACHABLE] = "unreachable",
		[REASON_DOWN] = "down",
		[REASON_NO_BUFFER] = "no_buffer",
		[REASON_MALFORMED] = "malformed",
		[REASON_TRUNCATED] = "truncated",
		[REASON_REJECTED] = "rejected",
		[REASON_LOOP] = "loop",
		[REASON_QUEUE_FULL] = "queue_full",
		[REASON_OTHER] = "other",
	};

	return (unsigned)reason < REASON_COUNT ? names[reason] : names[REASON_OTHER];
}

enum reason reason_from_errno(int error)
{
	switch (error) {
	case EACCES:	  /* a prohibit route, or a broadcast address */
	case EINVAL:	  /* a blackhole route */
	case ENETUNREACH: /* no route at all */
		return REASON_NO_ROUTE;
	case EHOSTUNREACH:
	case ENETDOWN: /* of packet sockets, as the next two: the device is down, or gone */
	case ENXIO:
	case ENODEV:
		return REASON_UNREACHABLE;
	case EPERM:
		return REASON_REJECTED;
	case EMSGSIZE:
		return REASON_OVERSIZE;
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return REASON_NO_BUFFER;
	default:
		return REASON_OTHER;
	}
}
