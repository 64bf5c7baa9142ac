/* SPDX-License-Identifier: MIT */
#include "core/import_draft.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define CLIENT_FORM "write an address or a network, an IPv6 one in brackets"
#define WHITE_SPACE " \t\v\f\r"

/* A destination without a port: samplicate's README. */
#define DEFAULT_PORT 2000

/* The length of a netmask's network part in bits, or -1 where the mask has gaps. */
static int mask_bits(const struct ip_address *mask)
{
	struct ip_address ones = {.family = mask->family};
	struct ip_prefix prefix;
	int bits = 0;

	memset(ones.bytes, 0xff, 4);
	while (bits < 32 && mask->bytes[bits / 8] & (0x80 >> bits % 8))
		bits++;
	prefix = ip_prefix_of(&ones, (uint8_t)bits);
	return ip_equal(&prefix.address, mask) ? bits : -1;
}

/* Reads "24" or "255.255.255.0". */
static bool read_mask(struct import_draft *draft, struct import_span text, uint8_t family,
		      uint32_t *bits)
{
	char shown[CONFIG_TEXT_SIZE];
	struct ip_address mask;
	int length;

	if (import_span_number(text, 0, (uint32_t)ip_length_bytes(family) * 8, bits))
		return true;
	import_span_quote(text, shown);
	if (family == AF_INET && ip_parse(text.at, text.length, &mask) && mask.family == AF_INET) {
		length = mask_bits(&mask);
		if (length >= 0) {
			*bits = (uint32_t)length;
			return true;
		}
		import_draft_problem(draft,
				     "%s: a mask with gaps, which SOURCEADDRESS does not have; "
				     "write a line for each network",
				     shown);
		return false;
	}
	import_draft_problem(draft, "%s: not a mask; write the length of the network part in bits",
			     shown);
	return false;
}

/* A network as the rule's clients, or any client where samplicator means that. */
static bool set_clients(struct import_draft *draft, struct import_span written,
			const struct ip_address *address, uint8_t bits, struct ip_prefix *clients)
{
	char shown[CONFIG_TEXT_SIZE], network[IP_PREFIX_TEXT_SIZE];
	bool zero = ip_equal(address, &(struct ip_address){.family = AF_INET});

	*clients = (struct ip_prefix){0};
	if (address->family == AF_INET ? zero : bits == 0)
		return true;
	*clients = ip_prefix_of(address, bits);
	if (ip_equal(&clients->address, address))
		return true;
	import_draft_problem(draft,
			     "%s: has bits outside of its mask, so that no client matches it, not "
			     "in samplicator either; write %s if that is meant",
			     import_span_quote(written, shown), ip_prefix_format(clients, network));
	return false;
}

/* Reads CLIENT[/MASK]. */
static bool read_clients(struct import_draft *draft, struct import_span written,
			 struct ip_prefix *clients)
{
	struct import_span rest = written, host;
	bool masked = import_span_cut(&rest, "/", &host);
	char shown[CONFIG_TEXT_SIZE];
	struct ip_address address;
	uint32_t bits;

	host = import_span_unbracket(import_span_trim(host));
	if (!ip_parse(host.at, host.length, &address)) {
		import_draft_problem(draft, "%s: not a client's address; " CLIENT_FORM,
				     import_span_quote(written, shown));
		return false;
	}
	bits = (uint32_t)ip_length_bytes(address.family) * 8;
	if (masked && !read_mask(draft, import_span_trim(rest), address.family, &bits))
		return false;
	return set_clients(draft, written, &address, (uint8_t)bits, clients);
}

/* Reads [INTERVAL][,TTL]: one packet in INTERVAL, and the time to live of the copies. */
static bool read_interval(struct import_draft *draft, struct import_span text,
			  struct import_destination *destination)
{
	struct import_span interval;
	bool has_ttl = import_span_cut(&text, ",", &interval);
	char shown[CONFIG_TEXT_SIZE];
	uint32_t ttl = 0;

	import_span_quote(destination->written, shown);
	if (interval.length > 0 &&
	    !import_span_number(interval, 1, CONFIG_RATE_MAX, &destination->sample)) {
		import_draft_problem(draft,
				     "%s: the sampling is not a number; write 10 for one packet "
				     "in 10",
				     shown);
		return false;
	}
	if (has_ttl && !import_span_number(text, 1, UINT8_MAX, &ttl)) {
		import_draft_problem(draft, "%s: the TTL is not a number from 1 to 255", shown);
		return false;
	}
	destination->ttl = (uint8_t)ttl;
	return true;
}

