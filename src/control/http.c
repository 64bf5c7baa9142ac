/* SPDX-License-Identifier: MIT */
#include "control/http.h"

#include "control/http_bodies.h"
#include "control/http_clients.h"
#include "control/http_host.h"
#include "control/timer.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/listener.h>
#include <limits.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of a request. */
#define HEADERS_MAX_BYTES 8192
#define BODY_MAX_BYTES 4096
/* Others have their turn after so many connections, and for so long: 3,200 a second at most. */
#define ACCEPTS_MAX 16
#define ACCEPT_PAUSE_MS 5
/* How long clients stay in the backlog where the system has no descriptor for them, and a shared
 * text after its time, at most. */
#define TICK_S 1
/* More than a thousand who wait for their turn, since who finds it full tries again a second later.
 */
#define BACKLOG 2048
/* What the kernel keeps for one connection. */
#define SEND_BUFFER_BYTES (256 << 10)
#define RECEIVE_BUFFER_BYTES (16 << 10)
/* Of all texts that are being sent; whoever reads the oldest loses it where there are more. */
#define BODIES_MAX_BYTES (64u << 20)
/* How long a shared text serves: a second, or ten times what it took to make. */
#define SHARED_MS 1000
#define SHARED_TIMES_COST 10

/* What a route has been answered with. */
struct shared {
	struct http_body *body; /* NULL: none */
	int status;
	uint64_t until_ms;
};

struct http {
	struct event_base *base;
	struct evhttp *server;
	struct evhttp_bound_socket *bound; /* NULL: it listens nowhere */
	struct event *accept_soon;	   /* after a pause for others */
	struct event *tick;		   /* runs all the time */
	unsigned accepts;
	struct http_clients *clients;
	struct http_bodies *bodies;
	const struct http_route *routes;
	size_t route_count;
	struct shared *shared; /* per route */
	void *context;
	char machine[HOST_NAME_MAX + 1]; /* its host name; "": not known */
};

static void on_accept_again(evutil_socket_t fd, short what, void *context)
{
	struct http *http = context;

	(void)fd;
	(void)what;
	http->accepts = 0;
	if (http->bound)
		evconnlistener_enable(evhttp_bound_socket_get_listener(http->bound));
}

/* What nobody will be answered with any more may be large, and the next request a day away. */
static void drop_outdated(struct http *http)
{
	uint64_t now_ms = timer_now_ms();
	bool dropped = false;

	for (size_t i = 0; i < http->route_count; i++) {
		struct shared *shared = &http->shared[i];

		if (!shared->body || now_ms < shared->until_ms)
			continue;
		http_bodies_release(shared->body);
		shared->body = NULL;
		dropped = true;
	}
	if (dropped)
		malloc_trim(0);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	drop_outdated(context);
	on_accept_again(fd, what, context);
}

/*
 * Without a pause, a connection that cannot be accepted would wake us for ever. The context is
 * evhttp's, so that the one who goes on is a timer that runs anyway.
 */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
	(void)context;
	evconnlistener_disable(listener);
}

static struct bufferevent *on_accept(struct event_base *base, void *context)
{
	struct http *http = context;

	(void)base;
	if (++http->accepts == ACCEPTS_MAX) {
		evconnlistener_disable(evhttp_bound_socket_get_listener(http->bound));
		timer_start(http->accept_soon, ACCEPT_PAUSE_MS);
	}
	return http_clients_add(http->clients);
}

static void on_complete(struct evhttp_request *request, void *context)
{
	struct http *http = context;

	(void)request;
	http_clients_ended(http->clients);
}

#define STATUS_MISDIRECTED 421 /* RFC 9110 15.5.20 */

static const char *reason_of(int status)
{
	switch (status) {
	case HTTP_OK:
		return "OK";
	case HTTP_NOTFOUND:
		return "Not Found";
	case HTTP_BADMETHOD:
		return "Method Not Allowed";
	case HTTP_SERVUNAVAIL:
		return "Service Unavailable";
	case STATUS_MISDIRECTED:
		return "Misdirected Request";
	default:
		return "Internal Server Error";
	}
}

