/* SPDX-License-Identifier: MIT */
#include "control/http_bodies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct http_body {
	TAILQ_ENTRY(http_body) entry;
	struct http_bodies *bodies; /* NULL: freed */
	unsigned holders;
	size_t length;
	char *text;
};

struct http_bodies {
	TAILQ_HEAD(body_list, http_body) all; /* the oldest first */
	size_t total_bytes;
};

struct http_bodies *http_bodies_create(void)
{
	struct http_bodies *bodies = calloc(1, sizeof(*bodies));

	if (bodies)
		TAILQ_INIT(&bodies->all);
	return bodies;
}

struct http_body *http_bodies_add(struct http_bodies *bodies, char *text)
{
	struct http_body *body = text ? calloc(1, sizeof(*body)) : NULL;

	if (!body) {
		free(text);
		return NULL;
	}
	*body = (struct http_body){
		.bodies = bodies,
		.holders = 1,
		.length = strlen(text),
		.text = text,
	};
	TAILQ_INSERT_TAIL(&bodies->all, body, entry);
	bodies->total_bytes += body->length;
	return body;
}

struct http_body *http_bodies_hold(struct http_body *body)
{
	body->holders++;
	return body;
}

void http_bodies_release(struct http_body *body)
{
	if (!body || --body->holders > 0)
		return;
	if (body->bodies) {
		TAILQ_REMOVE(&body->bodies->all, body, entry);
		body->bodies->total_bytes -= body->length;
	}
	free(body->text);
	free(body);
}

static void on_sent(const void *text, size_t length, void *body)
{
	(void)text;
	(void)length;
	http_bodies_release(body);
}

int http_bodies_append(struct http_body *body, struct evbuffer *buffer)
{
	/* A reference to nothing would never be released. */
	if (body->length == 0)
		return 0;
	if (evbuffer_add_reference(buffer, body->text, body->length, on_sent, body) < 0)
		return -ENOMEM;
	body->holders++;
	return 0;
}

size_t http_bodies_length(const struct http_body *body)
{
	return body->length;
}

size_t http_bodies_total_bytes(const struct http_bodies *bodies)
{
	return bodies->total_bytes;
}

struct http_body *http_bodies_first(const struct http_bodies *bodies)
{
	return TAILQ_FIRST(&bodies->all);
}

struct http_body *http_bodies_next(const struct http_body *body)
{
	return TAILQ_NEXT(body, entry);
}

void http_bodies_free(struct http_bodies *bodies)
{
	struct http_body *body;

	if (!bodies)
		return;
	TAILQ_FOREACH(body, &bodies->all, entry)
	body->bodies = NULL;
	free(bodies);
}
