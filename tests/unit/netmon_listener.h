/* SPDX-License-Identifier: MIT */
/* Listens to netmon, in a namespace of its own. Include after cmocka.h. */
#ifndef TRAFFICDUPLICATOR_TESTS_NETMON_LISTENER_H
#define TRAFFICDUPLICATOR_TESTS_NETMON_LISTENER_H

#include "netmon_namespace.h"

/* Someone who is told of changes, and looks at the way to a destination each time. */
struct listener {
	struct event_base *base;
	struct netmon *netmon;
	const char *destination;
	unsigned calls;
	uint32_t mtu_bytes;
	struct sockaddr_ll link;
};

static inline void on_change(void *context)
{
	struct listener *listener = context;
	struct netview *view = view_for(listener->netmon, listener->destination);

	listener->calls++;
	listener->mtu_bytes = view->routes[0].mtu_bytes;
	listener->link = view->routes[0].link;
	netview_free(view);
	event_base_loopbreak(listener->base);
}

static inline void listen_for_changes(struct listener *listener, const char *destination)
{
	*listener = (struct listener){.base = event_base_new(), .destination = destination};
	assert_non_null(listener->base);
	assert_int_equal(netmon_open(&listener->netmon, listener->base, MARK, on_change, listener),
			 0);
}

static inline void stop_listening(struct listener *listener)
{
	netmon_close(listener->netmon);
	event_base_free(listener->base);
}

static inline void on_impatience(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(context);
}

/* Runs the loop until the next call, at most so long. Returns whether there was one. */
static inline bool hear(struct listener *listener, long patience_ms)
{
	const struct timeval patience = {.tv_sec = patience_ms / 1000,
					 .tv_usec = patience_ms % 1000 * 1000};
	struct event *impatience = evtimer_new(listener->base, on_impatience, listener->base);
	unsigned calls = listener->calls;

	assert_non_null(impatience);
	event_add(impatience, &patience);
	event_base_dispatch(listener->base);
	event_free(impatience);
	return listener->calls > calls;
}

/* Runs the loop until there were no calls for a while. */
static inline void hear_out(struct listener *listener)
{
	while (hear(listener, 500))
		;
}

#endif