/* Sends text/plain, unless route says something else. body is NULL for a HEAD request. */
static void reply(struct evhttp_request *request, int status, const struct http_route *route,
		  size_t length, struct evbuffer *body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	struct bufferevent *connection =
		evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
	char length_text[24];

	snprintf(length_text, sizeof(length_text), "%zu", length);
	evhttp_add_header(headers, "Content-Type", route ? route->type : HTTP_TYPE_TEXT);
	evhttp_add_header(headers, "Content-Length", length_text);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	evhttp_add_header(headers, "Referrer-Policy", "no-referrer");
	if (route && route->policy)
		evhttp_add_header(headers, "Content-Security-Policy", route->policy);
	if (status == HTTP_BADMETHOD)
		evhttp_add_header(headers, "Allow", "GET, HEAD");
	evhttp_add_header(headers, "Connection", "close");
	/* Else evhttp promises "keep-alive" to an HTTP/1.0 client that asks for it. */
	evhttp_remove_header(evhttp_request_get_input_headers(request), "Connection");
	evhttp_send_reply(request, status, reason_of(status), body);
	/* evhttp takes a client that has no more to say for one that has gone, and one that goes on
	 * talking would be listened to. */
	bufferevent_disable(connection, EV_READ);
}

/* A short answer of our own. */
static void reply_text(struct evhttp_request *request, int status, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	if (body && evhttp_request_get_command(request) != EVHTTP_REQ_HEAD)
		evbuffer_add(body, text, strlen(text));
	reply(request, status, NULL, strlen(text), body);
	if (body)
		evbuffer_free(body);
}

/* Whether this is what a route is answered with from now on for a while. */
static bool is_current(const struct http *http, const struct http_body *body)
{
	for (size_t i = 0; i < http->route_count; i++)
		if (http->shared[i].body == body)
			return true;
	return false;
}

/* Ends those who still read the oldest texts, where all take too much memory. */
static void make_room(struct http *http, const struct http_body *newest)
{
	size_t total_bytes = http_bodies_total_bytes(http->bodies);
	struct http_body *next;

	for (struct http_body *body = http_bodies_first(http->bodies);
	     body && total_bytes > BODIES_MAX_BYTES; body = next) {
		next = http_bodies_next(body);
		if (body == newest || is_current(http, body))
			continue;
		total_bytes -= http_bodies_length(body);
		http_clients_end_those_with(http->clients, body);
	}
}

/* What a route is to be answered with; the caller has to release it. NULL: memory has run out. */
static struct http_body *make_body(struct http *http, size_t index, int *status)
{
	const struct http_route *route = &http->routes[index];
	struct shared *shared = &http->shared[index];
	uint64_t begin_ms = timer_now_ms(), end_ms;
	struct http_body *body;
	char *text = NULL;

	if (shared->body && begin_ms < shared->until_ms) {
		*status = shared->status;
		return http_bodies_hold(shared->body);
	}
	http_bodies_release(shared->body);
	shared->body = NULL;
	if (route->text)
		text = strdup(route->text);
	*status = route->text ? HTTP_OK : route->make(http->context, &text);
	body = http_bodies_add(http->bodies, text);
	if (body)
		make_room(http, body);
	if (!body || !route->is_shared)
		return body;
	end_ms = timer_now_ms();
	*shared = (struct shared){
		.body = http_bodies_hold(body),
		.status = *status,
		.until_ms = end_ms + SHARED_MS + SHARED_TIMES_COST * (end_ms - begin_ms),
	};
	return body;
}

static void reply_route(struct http *http, struct evhttp_request *request, size_t index)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	bool wants_body = evhttp_request_get_command(request) != EVHTTP_REQ_HEAD;
	int status = HTTP_INTERNAL;
	struct http_body *body = make_body(http, index, &status);
	struct evbuffer *buffer = body && wants_body ? evbuffer_new() : NULL;

	if (!body || (wants_body && (!buffer || http_bodies_append(body, buffer) < 0))) {
		reply_text(request, HTTP_INTERNAL, "out of memory\n");
	} else {
		http_clients_answering(http->clients, evhttp_connection_get_bufferevent(connection),
				       body);
		reply(request, status, &http->routes[index], http_bodies_length(body), buffer);
	}
	if (buffer)
		evbuffer_free(buffer);
	http_bodies_release(body);
}

