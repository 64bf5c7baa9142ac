/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server: answers GET and HEAD on a few paths, on the control loop. Nothing can be changed
 * by it. One request per connection; connections are bounded in number, time and bytes, and so is
 * the work that requests can make.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_HTTP_H
#define TRAFFICDUPLICATOR_CONTROL_HTTP_H

#include "core/ip.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Makes the text of an answer, which the server frees; NULL: memory has run out. Returns the status
 * code: 200, or 503.
 */
typedef int http_route_make(void *context, char **text);

#define HTTP_TYPE_TEXT "text/plain; charset=utf-8"
#define HTTP_TYPE_JSON "application/json"

struct http_route {
	const char *path;   /* to the letter */
	const char *type;   /* Content-Type */
	const char *policy; /* Content-Security-Policy; NULL: none */
	const char *text;   /* what never changes; NULL: made anew */
	http_route_make *make;
	/* One text serves all who ask within a second, or longer where it takes long to make: at
	 * most a tenth of the loop's time goes into it. */
	bool is_shared;
};

struct http;

/*
 * A server that listens nowhere yet. The routes, and the texts that they point to, stay the
 * caller's, and must stay. NULL when memory runs out.
 */
struct http *http_create(struct event_base *base, const struct http_route *routes, size_t count,
			 void *context);

/*
 * Listens at a TCP port (host byte order) of an address: 0.0.0.0 is every IPv4 address, :: every
 * address of either family. Connections at a former address are served to their end. Returns 0 or
 * -errno, and then listens nowhere.
 */
int http_listen(struct http *http, const struct ip_address *address, uint16_t port);

/* Listens nowhere. */
void http_listen_nowhere(struct http *http);

/* Ends all connections. To be called before the event base goes. */
void http_free(struct http *http);

#endif
