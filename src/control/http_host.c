/* SPDX-License-Identifier: MIT */
#include "control/http_host.h"

#include "core/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define DEFAULT_PORT 80

/* Reads a port, decimal, nothing behind it; 0: none. */
static unsigned read_port(const char *text)
{
	unsigned port = 0;

	if (*text == '\0')
		return DEFAULT_PORT; /* "name:" (RFC 3986 3.2.3) */
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || port > UINT16_MAX)
			return 0;
		port = port * 10 + (unsigned)(*text - '0');
	}
	return port <= UINT16_MAX ? port : 0;
}

/* Whether the first length bytes of text are name; a final dot is the same name. */
static bool is_name(const char *text, size_t length, const char *name)
{
	if (length > 0 && text[length - 1] == '.')
		length--;
	return length > 0 && strlen(name) == length && strncasecmp(text, name, length) == 0;
}

static bool is_localhost(const char *text, size_t length)
{
	/* The last ones are in the /etc/hosts of distributions. */
	static const char below[] = ".localhost", *const others[] = {"ip6-localhost",
								     "ip6-loopback",
								     "localhost4",
								     "localhost6",
								     "localhost.localdomain",
								     "localhost4.localdomain4",
								     "localhost6.localdomain6"};
	const size_t below_length = sizeof(below) - 1;

	if (length > 0 && text[length - 1] == '.')
		length--;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (is_name(text, length, others[i]))
			return true;
	return is_name(text, length, below + 1) ||
	       (length > below_length &&
		strncasecmp(text + length - below_length, below, below_length) == 0);
}

/* "[::1]" or "[::1]:9514": a browser takes no name in brackets. */
static bool is_bracketed(const char *host)
{
	const char *end = strchr(host, ']');
	struct ip_address address;

	return end && ip_parse(host + 1, (size_t)(end - host - 1), &address) &&
	       (end[1] == '\0' || end[1] == ':');
}

bool http_host_is_ours(const char *host, uint16_t port, const char *machine)
{
	struct ip_address address;
	const char *colon;
	unsigned theirs;
	size_t length;

	if (!host)
		return true;
	if (*host == '[')
		return is_bracketed(host);
	colon = strchr(host, ':');
	length = colon ? (size_t)(colon - host) : strlen(host);
	if (ip_parse(host, length, &address) || is_localhost(host, length) ||
	    is_name(host, length, machine))
		return true;
	theirs = colon ? read_port(colon + 1) : DEFAULT_PORT;
	return length > 0 && theirs != 0 && theirs != port;
}

static bool is_loopback(const struct sockaddr_in6 *own)
{
	const uint8_t *bytes = own->sin6_addr.s6_addr;
	struct sockaddr_in own4;

	memcpy(&own4, own, sizeof(own4));
	if (own->sin6_family == AF_INET)
		return ntohl(own4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&own->sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&own->sin6_addr) && bytes[12] == IN_LOOPBACKNET);
}

bool http_host_is_led_here(int fd, const char *host, const char *machine)
{
	struct sockaddr_in6 own = {0};
	socklen_t size = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &size) < 0 || !is_loopback(&own))
		return false;
	/* The port stands in the same place for both families. */
	return !http_host_is_ours(host, ntohs(own.sin6_port), machine);
}
