/* SPDX-License-Identifier: MIT */
#include "control/http_clients.h"

#include "control/timer.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

/* To be left over for others. More than http.c accepts at once, since those that are ended give
 * theirs back when the loop runs. */
#define SPARE_DESCRIPTORS 24

struct client {
	TAILQ_ENTRY(client) entry;
	struct bufferevent *connection; /* evhttp's, and a reference of ours */
	uint64_t deadline_ms;
	const void *needs;
};

struct http_clients {
	struct event_base *base;
	TAILQ_HEAD(client_list, client) all; /* the oldest first */
	unsigned count;
	struct event *sweep;
	int any_fd;
};

/*
 * Whether evhttp has let go of the connection: bufferevent_free takes the callbacks away, and our
 * reference keeps the rest of it, its descriptor too, until we have seen that.
 */
static bool is_over(const struct client *client)
{
	bufferevent_event_cb on_event;

	bufferevent_getcb(client->connection, NULL, NULL, &on_event, NULL);
	return !on_event;
}

static void forget(struct http_clients *clients, struct client *client)
{
	TAILQ_REMOVE(&clients->all, client, entry);
	clients->count--;
	bufferevent_decref(client->connection);
	free(client);
}

/* Has evhttp end a connection as it does after a time limit of its own: without a word. */
static void end(struct http_clients *clients, struct client *client)
{
	if (!is_over(client))
		bufferevent_trigger_event(client->connection, BEV_EVENT_TIMEOUT, 0);
	forget(clients, client);
}

static struct client *next_of(struct client *client)
{
	return TAILQ_NEXT(client, entry);
}

/* Forgets who has gone, and ends whose time is up. */
static void sweep(struct http_clients *clients)
{
	uint64_t now_ms = timer_now_ms();

	for (struct client *client = TAILQ_FIRST(&clients->all), *next; client; client = next) {
		next = next_of(client);
		if (is_over(client))
			forget(clients, client);
		else if (now_ms >= client->deadline_ms)
			end(clients, client);
	}
	if (clients->count == 0)
		event_del(clients->sweep);
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	sweep(context);
}

/*
 * Whether the process is about to run out of descriptors, which others need too: reloads, health
 * checks, name servers. Nothing tells how many there are left but taking them.
 */
static bool is_short_of_descriptors(const struct http_clients *clients)
{
	int spare[SPARE_DESCRIPTORS], count = 0;

	while (count < SPARE_DESCRIPTORS &&
	       (spare[count] = fcntl(clients->any_fd, F_DUPFD_CLOEXEC, 0)) >= 0)
		count++;
	for (int i = 0; i < count; i++)
		close(spare[i]);
	return count < SPARE_DESCRIPTORS;
}

struct http_clients *http_clients_create(struct event_base *base)
{
	struct http_clients *clients = calloc(1, sizeof(*clients));

	if (!clients)
		return NULL;
	clients->base = base;
	TAILQ_INIT(&clients->all);
	clients->any_fd = eventfd(0, EFD_CLOEXEC);
	clients->sweep = event_new(base, -1, EV_PERSIST, on_sweep, clients);
	if (clients->sweep && clients->any_fd >= 0)
		return clients;
	http_clients_free(clients);
	return NULL;
}

struct bufferevent *http_clients_add(struct http_clients *clients)
{
	const struct timeval often = {.tv_usec = 500000};
	struct client *client;

	sweep(clients);
	if (clients->count == HTTP_CLIENTS_MAX ||
	    (clients->count > 0 && is_short_of_descriptors(clients)))
		/* It has left the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		end(clients, TAILQ_FIRST(&clients->all));
	client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->connection = bufferevent_socket_new(clients->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (!client->connection || event_add(clients->sweep, &often) < 0) {
		if (client->connection)
			bufferevent_free(client->connection);
		free(client);
		return NULL;
	}
	bufferevent_incref(client->connection);
	/* evhttp goes on reading while it sends an error of its own, whatever comes. */
	bufferevent_setwatermark(client->connection, EV_READ, 0, HTTP_CLIENTS_INPUT_MAX_BYTES);
	client->deadline_ms = timer_now_ms() + HTTP_CLIENTS_REQUEST_S * 1000;
	TAILQ_INSERT_TAIL(&clients->all, client, entry);
	clients->count++;
	return client->connection;
}

void http_clients_answering(struct http_clients *clients, const struct bufferevent *connection,
			    const void *what)
{
	struct client *client;

	TAILQ_FOREACH(client, &clients->all, entry)
	{
		if (client->connection != connection || client->needs)
			continue;
		client->needs = what;
		client->deadline_ms = timer_now_ms() + HTTP_CLIENTS_ANSWER_S * 1000;
	}
}

void http_clients_ended(struct http_clients *clients)
{
	event_active(clients->sweep, EV_TIMEOUT, 0);
}

void http_clients_end_those_with(struct http_clients *clients, const void *what)
{
	for (struct client *client = TAILQ_FIRST(&clients->all), *next; client; client = next) {
		next = next_of(client);
		if (client->needs == what)
			end(clients, client);
	}
}

void http_clients_free(struct http_clients *clients)
{
	struct client *client;

	if (!clients)
		return;
	while ((client = TAILQ_FIRST(&clients->all)))
		/* Each leaves the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		forget(clients, client);
	if (clients->sweep)
		event_free(clients->sweep);
	if (clients->any_fd >= 0)
		close(clients->any_fd);
	free(clients);
}