static void on_request(struct evhttp_request *request, void *context)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	enum evhttp_cmd_type method = evhttp_request_get_command(request);
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	const int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
	struct http *http = context;

	evhttp_request_set_on_complete_cb(request, on_complete, http);
	if (http_host_is_led_here(fd, evhttp_find_header(headers, "Host"), http->machine)) {
		reply_text(request, STATUS_MISDIRECTED,
			   "not under this name: use localhost or the address\n");
		return;
	}
	for (size_t i = 0; path && i < http->route_count; i++) {
		if (strcmp(path, http->routes[i].path) != 0)
			continue;
		if (method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD)
			reply_route(http, request, i);
		else
			reply_text(request, HTTP_BADMETHOD, "only GET and HEAD here\n");
		return;
	}
	reply_text(request, HTTP_NOTFOUND, "no such page\n");
}

static bool set_up(struct http *http)
{
	const struct timeval often = {.tv_sec = TICK_S};

	http->server = evhttp_new(http->base);
	http->clients = http_clients_create(http->base);
	http->bodies = http_bodies_create();
	http->shared = calloc(http->route_count, sizeof(*http->shared));
	http->accept_soon = event_new(http->base, -1, 0, on_accept_again, http);
	http->tick = event_new(http->base, -1, EV_PERSIST, on_tick, http);
	if (!http->server || !http->clients || !http->bodies || !http->shared ||
	    !http->accept_soon || !http->tick || event_add(http->tick, &often) < 0)
		return false;
	evhttp_set_max_headers_size(http->server, HEADERS_MAX_BYTES);
	evhttp_set_max_body_size(http->server, BODY_MAX_BYTES);
	/* All that have a name, so that they hear which are allowed; but for CONNECT, with which
	 * evhttp keeps a connection open. */
	evhttp_set_allowed_methods(http->server, EVHTTP_REQ_GET | EVHTTP_REQ_POST |
							 EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
							 EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
							 EVHTTP_REQ_TRACE | EVHTTP_REQ_PATCH);
	evhttp_set_bevcb(http->server, on_accept, http);
	evhttp_set_gencb(http->server, on_request, http);
	return true;
}

struct http *http_create(struct event_base *base, const struct http_route *routes, size_t count,
			 void *context)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return NULL;
	*http = (struct http){
		.base = base,
		.routes = routes,
		.route_count = count,
		.context = context,
	};
	if (gethostname(http->machine, sizeof(http->machine)) < 0)
		http->machine[0] = '\0';
	if (set_up(http))
		return http;
	http_free(http);
	return NULL;
}

/* Binds and listens. Returns the socket or -errno. */
static int open_socket(const struct ip_address *ip, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool is_v6 = ip->family == AF_INET6;
	const struct sockaddr *address = is_v6 ? (void *)&v6 : (void *)&v4;
	const int on = 1, off = 0, send_bytes = SEND_BUFFER_BYTES,
		  receive_bytes = RECEIVE_BUFFER_BYTES;
	int fd = socket(ip->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -errno;
	memcpy(&v4.sin_addr, ip->bytes, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, ip->bytes, sizeof(v6.sin6_addr));
	/* Connections inherit the size of buffers (tcp(7)). */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes)) < 0 ||
	    (is_v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
	    bind(fd, address, is_v6 ? sizeof(v6) : sizeof(v4)) < 0 || listen(fd, BACKLOG) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int http_listen(struct http *http, const struct ip_address *address, uint16_t port)
{
	struct evconnlistener *listener;
	int fd;

	http_listen_nowhere(http);
	fd = open_socket(address, port);
	if (fd < 0)
		return fd;
	listener = evconnlistener_new(http->base, NULL, NULL,
				      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!listener) {
		close(fd);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(listener, on_accept_error);
	http->bound = evhttp_bind_listener(http->server, listener);
	if (http->bound)
		return 0;
	evconnlistener_free(listener);
	return -ENOMEM;
}

void http_listen_nowhere(struct http *http)
{
	if (http->bound)
		evhttp_del_accept_socket(http->server, http->bound);
	http->bound = NULL;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	if (http->server)
		evhttp_free(http->server);
	http_clients_free(http->clients);
	for (size_t i = 0; http->shared && i < http->route_count; i++)
		http_bodies_release(http->shared[i].body);
	http_bodies_free(http->bodies);
	if (http->accept_soon)
		event_free(http->accept_soon);
	if (http->tick)
		event_free(http->tick);
	free(http->shared);
	free(http);
}
