/* SPDX-License-Identifier: MIT */
/*
 * The clients of the HTTP server, bounded in number and time. evhttp takes any number of
 * connections and restarts its time limit with every byte; this module makes the connections for it
 * (evhttp_set_bevcb) and takes back those that have had their share. Used by http.c only.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_HTTP_CLIENTS_H
#define TRAFFICDUPLICATOR_CONTROL_HTTP_CLIENTS_H

#include <event2/bufferevent.h>
#include <event2/event.h>

/* As many at once, and fewer where the process has few descriptors left (RLIMIT_NOFILE); a new one
 * then takes the place of the oldest. */
#define HTTP_CLIENTS_MAX 128
/* From being accepted to having sent the whole request, and then to having read the answer. */
#define HTTP_CLIENTS_REQUEST_S 5
#define HTTP_CLIENTS_ANSWER_S 30
/* What evhttp keeps of a client's bytes before it has dealt with them. */
#define HTTP_CLIENTS_INPUT_MAX_BYTES 16384

struct http_clients;

/* NULL when memory or descriptors run out. */
struct http_clients *http_clients_create(struct event_base *base);

/* A connection for evhttp, which owns it from then on. NULL when memory runs out. */
struct bufferevent *http_clients_add(struct http_clients *clients);

/* This connection is being sent an answer, for which what (any pointer) is needed. */
void http_clients_answering(struct http_clients *clients, const struct bufferevent *connection,
			    const void *what);

/* Some connection has come to its end: see to it as soon as the loop runs. */
void http_clients_ended(struct http_clients *clients);

/* Ends all connections that need what. Not to be called from within one of these. */
void http_clients_end_those_with(struct http_clients *clients, const void *what);

/* To be called after evhttp_free, and before the event base goes. */
void http_clients_free(struct http_clients *clients);

#endif
