/* SPDX-License-Identifier: MIT */
/*
 * Questions to the name servers of resolv.conf, through libevent's evdns. Nothing here blocks but
 * the reading of that file.
 *
 * evdns_base_resolve_ipv4() and its sister are used, not evdns_getaddrinfo(): only they give the
 * TTL. They do not look into the hosts file.
 *
 * A resolver is meant to be short-lived, made for a batch of questions and closed after it. So
 * every batch goes by resolv.conf as it is now and leaves from fresh ports; and evdns never gets to
 * ask a server that failed for "google.com", which is how it would find out that it is back.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_RESOLVER_H
#define TRAFFICDUPLICATOR_CONTROL_RESOLVER_H

#include "core/ip.h"

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

#define RESOLVER_ADDRESSES_MAX 32

struct resolver;

/* reason is NULL where there are addresses, else says why there are none (static). The addresses
 * are of one family. */
struct resolver_answer {
	const char *reason;
	uint32_t ttl_s; /* the smallest among the addresses' */
	size_t count;
	struct ip_address addresses[RESOLVER_ADDRESSES_MAX];
};

/* Called on the loop, never from within resolver_ask. May ask again, must not close. */
typedef void resolver_answered(void *context, const struct resolver_answer *answer);

/*
 * Reads resolv_conf; without it, or without a name server in it, 127.0.0.1 is asked
 * (resolv.conf(5)). A question is sent up to three times, to other servers where there are some,
 * each time waiting timeout_ms: options in resolv.conf do not change that. Returns 0 or -errno.
 */
int resolver_open(struct resolver **resolver, struct event_base *base, const char *resolv_conf,
		  uint32_t timeout_ms);

/*
 * Asks for host's IPv4 addresses, then for its IPv6 addresses if there are none. A name with a dot
 * is absolute; one without is tried in the search domains of resolv.conf, then alone. Returns 0, or
 * -EINVAL where no such name can be asked for, or -ENOMEM: then there is no answer.
 */
int resolver_ask(struct resolver *resolver, const char *host, resolver_answered *answered,
		 void *context);

/*
 * Questions that are still open get no answer. Not from within a resolver_answered; and while
 * questions are open, only if the loop does not run again.
 */
void resolver_close(struct resolver *resolver);

#endif
