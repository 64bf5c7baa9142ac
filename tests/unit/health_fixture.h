/* SPDX-License-Identifier: MIT */
/* Health checks of real hosts and servers, in a namespace for each test. Include after cmocka.h. */
#ifndef TRAFFICDUPLICATOR_TESTS_HEALTH_FIXTURE_H
#define TRAFFICDUPLICATOR_TESTS_HEALTH_FIXTURE_H

#include "control/health.h"
#include "loop_wait.h"
#include "netmon_namespace.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#define INTERVAL_MS 100
#define LIMIT_MS 5000

struct fixture {
	struct loop_wait wait;
	struct health_options options;
	struct health *health;
	unsigned changes;
};

static inline void on_changed(void *context)
{
	struct fixture *fixture = context;

	fixture->changes++;
}

static inline int begin(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	enter_fresh_namespace(NULL);
	assert_non_null(fixture);
	loop_wait_begin(&fixture->wait);
	fixture->options = HEALTH_DEFAULTS(MARK);
	fixture->options.interval_ms = INTERVAL_MS;
	fixture->options.timeout_ms = INTERVAL_MS * 3 / 4;
	*state = fixture;
	return 0;
}

static inline int end(void **state)
{
	struct fixture *fixture = *state;

	health_close(fixture->health);
	loop_wait_end(&fixture->wait);
	free(fixture);
	return 0;
}

static inline void open_health(struct fixture *fixture)
{
	assert_int_equal(health_open(&fixture->health, fixture->wait.base, &fixture->options,
				     on_changed, fixture),
			 0);
}

static inline struct health_target icmp_to(const char *text)
{
	return (struct health_target){.address = address(text), .kind = CHECK_ICMP};
}

static inline struct health_target tcp_to(const char *text, uint16_t port)
{
	return (struct health_target){
		.address = address(text), .kind = CHECK_TCP, .tcp_port = port};
}

static inline void check_only(struct fixture *fixture, struct health_target target)
{
	if (!fixture->health)
		open_health(fixture);
	assert_int_equal(health_set(fixture->health, &target, 1), 0);
	assert_true(health_is_up(fixture->health, &target));
}

struct expected {
	const struct fixture *fixture;
	struct health_target target;
	bool up;
};

static inline bool is_as_expected(void *context)
{
	const struct expected *expected = context;

	return health_is_up(expected->fixture->health, &expected->target) == expected->up;
}

static inline bool becomes(struct fixture *fixture, struct health_target target, bool up)
{
	struct expected expected = {fixture, target, up};

	return loop_until(&fixture->wait, is_as_expected, &expected, LIMIT_MS);
}

/* Nothing changes in the time of ten checks. */
static inline void stays(struct fixture *fixture, struct health_target target, bool up)
{
	loop_for(&fixture->wait, INTERVAL_MS * 10);
	assert_int_equal(health_is_up(fixture->health, &target), up);
}

/* A TCP server on any address, which takes connections as the kernel does: unasked. */
static inline int listen_on(uint16_t port)
{
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(fd, 1000), 0);
	return fd;
}

static inline void drop_where(const char *match)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "nft 'table inet t { chain in { type filter hook input priority 0; }; "
		 "chain out { type filter hook output priority 0; }; }; %s'",
		 match);
	run(command);
}

/* What passes over lo: one end of each packet. */
static inline int sniff(uint16_t protocol)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(protocol));

	assert_true(fd >= 0);
	return fd;
}

/* The next ICMP echo request that comes in, if there is one; its length goes to *length. */
static inline struct icmphdr *next_request(int fd, uint8_t *bytes, size_t size, size_t *length)
{
	struct sockaddr_ll from;
	socklen_t from_length = sizeof(from);
	ssize_t got;

	while ((got = recvfrom(fd, bytes, size, 0, (struct sockaddr *)&from, &from_length)) > 0) {
		struct icmphdr *icmp = (struct icmphdr *)(bytes + sizeof(struct iphdr));

		if (from.sll_pkttype != PACKET_OUTGOING && bytes[9] == IPPROTO_ICMP &&
		    icmp->type == ICMP_ECHO) {
			*length = (size_t)got;
			return icmp;
		}
	}
	return NULL;
}

struct counting {
	int fd;
	unsigned requests;
	unsigned wanted;
};

static inline bool has_counted(void *context)
{
	struct counting *counting = context;
	uint8_t bytes[256];
	size_t length;

	while (next_request(counting->fd, bytes, sizeof(bytes), &length))
		counting->requests++;
	return counting->requests >= counting->wanted;
}

#define with_health(test) cmocka_unit_test_setup_teardown(test, begin, end)

#endif
