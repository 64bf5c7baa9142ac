/* SPDX-License-Identifier: MIT */
/* What netmon hears of changes, and how often it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "netmon_listener.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void hears_of_each_kind_of_change(void **state)
{
	const char *changes[] = {
		"ip address add 192.0.2.9/24 dev v0",
		"ip address del 192.0.2.9/24 dev v0",
		"ip address add 2001:db8::9/64 dev v0 nodad",
		"ip link set v0 mtu 1400",
		"ip link set v1 down",
		"ip link set v1 up",
		"ip route add 198.51.100.0/24 via 192.0.2.254",
		"ip route change 198.51.100.0/24 via 192.0.2.254 mtu 1300",
		"ip route del 198.51.100.0/24",
		"ip -6 route add 2001:db8:1::/48 via 2001:db8::fe",
		"ip -6 route del 2001:db8:1::/48",
		"ip rule add fwmark 0x7464 lookup 100",
		"ip -6 rule add fwmark 0x7464 lookup 100",
	};
	struct listener listener;

	(void)state;
	listen_for_changes(&listener, "192.0.2.7");
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		hear_out(&listener);
		run(changes[i]);
		if (!hear(&listener, 3000))
			fail_msg("not heard of: %s", changes[i]);
	}
	stop_listening(&listener);
}

static void is_silent_while_nothing_changes(void **state)
{
	struct listener listener;

	(void)state;
	/* Without it the kernel goes on about link-local addresses for a while. */
	run("echo 1 > /proc/sys/net/ipv6/conf/v0/disable_ipv6");
	run("echo 1 > /proc/sys/net/ipv6/conf/v1/disable_ipv6");
	listen_for_changes(&listener, "192.0.2.7");
	hear_out(&listener);
	assert_false(hear(&listener, 1500));
	stop_listening(&listener);
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Writes commands that change a route count times; its MTU is 1400 at the end. */
static void write_storm(const char *path, unsigned count)
{
	FILE *batch = fopen(path, "w");

	assert_non_null(batch);
	for (unsigned i = 0; i < count; i++)
		fprintf(batch, "route replace 198.51.100.0/24 via 192.0.2.254 mtu %u\n",
			1000 + i % 300);
	fprintf(batch, "route replace 198.51.100.0/24 via 192.0.2.254 mtu 1400\n");
	assert_int_equal(fclose(batch), 0);
}

/* Calls are few, and the last one sees what the last change made. */
static void a_storm_makes_ten_calls_a_second_and_a_last_one(void **state)
{
	char path[] = "/tmp/netmon_storm.XXXXXX";
	struct listener listener;
	double begin_s, elapsed_s;
	pid_t storm;
	int status;

	(void)state;
	assert_true(mkstemp(path) >= 0);
	write_storm(path, 100000);
	listen_for_changes(&listener, "198.51.100.1");
	hear_out(&listener);
	listener.calls = 0;
	begin_s = now_s();
	storm = fork();
	assert_true(storm >= 0);
	if (storm == 0) {
		execlp("ip", "ip", "-batch", path, NULL);
		_exit(127);
	}
	do {
		hear(&listener, 50);
	} while (waitpid(storm, &status, WNOHANG) == 0);
	elapsed_s = now_s() - begin_s;
	assert_int_equal(status, 0);
	hear_out(&listener);
	print_message("%u calls in %.2f s\n", listener.calls, elapsed_s);
	assert_in_range(listener.calls, 2, (unsigned)(elapsed_s * 10) + 3);
	assert_int_equal(listener.mtu_bytes, 1400);
	stop_listening(&listener);
	unlink(path);
}

/* More changes than the socket holds, while nobody reads it. */
static void an_overrun_is_a_change_and_listening_goes_on(void **state)
{
	char path[] = "/tmp/netmon_storm.XXXXXX", command[64];
	struct listener listener;

	(void)state;
	assert_true(mkstemp(path) >= 0);
	write_storm(path, 20000);
	snprintf(command, sizeof(command), "ip -batch %s", path);
	listen_for_changes(&listener, "198.51.100.1");
	hear_out(&listener);
	run(command);
	assert_true(hear(&listener, 3000));
	assert_int_equal(listener.mtu_bytes, 1400);
	hear_out(&listener);
	run("ip route change 198.51.100.0/24 via 192.0.2.254 mtu 1350");
	assert_true(hear(&listener, 3000));
	assert_int_equal(listener.mtu_bytes, 1350);
	stop_listening(&listener);
	unlink(path);
}

static void close_it(void *context)
{
	struct listener *listener = context;

	netmon_close(listener->netmon);
	listener->netmon = NULL;
	event_base_loopbreak(listener->base);
}

static void may_be_closed_by_its_own_call(void **state)
{
	struct listener listener = {.base = event_base_new()};

	(void)state;
	assert_int_equal(netmon_open(&listener.netmon, listener.base, MARK, close_it, &listener),
			 0);
	run("ip address add 192.0.2.9/24 dev v0");
	event_base_dispatch(listener.base);
	assert_null(listener.netmon);
	event_base_free(listener.base);
	netmon_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_namespace(hears_of_each_kind_of_change),
		in_namespace(is_silent_while_nothing_changes),
		in_namespace(a_storm_makes_ten_calls_a_second_and_a_last_one),
		in_namespace(an_overrun_is_a_change_and_listening_goes_on),
		in_namespace(may_be_closed_by_its_own_call),
	};

	if (!can_enter_namespaces("test_netmon_changes"))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
