/* SPDX-License-Identifier: MIT */
#include "core/config_host.h"
#include "core/import_draft.h"

#include <string.h>
#include <sys/socket.h>

/* Why no copy can be sent to this address. */
static const char *refusal(enum ip_kind kind, uint8_t family)
{
	if (kind == IP_LOOPBACK)
		return "this machine itself, where no copy can go; with \"ORIGINAL\": \"forward\" "
		       "a program here gets the original, at the port that clients send to";
	if (kind == IP_LINK_LOCAL)
		return "a link-local address means nothing to a copy; write a global or unique "
		       "local address of that host";
	if (kind == IP_RESERVED && family == AF_INET6)
		return "an IPv4 address in IPv6 form; write it as IPv4";
	return kind == IP_UNICAST ? NULL : "not the address of one host; write a host's";
}

/* Returns false for what is neither an address nor a host name. */
static bool read_either(struct import_span host, struct import_destination *destination,
			const char **why)
{
	struct ip_address address;

	host = import_span_unbracket(host);
	if (ip_parse(host.at, host.length, &address)) {
		destination->family = address.family;
		ip_format(&address, destination->host);
		*why = refusal(ip_kind(&address), address.family);
		return true;
	}
	if (host.length > 1 && host.at[host.length - 1] == '.')
		host.length--;
	if (!config_host_is_name(host.at, host.length))
		return false;
	memcpy(destination->host, host.at, host.length);
	destination->host[host.length] = '\0';
	if (config_host_is_localhost(host.at, host.length))
		*why = refusal(IP_LOOPBACK, AF_UNSPEC);
	return true;
}

bool import_host_read(struct import_draft *draft, struct import_span host,
		      struct import_destination *destination)
{
	char shown[CONFIG_TEXT_SIZE];
	const char *why = NULL;

	import_span_quote(destination->written, shown);
	if (!read_either(host, destination, &why))
		import_draft_problem(draft,
				     "%s: neither an address nor a host name; write %s, with an "
				     "IPv6 address in brackets and without a zone",
				     shown, draft->destination_form);
	else if (why)
		import_draft_problem(draft, "%s: %s", shown, why);
	else
		return true;
	return false;
}

bool import_host_port(struct import_draft *draft, struct import_span port,
		      struct import_destination *destination)
{
	char shown[CONFIG_TEXT_SIZE];
	uint32_t number;

	if (import_span_number(port, 1, UINT16_MAX, &number)) {
		destination->port = (uint16_t)number;
		return true;
	}
	import_draft_problem(draft, "%s: the port is no number from 1 to 65535; write %s",
			     import_span_quote(destination->written, shown),
			     draft->destination_form);
	return false;
}