/* Takes HOST or [HOST] from the beginning of *rest. Returns whether a port follows. */
static bool cut_host(struct import_span *rest, struct import_span *host)
{
	struct import_span between;

	if (rest->length == 0 || rest->at[0] != '[')
		return import_span_cut(rest, "/", host);
	if (!import_span_cut(rest, "]", host))
		return false;
	host->length++;
	if (rest->length == 0)
		return false;
	if (import_span_cut(rest, "/", &between) && between.length == 0)
		return true;
	host->length += between.length; /* what cannot be there makes it no address */
	return false;
}

/* Reads HOST[/PORT[/INTERVAL[,TTL]]]. */
static bool read_destination(struct import_draft *draft, struct import_span written,
			     struct import_destination *destination)
{
	struct import_span rest = written, host, port;
	bool has_port = cut_host(&rest, &host), has_interval;

	*destination =
		(struct import_destination){.written = written, .port = DEFAULT_PORT, .sample = 1};
	if (!import_host_read(draft, host, destination))
		return false;
	if (!has_port)
		return true;
	has_interval = import_span_cut(&rest, "/", &port);
	if (!import_host_port(draft, port, destination))
		return false;
	return !has_interval || read_interval(draft, rest, destination);
}

static bool suits_clients(struct import_draft *draft, const struct import_rule *rule,
			  const struct import_destination *destination)
{
	uint8_t family = rule->clients.address.family;
	char shown[CONFIG_TEXT_SIZE];

	if (family == AF_UNSPEC || destination->family == AF_UNSPEC ||
	    destination->family == family)
		return true;
	import_draft_problem(draft,
			     "%s: a copy of an %s packet cannot go to an %s address; write one of "
			     "the clients' kind",
			     import_span_quote(destination->written, shown),
			     family == AF_INET ? "IPv4" : "IPv6",
			     family == AF_INET ? "IPv6" : "IPv4");
	return false;
}

static void read_destinations(struct import_draft *draft, struct import_span rest,
			      struct import_rule *rule)
{
	struct import_destination destination;
	struct import_span written;

	while (rest.length > 0) {
		import_span_cut(&rest, WHITE_SPACE, &written);
		if (written.length > 0 && read_destination(draft, written, &destination) &&
		    suits_clients(draft, rule, &destination))
			import_draft_destination(draft, rule, &destination);
	}
}

/* Cuts the line at the colon behind the clients. */
static bool cut_clients(struct import_span *line, struct import_span *clients)
{
	const char *begin = line->at;
	struct import_span piece;
	bool found;

	if (line->at[0] == '[')
		import_span_cut(line, "]", &piece);
	found = import_span_cut(line, ":", &piece);
	*clients = import_span_trim(
		(struct import_span){begin, (size_t)(piece.at + piece.length - begin)});
	return found;
}

static void set_name(const struct import_draft *draft, struct import_rule *rule)
{
	char name[CONFIG_RULE_NAME_MAX + 1], network[IP_PREFIX_TEXT_SIZE] = "any";

	if (rule->clients.address.family != AF_UNSPEC)
		ip_prefix_format(&rule->clients, network);
	snprintf(name, sizeof name, "from-%s", network);
	import_draft_name(draft, name, rule);
}

void import_samplicator_line(struct import_draft *draft, struct import_span line)
{
	struct import_rule rule = {.balance = BALANCE_ALL};
	struct import_span clients, rest = line;
	char shown[CONFIG_TEXT_SIZE];

	import_span_cut(&rest, "#", &line);
	line = import_span_trim(line);
	if (line.length == 0)
		return;
	rest = line;
	if (!cut_clients(&rest, &clients)) {
		import_draft_problem(draft,
				     "%s: no colon behind the clients; " CLIENT_FORM
				     ", a colon, and destinations",
				     import_span_quote(line, shown));
		return;
	}
	rest = import_span_trim(rest);
	if (rest.length == 0) {
		import_draft_note(draft, "%s: no destination, so there is nothing to convert",
				  import_span_quote(line, shown));
		return;
	}
	if (!read_clients(draft, clients, &rule.clients))
		return;
	read_destinations(draft, rest, &rule);
	if (rule.destination_count == 0)
		return;
	set_name(draft, &rule);
	import_draft_rule(draft, &rule);
}
