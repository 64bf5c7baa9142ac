/* SPDX-License-Identifier: MIT */
#include "core/config_host.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define LABEL_MAX 63 /* bytes (RFC 1035 2.3.4) */

/* Where a host name's last label begins; a final dot is not part of the name. */
static size_t last_label(const char *text, size_t length)
{
	while (length > 0 && text[length - 1] != '.')
		length--;
	return length;
}

static size_t without_dot(const char *text, size_t length)
{
	return length > 1 && text[length - 1] == '.' ? length - 1 : length;
}

/*
 * Letters, digits, "-", "_" and dots, with a last label that is no number (RFC 1123 2.1; resolvers
 * take "0x7f" for one too): no address looks so.
 */
static bool looks_like_name(const char *text, size_t length)
{
	size_t last = last_label(text, length);
	bool is_hex = length - last >= 2 && strncasecmp(text + last, "0x", 2) == 0;
	bool letter = false;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80 || !(isalnum(c) || strchr("-_.", c)))
			return false;
		if (i >= last + (is_hex ? 2 : 0))
			letter |= is_hex ? isalnum(c) && !isxdigit(c) : isalpha(c) != 0;
	}
	return letter;
}

static bool is_label(const char *text, size_t length)
{
	return length >= 1 && length <= LABEL_MAX && text[0] != '-' && text[length - 1] != '-';
}

/* Of what looks like a name, whether it is one. */
static bool has_labels(const char *text, size_t length)
{
	size_t begin = 0;

	for (size_t i = 0; i <= length; i++) {
		if (i < length && text[i] != '.')
			continue;
		if (!is_label(text + begin, i - begin))
			return false;
		begin = i + 1;
	}
	return length <= CONFIG_HOST_MAX;
}

bool config_host_is_name(const char *text, size_t length)
{
	return looks_like_name(text, length) && has_labels(text, length);
}

static void report_no_address(const struct config_value *value, const char *text, size_t length,
			      const char *form)
{
	const char *colon = memchr(text, ':', length);

	if (looks_like_name(text, without_dot(text, length)))
		config_read_error(value, "a host name, not an address; write %s", form);
	else if (memchr(text, '%', length))
		config_read_error(value, "an address with a zone, which cannot be used; write %s",
				  form);
	else if (text[0] == '[' || (colon && memchr(text, '.', (size_t)(colon - text))))
		config_read_error(value, "the port stands after \"/\"; write %s", form);
	else
		config_read_error(value, "not an IP address; write %s", form);
}

bool config_host_read_address(const struct config_value *value, const char *text, size_t length,
			      const char *form, struct ip_address *address)
{
	enum ip_kind kind;

	if (!ip_parse(text, length, address)) {
		report_no_address(value, text, length, form);
		return false;
	}
	kind = ip_kind(address);
	if (kind == IP_UNICAST)
		return true;
	if (kind == IP_RESERVED && address->family == AF_INET6)
		config_read_error(value, "an IPv4 address in IPv6 form; write it as IPv4: %s",
				  form);
	else
		config_read_error(value, "the address is %s; write the unicast address of a host",
				  ip_kind_name(kind));
	return false;
}

bool config_host_is_localhost(const char *text, size_t length)
{
	size_t last = last_label(text, length);

	return length - last == strlen("localhost") &&
	       strncasecmp(text + last, "localhost", length - last) == 0;
}

static bool read_name(const struct config_value *value, const char *text, size_t length,
		      char **host)
{
	size_t name_length = without_dot(text, length);

	if (!has_labels(text, name_length)) {
		config_read_error(value,
				  "not a host name: its parts between dots have 1 to %d letters, "
				  "digits, \"-\" or \"_\" each, \"-\" neither first nor last, and "
				  "all together %d at most",
				  LABEL_MAX, CONFIG_HOST_MAX);
		return false;
	}
	if (config_host_is_localhost(text, name_length)) {
		config_read_error(value, "the name of a loopback address; write another host");
		return false;
	}
	*host = strndup(text, length);
	if (!*host) {
		config_report_no_memory(value->report);
		return false;
	}
	for (char *c = *host; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return true;
}

bool config_host_read(const struct config_value *value, const char *text, size_t length,
		      const char *form, struct ip_address *address, char **host)
{
	struct ip_address none = {0};

	free(*host);
	*host = NULL;
	*address = none;
	if (looks_like_name(text, without_dot(text, length)))
		return read_name(value, text, length, host);
	if (config_host_read_address(value, text, length, form, address))
		return true;
	*address = none;
	return false;
}
