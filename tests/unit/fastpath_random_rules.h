/* SPDX-License-Identifier: MIT */
/* Random configurations within small ranges, so that rules meet in ports, clients and places. */
#ifndef TESTS_UNIT_FASTPATH_RANDOM_RULES_H
#define TESTS_UNIT_FASTPATH_RANDOM_RULES_H

#include "random.h"

#include <string.h>

/* Ports that are listened to, and destinations' addresses of each family. */
enum { PORTS = 8, PLACES = 5 };

static inline void append_clients(FILE *out)
{
	unsigned count = random_below(4);

	if (count == 0)
		return;
	/* Of both families, so that destinations can be of either. */
	fprintf(out, ", 'SOURCEADDRESS': ['10.0.0.0/%u', '2001:db8::/%u'", 8 + random_below(20),
		random_below(2) ? 32 : 64);
	for (unsigned i = 0; i < count; i++) {
		unsigned bits = 24 + random_below(9);
		unsigned host = (random_below(256) >> (32 - bits)) << (32 - bits);

		if (random_below(2))
			fprintf(out, ", '%s10.%u.0.%u/%u'", random_below(2) ? "!" : "", 1 + i, host,
				bits);
		else
			fprintf(out, ", '%s2001:db8:%u::%x/%u'", random_below(2) ? "!" : "", 1 + i,
				host, 96 + bits);
	}
	fprintf(out, "]");
}

/* Places are few, so that rules share them. A name may turn out to be any place. */
static inline void append_destination(FILE *out, unsigned d)
{
	static const char *const ttls[] = {"\"keep\"", "\"decrement\"", "7"};

	fprintf(out, "%s{'ADDRESS': '", d ? ", " : "");
	switch (random_below(5)) {
	case 0:
		fprintf(out, "host%u.example', 'NAME': 'h%u'", d, d);
		break;
	case 1:
		fprintf(out, "2001:db8:f::%u'", 1 + d);
		break;
	default:
		fprintf(out, "10.9.0.%u'", 1 + d);
	}
	if (random_below(2))
		fprintf(out, ", 'PORT': %u", 1 + random_below(PORTS));
	if (random_below(6) == 0)
		fprintf(out, ", 'SAMPLE': %u", 2 + random_below(3));
	if (random_below(4) == 0)
		fprintf(out, ", 'TTL': %s", ttls[random_below(3)]);
	if (random_below(60) == 0)
		fprintf(out, ", 'SOURCE': 'appliance'");
	fprintf(out, "}");
}

static inline void append_rule(FILE *out, unsigned r)
{
	static const char *const balances[] = {"all",  "all",	   "all",
					       "hash", "failover", "round-robin"};
	static const char *const originals[] = {"auto", "auto", "forward", "drop"};
	unsigned first = 1 + random_below(PORTS), last = first + random_below(3);
	unsigned start = random_below(PLACES);
	unsigned count = 1 + random_below(PLACES - start);

	fprintf(out, "%s'r%u': {'SOURCEPORT': '%u-%u', 'DESTINATION': [", r ? ", " : "{", r, first,
		last);
	for (unsigned d = 0; d < count; d++)
		append_destination(out, d ? start + d : start);
	fprintf(out, "]");
	append_clients(out);
	fprintf(out, ", 'BALANCE': '%s', 'ORIGINAL': '%s'",
		balances[random_below(random_below(8) ? 5 : 6)], originals[random_below(4)]);
	if (random_below(5) == 0)
		fprintf(out, ", 'SAMPLE': %u", 2 + random_below(4));
	if (random_below(20) == 0)
		fprintf(out, ", 'RATELIMIT': 1000000");
	if (random_below(15) == 0)
		fprintf(out, ", 'LISTENADDRESS': ['192.0.2.1', '2001:db8:e::1']");
	if (random_below(15) == 0)
		fprintf(out, ", 'INTERFACE': 'eth0'");
	if (random_below(3) == 0)
		fprintf(out, ", 'TTL': 'decrement'");
	fprintf(out, ", 'ENABLED': %s}", random_below(10) ? "true" : "false");
}

/* The first entry of an array has no comma before it. */
static inline char *random_text(unsigned rules)
{
	char *text = NULL, *at;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (unsigned r = 0; r < rules; r++)
		append_rule(out, r);
	fprintf(out, "}");
	fclose(out);
	while ((at = strstr(text, "[, ")))
		memcpy(at, "[  ", 3);
	return text;
}

#endif
