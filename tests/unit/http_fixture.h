/* SPDX-License-Identifier: MIT */
/* An HTTP server with routes for tests, and clients of it, on one event loop. Include after
 * cmocka.h. */
#ifndef TRAFFICDUPLICATOR_TESTS_HTTP_FIXTURE_H
#define TRAFFICDUPLICATOR_TESTS_HTTP_FIXTURE_H

#include "control/http.h"
#include "control/http_clients.h"
#include "loop_wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#define LIMIT_MS 20000
#define BIG_BYTES (20u << 20)

static const struct ip_address loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};

struct fixture {
	struct loop_wait wait;
	struct http *http;
	uint16_t port;
	unsigned made; /* texts, of whatever route */
	bool is_ill;
};

static inline int make_fresh(void *context, char **text)
{
	struct fixture *fixture = context;

	fixture->made++;
	*text = strdup(fixture->is_ill ? "ill\n" : "ok\n");
	return fixture->is_ill ? 503 : 200;
}

static inline int make_nothing(void *context, char **text)
{
	(void)context;
	*text = NULL;
	return 200;
}

static inline int make_big(void *context, char **text)
{
	struct fixture *fixture = context;

	fixture->made++;
	*text = malloc(BIG_BYTES + 1);
	assert_non_null(*text);
	memset(*text, 'x', BIG_BYTES);
	(*text)[BIG_BYTES] = '\0';
	return 200;
}

static const struct http_route routes[] = {
	{.path = "/fresh", .type = HTTP_TYPE_TEXT, .make = make_fresh},
	{.path = "/shared", .type = HTTP_TYPE_JSON, .make = make_fresh, .is_shared = true},
	{.path = "/policy", .type = "text/html", .policy = "default-src", .make = make_fresh},
	{.path = "/nothing", .type = HTTP_TYPE_TEXT, .make = make_nothing},
	{.path = "/big", .type = HTTP_TYPE_TEXT, .make = make_big},
};

/* A port that was free a moment ago. */
static inline uint16_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static inline void listen_somewhere(struct fixture *fixture)
{
	int error;

	do {
		fixture->port = free_port();
		error = http_listen(fixture->http, &loopback, fixture->port);
	} while (error == -EADDRINUSE);
	assert_int_equal(error, 0);
}

static inline int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	loop_wait_begin(&fixture->wait);
	fixture->http =
		http_create(fixture->wait.base, routes, sizeof(routes) / sizeof(*routes), fixture);
	assert_non_null(fixture->http);
	listen_somewhere(fixture);
	*state = fixture;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;

	http_free(fixture->http);
	assert_int_equal(log_count(&fixture->wait, "[warn]"), 0); /* of libevent's */
	loop_wait_end(&fixture->wait);
	free(fixture);
	return 0;
}

/* A client, which is served while the loop runs. */
struct client {
	int fd;
	char *text; /* what has come so far */
	size_t length, size;
	bool is_over; /* the server has closed the connection */
};

static inline struct client dial(const struct fixture *fixture)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(fixture->port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct client client = {
		.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};

	assert_true(client.fd >= 0);
	assert_true(connect(client.fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
		    errno == EINPROGRESS);
	return client;
}

static inline void hang_up(struct client *client)
{
	close(client->fd);
	free(client->text);
	*client = (struct client){.fd = -1};
}

static inline void make_place(struct client *client, size_t size)
{
	if (size <= client->size)
		return;
	client->size = 2 * size;
	client->text = realloc(client->text, client->size);
	assert_non_null(client->text);
}

/* Whether the connection is over; takes what has come. */
static inline bool has_ended(void *context)
{
	struct client *client = context;
	static char chunk[1 << 20];
	ssize_t got;

	while ((got = recv(client->fd, chunk, sizeof(chunk), 0)) > 0) {
		make_place(client, client->length + (size_t)got + 1);
		memcpy(client->text + client->length, chunk, (size_t)got);
		client->length += (size_t)got;
		client->text[client->length] = '\0';
	}
	client->is_over = got == 0 || (errno != EAGAIN && errno != EINPROGRESS);
	return client->is_over;
}

struct sending {
	const struct client *client;
	const char *text;
};

static inline bool is_sent(void *context)
{
	struct sending *sending = context;
	size_t length = strlen(sending->text);
	ssize_t sent = send(sending->client->fd, sending->text, length, MSG_NOSIGNAL);

	if (sent < 0 && errno != EAGAIN && errno != EINPROGRESS && errno != ENOTCONN)
		return true; /* nobody is there to read it */
	sending->text += sent > 0 ? sent : 0;
	return *sending->text == '\0';
}

static inline void say(struct fixture *fixture, const struct client *client, const char *text)
{
	struct sending sending = {client, text};

	assert_true(loop_until(&fixture->wait, is_sent, &sending, LIMIT_MS));
}

/* Sends text and reads to the end of the connection. Freed by the caller. */
static inline char *ask(struct fixture *fixture, const char *text)
{
	struct client client = dial(fixture);
	char *answer;

	say(fixture, &client, text);
	assert_true(loop_until(&fixture->wait, has_ended, &client, LIMIT_MS));
	answer = client.text ? client.text : strdup("");
	close(client.fd);
	return answer;
}

static inline void expect(struct fixture *fixture, const char *request, const char *const *parts)
{
	char *answer = ask(fixture, request);

	for (; *parts; parts++)
		if (!strstr(answer, *parts))
			fail_msg("%s\nhas no '%s':\n%.2000s", request, *parts, answer);
	free(answer);
}

#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define GET(path) "GET " path " HTTP/1.1\r\nHost: t\r\n\r\n"

static inline bool has_some(void *context)
{
	struct client *client = context;
	char byte;

	return recv(client->fd, &byte, 1, MSG_PEEK) > 0;
}

#endif
