/* SPDX-License-Identifier: MIT */
#include "control/ping.h"

#include "core/checksum.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Replies that are read before others get their turn: more than a socket holds, so that after a
 * pause of the loop no check is taken for unanswered whose reply is there. */
#define BURST_MAX 512

/* The same for both families but for the type (RFC 792, RFC 4443 4.1). */
struct echo {
	uint8_t type;
	uint8_t code;
	uint16_t checksum_be;
	struct ping_stamp stamp;
};

struct ping {
	ping_replied *replied;
	void *context;
	uint16_t id_be;
	uint16_t sequence;
	int ipv4, ipv6;
	struct event ipv4_readable, ipv6_readable;
};

/* Returns a socket, or -errno. */
static int open_socket(int family, int protocol, int level, int filter_option, const void *filter,
		       socklen_t filter_length, uint32_t mark)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	int error;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, level, filter_option, filter, filter_length) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

static int open_ipv4(uint32_t mark)
{
	const struct icmp_filter filter = {.data = ~(UINT32_C(1) << ICMP_ECHOREPLY)};

	return open_socket(AF_INET, IPPROTO_ICMP, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter),
			   mark);
}

static int open_ipv6(uint32_t mark)
{
	struct icmp6_filter filter;

	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
	return open_socket(AF_INET6, IPPROTO_ICMPV6, SOL_ICMPV6, ICMP6_FILTER, &filter,
			   sizeof(filter), mark);
}

static void take_reply(struct ping *ping, const struct ip_address *source, const uint8_t *bytes,
		       size_t length, uint8_t type)
{
	struct echo echo;

	if (length < sizeof(echo))
		return;
	memcpy(&echo, bytes, sizeof(echo));
	if (echo.type == type && echo.code == 0 && echo.stamp.id_be == ping->id_be)
		ping->replied(ping->context, source, &echo.stamp);
}

/* IPv4 raw sockets give the IP header too (raw(7)); the kernel has verified it and the checksum. */
static void on_ipv4_readable(evutil_socket_t fd, short what, void *context)
{
	struct ping *ping = context;
	struct sockaddr_in from;
	socklen_t from_length = sizeof(from);
	uint8_t bytes[128];

	(void)what;
	for (int i = 0; i < BURST_MAX; i++) {
		struct ip_address source = {.family = AF_INET};
		ssize_t length = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from,
					  &from_length);
		size_t header = length > 0 ? (size_t)(bytes[0] & 0x0f) * 4 : 0;

		if (length < 0)
			return;
		memcpy(source.bytes, &from.sin_addr, sizeof(from.sin_addr));
		if ((size_t)length > header)
			take_reply(ping, &source, bytes + header, (size_t)length - header,
				   ICMP_ECHOREPLY);
	}
}

static void on_ipv6_readable(evutil_socket_t fd, short what, void *context)
{
	struct ping *ping = context;
	struct sockaddr_in6 from;
	socklen_t from_length = sizeof(from);
	uint8_t bytes[128];

	(void)what;
	for (int i = 0; i < BURST_MAX; i++) {
		struct ip_address source = {.family = AF_INET6};
		ssize_t length = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from,
					  &from_length);

		if (length < 0)
			return;
		memcpy(source.bytes, &from.sin6_addr, sizeof(from.sin6_addr));
		take_reply(ping, &source, bytes, (size_t)length, ICMP6_ECHO_REPLY);
	}
}

int ping_open(struct ping **out, struct event_base *base, uint32_t mark, ping_replied *replied,
	      void *context)
{
	struct ping *ping = calloc(1, sizeof(*ping));
	int error = 0;

	if (!ping)
		return -ENOMEM;
	ping->replied = replied;
	ping->context = context;
	evutil_secure_rng_get_bytes(&ping->id_be, sizeof(ping->id_be));
	ping->ipv4 = open_ipv4(mark);
	ping->ipv6 = open_ipv6(mark);
	event_assign(&ping->ipv4_readable, base, ping->ipv4, EV_READ | EV_PERSIST, on_ipv4_readable,
		     ping);
	event_assign(&ping->ipv6_readable, base, ping->ipv6, EV_READ | EV_PERSIST, on_ipv6_readable,
		     ping);
	if (ping->ipv4 < 0)
		error = ping->ipv4;
	else if (ping->ipv6 < 0 && ping->ipv6 != -EAFNOSUPPORT)
		error = ping->ipv6;
	else if (event_add(&ping->ipv4_readable, NULL) < 0 ||
		 (ping->ipv6 >= 0 && event_add(&ping->ipv6_readable, NULL) < 0))
		error = -ENOMEM;
	if (error) {
		ping_close(ping);
		return error;
	}
	*out = ping;
	return 0;
}

void ping_close(struct ping *ping)
{
	if (!ping)
		return;
	if (ping->ipv4 >= 0) {
		event_del(&ping->ipv4_readable);
		close(ping->ipv4);
	}
	if (ping->ipv6 >= 0) {
		event_del(&ping->ipv6_readable);
		close(ping->ipv6);
	}
	free(ping);
}

static int send_ipv4(int fd, const struct ip_address *destination, struct echo *echo)
{
	struct sockaddr_in to = {.sin_family = AF_INET};

	memcpy(&to.sin_addr, destination->bytes, sizeof(to.sin_addr));
	echo->type = ICMP_ECHO;
	echo->checksum_be = (uint16_t)~checksum_fold(checksum_sum(echo, sizeof(*echo)));
	return sendto(fd, echo, sizeof(*echo), 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno
											  : 0;
}

/* The kernel makes the checksum, which covers the source address that it chooses (RFC 3542 3.1). */
static int send_ipv6(int fd, const struct ip_address *destination, struct echo *echo)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6};

	if (fd < 0)
		return fd;
	memcpy(&to.sin6_addr, destination->bytes, sizeof(to.sin6_addr));
	echo->type = ICMP6_ECHO_REQUEST;
	return sendto(fd, echo, sizeof(*echo), 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno
											  : 0;
}

int ping_send(struct ping *ping, const struct ip_address *destination, struct ping_stamp *stamp)
{
	struct echo echo = {
		.stamp = {.id_be = ping->id_be, .sequence_be = htons(++ping->sequence)}};

	evutil_secure_rng_get_bytes(echo.stamp.token, sizeof(echo.stamp.token));
	*stamp = echo.stamp;
	if (destination->family == AF_INET)
		return send_ipv4(ping->ipv4, destination, &echo);
	return send_ipv6(ping->ipv6, destination, &echo);
}
