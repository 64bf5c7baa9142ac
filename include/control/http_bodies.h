/* SPDX-License-Identifier: MIT */
/*
 * Texts that several HTTP clients are being sent at once: one copy for all of them, that goes with
 * the last. Used by http.c only.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_HTTP_BODIES_H
#define TRAFFICDUPLICATOR_CONTROL_HTTP_BODIES_H

#include <event2/buffer.h>
#include <stddef.h>

struct http_bodies; /* all that are alive */
struct http_body;

/* NULL when memory runs out. */
struct http_bodies *http_bodies_create(void);

/* A body with one holder. Takes text over, also when it returns NULL: out of memory. */
struct http_body *http_bodies_add(struct http_bodies *bodies, char *text);

/* Appends a body to a buffer, which is one more holder of it. Returns 0, or -ENOMEM. */
int http_bodies_append(struct http_body *body, struct evbuffer *buffer);

/* One more holder. Returns body. */
struct http_body *http_bodies_hold(struct http_body *body);

void http_bodies_release(struct http_body *body);

size_t http_bodies_length(const struct http_body *body);

/* Of all bodies that are alive. */
size_t http_bodies_total_bytes(const struct http_bodies *bodies);

/* The oldest, and the one made after body; NULL: there is none. */
struct http_body *http_bodies_first(const struct http_bodies *bodies);
struct http_body *http_bodies_next(const struct http_body *body);

/* What buffers still hold goes with them. */
void http_bodies_free(struct http_bodies *bodies);

#endif
