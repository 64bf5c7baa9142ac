/* SPDX-License-Identifier: MIT */
/*
 * A network namespace for each test. Include after cmocka.h.
 *
 *     v0 192.0.2.1/24, 2001:db8::1/64 ---- v1        (veth, v1 has no addresses)
 */
#ifndef TRAFFICDUPLICATOR_TESTS_NETMON_NAMESPACE_H
#define TRAFFICDUPLICATOR_TESTS_NETMON_NAMESPACE_H

#include "control/netmon.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK 0x7464

/* Runs a command, which must succeed. */
static inline void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static inline int fill_namespace(void **state)
{
	(void)state;
	/* No address of the kernel's own that becomes valid in the middle of a test. */
	run("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad");
	run("ip link set lo up");
	run("ip link add v0 type veth peer name v1");
	run("ip link set v0 up && ip link set v1 up");
	run("ip address add 192.0.2.1/24 dev v0");
	run("ip address add 2001:db8::1/64 dev v0 nodad");
	return 0;
}

static inline int enter_fresh_namespace(void **state)
{
	return unshare(CLONE_NEWNET) < 0 ? -1 : fill_namespace(state);
}

static inline struct ip_address address(const char *text)
{
	struct ip_address parsed;

	assert_true(ip_parse(text, strlen(text), &parsed));
	return parsed;
}

/* A view for one destination; the caller frees it. */
static inline struct netview *view_for(struct netmon *netmon, const char *destination)
{
	struct ip_address route = address(destination);
	const struct ruleset ruleset = {.routes = &route, .route_count = 1};
	struct netview *view = NULL;

	assert_int_equal(netmon_view(netmon, &ruleset, &view), 0);
	assert_non_null(view);
	return view;
}

#define in_namespace(test) cmocka_unit_test_setup(test, enter_fresh_namespace)

/* Whether namespaces can be made here; says so where not. */
static inline int can_enter_namespaces(const char *test)
{
	if (unshare(CLONE_NEWNET) == 0)
		return 1;
	fprintf(stderr, "%s skipped: no network namespace: %s\n", test, strerror(errno));
	return 0;
}

#endif
