/* SPDX-License-Identifier: MIT */
/*
 * The addresses of host names: asked for on the control loop, kept, and asked for again when their
 * TTL ends. The hosts file comes before the name servers, as in getaddrinfo(3). Nothing waits for
 * an answer, neither the start nor a packet.
 *
 * A name's address is an IPv4 address where it has one, else an IPv6 address. Among several it
 * stays the same for as long as answers have it, and is the lowest otherwise. Addresses that no
 * copy can go to (loopback, multicast, ...) count for nothing. When a name cannot be resolved, it
 * keeps its last good address, and is tried again after a pause that doubles each time.
 *
 * Logged once each: the first address, every change, that a name cannot be resolved, that it can
 * again.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_NAMES_H
#define TRAFFICDUPLICATOR_CONTROL_NAMES_H

#include "core/ip.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names;

struct names_options {
	const char *resolv_conf;
	const char *hosts;
	uint32_t ttl_min_ms; /* an address is good for at least so long, whatever its TTL */
	uint32_t ttl_max_ms;
	uint32_t hosts_ttl_ms; /* for what stands in the hosts file */
	uint32_t retry_min_ms; /* the first pause after a failure */
	uint32_t retry_max_ms;
	uint32_t timeout_ms; /* a server's time to answer: see resolver_open */
};

/* /etc/resolv.conf and /etc/hosts, both read again at each batch of questions; TTLs from 5 s to one
 * hour, the hosts file's 30 s; pauses from 5 s to 60 s; 2 s for an answer. */
#define NAMES_DEFAULTS                                                                             \
	((struct names_options){                                                                   \
		.resolv_conf = "/etc/resolv.conf",                                                 \
		.hosts = "/etc/hosts",                                                             \
		.ttl_min_ms = 5000,                                                                \
		.ttl_max_ms = 3600000,                                                             \
		.hosts_ttl_ms = 30000,                                                             \
		.retry_min_ms = 5000,                                                              \
		.retry_max_ms = 60000,                                                             \
		.timeout_ms = 2000,                                                                \
	})

/*
 * Called on the loop, at most ten times a second, after results of names_lookup have changed, but
 * not for what names_set itself changes. May call any function of this module but names_close.
 */
typedef void names_changed(void *context);

/* options is copied, its paths are not: they must last. Opens nothing yet. Returns 0 or -errno. */
int names_open(struct names **names, struct event_base *base, const struct names_options *options,
	       names_changed *changed, void *context);

/*
 * The names wanted from now on, in any order, case and number; known ones keep what is known of
 * them, others are forgotten. New ones are asked for at once. hosts is copied. Returns 0, or
 * -ENOMEM with nothing changed.
 */
int names_set(struct names *names, const char *const *hosts, size_t count);

/* Whether any name is wanted. */
bool names_any(const struct names *names);

/* The last good address of a wanted name; false, with *address left alone, while none is known. */
bool names_lookup(const struct names *names, const char *host, struct ip_address *address);

/* Frees everything. The loop must not run again, since libevent may hold an answer back for it. */
void names_close(struct names *names);

#endif
