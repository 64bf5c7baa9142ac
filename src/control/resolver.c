/* SPDX-License-Identifier: MIT */
#include "control/resolver.h"

#include "control/log.h"

#include <errno.h>
#include <event2/dns.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define ATTEMPTS "3"
#define IN_FLIGHT_MAX "256" /* questions that wait for an answer; further ones queue in evdns */

struct question {
	LIST_ENTRY(question) all;
	struct resolver *resolver;
	resolver_answered *answered;
	void *context;
	bool absolute;
	char host[];
};

struct resolver {
	struct evdns_base *dns;
	LIST_HEAD(, question) questions;
};

/* evdns would write to stderr by itself. A server that fails is told of as the names that fail. */
static void on_evdns_log(int is_warning, const char *message)
{
	(void)is_warning;
	log_debug("name server: %s", message);
}

static int set_options(struct evdns_base *dns, uint32_t timeout_ms)
{
	char timeout_s[32];

	snprintf(timeout_s, sizeof(timeout_s), "%u.%03u", timeout_ms / 1000, timeout_ms % 1000);
	return evdns_base_set_option(dns, "timeout", timeout_s) == 0 &&
			       evdns_base_set_option(dns, "attempts", ATTEMPTS) == 0 &&
			       evdns_base_set_option(dns, "max-inflight", IN_FLIGHT_MAX) == 0
		       ? 0
		       : -ENOMEM;
}

/*
 * evdns would keep a question for ever where there is nobody to ask, and there always is, if only
 * 127.0.0.1, unless no socket could be had; why, it does not say. Returns 0 or -errno.
 */
static int check_servers(struct evdns_base *dns)
{
	int fd, error;

	if (evdns_base_count_nameservers(dns) > 0)
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	error = fd < 0 ? -errno : -EAGAIN;
	if (fd >= 0)
		close(fd);
	return error;
}

int resolver_open(struct resolver **out, struct event_base *base, const char *resolv_conf,
		  uint32_t timeout_ms)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	int error;

	if (!resolver)
		return -ENOMEM;
	LIST_INIT(&resolver->questions);
	evdns_set_log_fn(on_evdns_log);
	resolver->dns = evdns_base_new(base, 0);
	if (!resolver->dns) {
		error = -ENOMEM;
		goto out;
	}
	/* A file that cannot be read leaves evdns with 127.0.0.1, as the C library. */
	evdns_base_resolv_conf_parse(resolver->dns,
				     DNS_OPTION_SEARCH | DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC,
				     resolv_conf);
	error = set_options(resolver->dns, timeout_ms);
	if (!error)
		error = check_servers(resolver->dns);
	if (error)
		goto out;
	*out = resolver;
	return 0;
out:
	resolver_close(resolver);
	return error;
}

static const char *reason_text(int error)
{
	switch (error) {
	case DNS_ERR_NOTEXIST:
		return "there is no such name";
	case DNS_ERR_NODATA:
		return "the name has no address";
	case DNS_ERR_TIMEOUT: /* evdns takes SERVFAIL for one */
		return "no name server answers, or none has an answer";
	case DNS_ERR_REFUSED:
		return "the name server refuses to answer";
	case DNS_ERR_TRUNCATED:
		return "the answer is too long for a DNS message over UDP";
	default:
		return evdns_err_to_string(error);
	}
}

/* The question is over: its callback comes last. */
static void finish(struct question *question, const struct resolver_answer *answer)
{
	resolver_answered *answered = question->answered;
	void *context = question->context;

	LIST_REMOVE(question, all);
	free(question);
	answered(context, answer);
}

static void fill_answer(struct resolver_answer *answer, uint8_t family, int count, int ttl_s,
			const void *addresses)
{
	size_t length = ip_length_bytes(family);

	answer->ttl_s = ttl_s > 0 ? (uint32_t)ttl_s : 0; /* from 2^31: as zero (RFC 2181 8) */
	for (int i = 0; i < count && i < RESOLVER_ADDRESSES_MAX; i++) {
		struct ip_address *address = &answer->addresses[answer->count++];

		address->family = family;
		memcpy(address->bytes, (const uint8_t *)addresses + (size_t)i * length, length);
	}
}

static bool send_question(struct question *question, uint8_t family);

/* evdns gives addresses in network byte order. */
static void on_evdns_answer(int error, char type, int count, int ttl_s, void *addresses,
			    void *context)
{
	struct question *question = context;
	uint8_t family = type == DNS_IPv6_AAAA ? AF_INET6 : AF_INET;
	struct resolver_answer answer = {0};

	if (error == DNS_ERR_NONE)
		fill_answer(&answer, family, count, ttl_s, addresses);
	if (answer.count == 0)
		answer.reason = reason_text(error);
	finish(question, &answer);
}

/* Whatever a server says of IPv4, IPv6 may be had: with search domains, the error is that of the
 * last one tried, and the name may be in another. */
static void on_ipv4_answer(int error, char type, int count, int ttl_s, void *addresses,
			   void *context)
{
	if (error != DNS_ERR_NONE && error != DNS_ERR_TIMEOUT && send_question(context, AF_INET6))
		return;
	on_evdns_answer(error, type, count, ttl_s, addresses, context);
}

static bool send_question(struct question *question, uint8_t family)
{
	struct evdns_base *dns = question->resolver->dns;
	int flags = question->absolute ? DNS_QUERY_NO_SEARCH : 0;

	if (family == AF_INET)
		return evdns_base_resolve_ipv4(dns, question->host, flags, on_ipv4_answer,
					       question);
	return evdns_base_resolve_ipv6(dns, question->host, flags, on_evdns_answer, question);
}

int resolver_ask(struct resolver *resolver, const char *host, resolver_answered *answered,
		 void *context)
{
	size_t length = strlen(host);
	struct question *question = malloc(sizeof(*question) + length + 1);

	if (!question)
		return -ENOMEM;
	*question = (struct question){
		.resolver = resolver,
		.answered = answered,
		.context = context,
		.absolute = strchr(host, '.') != NULL,
	};
	memcpy(question->host, host, length + 1);
	if (length > 0 && host[length - 1] == '.')
		question->host[length - 1] = '\0';
	LIST_INSERT_HEAD(&resolver->questions, question, all);
	if (send_question(question, AF_INET))
		return 0;
	LIST_REMOVE(question, all);
	free(question);
	return -EINVAL;
}

void resolver_close(struct resolver *resolver)
{
	struct question *question, *next;

	if (!resolver)
		return;
	if (resolver->dns)
		evdns_base_free(resolver->dns, 0);
	for (question = LIST_FIRST(&resolver->questions); question; question = next) {
		next = LIST_NEXT(question, all);
		free(question);
	}
	free(resolver);
}
