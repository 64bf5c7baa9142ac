/* SPDX-License-Identifier: MIT */
#include "core/config_http.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define HTTP_FORM                                                                                  \
	"write an address and a port, for example \"127.0.0.1:9514\" or \"[::1]:9514\", or "       \
	"\"off\""

/* The two parts of "ADDRESS:PORT" or "[ADDRESS]:PORT". */
struct parts {
	const char *address;
	size_t address_length;
	const char *port;
	bool bracketed;
};

/* Returns whether there are two. */
static bool split(const char *text, struct parts *parts)
{
	const char *colon = strrchr(text, ':');
	size_t length;

	if (!colon)
		return false;
	length = (size_t)(colon - text);
	*parts = (struct parts){.address = text, .address_length = length, .port = colon + 1};
	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		parts->bracketed = true;
		parts->address++;
		parts->address_length -= 2;
	}
	return true;
}

/* What is wrong with an address as one to listen on; NULL: nothing. */
static const char *unusable(const struct ip_address *address)
{
	static const uint8_t any[16];

	switch (ip_kind(address)) {
	case IP_UNICAST:
	case IP_LOOPBACK:
		return NULL;
	case IP_UNSPECIFIED:
		/* The rest of 0.0.0.0/8 is nobody's. */
		return memcmp(address->bytes, any, sizeof(any)) == 0 ? NULL : "nobody's";
	default:
		return ip_kind_name(ip_kind(address));
	}
}

static void read_parts(const struct config_value *value, const struct parts *parts,
		       struct config_settings *settings)
{
	struct ip_address address;
	const char *wrong;
	uint32_t port;

	if (!ip_parse(parts->address, parts->address_length, &address))
		config_read_error(value, "not an IP address before the port; " HTTP_FORM);
	else if (address.family == AF_INET6 && !parts->bracketed)
		config_read_error(value, "an IPv6 address stands in brackets here; " HTTP_FORM);
	else if (address.family == AF_INET && parts->bracketed)
		config_read_error(value, "an IPv4 address stands without brackets; " HTTP_FORM);
	else if ((wrong = unusable(&address)))
		config_read_error(value, "the address is %s; " HTTP_FORM, wrong);
	else if (!config_read_digits(parts->port, strlen(parts->port), UINT16_MAX, &port) || !port)
		config_read_error(value, "the port is a number from 1 to 65535; " HTTP_FORM);
	else {
		settings->http_address = address;
		settings->http_port = (uint16_t)port;
	}
}

void config_http_read(const struct config_value *value, void *target)
{
	struct config_settings *settings = target;
	bool is_text = json_object_is_type(value->json, json_type_string);
	const char *text = is_text ? json_object_get_string(value->json) : "";
	struct parts parts;

	if (strcmp(text, "off") == 0)
		settings->http_port = 0;
	else if (split(text, &parts))
		read_parts(value, &parts, settings);
	else
		config_read_error(value, HTTP_FORM);
}

const char *config_http_format(const struct config_settings *settings,
			       char out[static CONFIG_HTTP_SIZE])
{
	bool is_v6 = settings->http_address.family == AF_INET6;
	char address[IP_TEXT_SIZE];

	if (!settings->http_port)
		return strcpy(out, "off");
	ip_format(&settings->http_address, address);
	snprintf(out, CONFIG_HTTP_SIZE, is_v6 ? "[%s]:%u" : "%s:%u", address, settings->http_port);
	return out;
}

bool config_http_is_exposed(const struct config_settings *settings)
{
	return settings->http_port && ip_kind(&settings->http_address) != IP_LOOPBACK;
}
