/* SPDX-License-Identifier: MIT */
/* When destinations are taken for down and for up again, and what is said of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "health_fixture.h"

static void icmp_goes_down_and_up(struct fixture *fixture, const char *host, const char *drop)
{
	struct health_target target = icmp_to(host);
	char log[128];

	check_only(fixture, target);
	stays(fixture, target, true);
	assert_int_equal(log_count(&fixture->wait, "\n"), 0);
	drop_where(drop);
	assert_true(becomes(fixture, target, false));
	stays(fixture, target, false);
	assert_int_equal(fixture->changes, 1);
	run("nft flush ruleset");
	assert_true(becomes(fixture, target, true));
	stays(fixture, target, true);
	assert_int_equal(fixture->changes, 2);
	snprintf(log, sizeof(log), "%s (check icmp) is down: no answer\n", host);
	assert_int_equal(log_count(&fixture->wait, log), 1);
	snprintf(log, sizeof(log), "%s (check icmp) is up again\n", host);
	assert_int_equal(log_count(&fixture->wait, log), 1);
	assert_int_equal(log_count(&fixture->wait, "\n"), 2);
}

static void icmp_down_and_up(void **state)
{
	icmp_goes_down_and_up(*state, "192.0.2.1",
			      "add rule inet t in icmp type echo-request drop");
}

static void icmp_down_and_up_over_ipv6(void **state)
{
	icmp_goes_down_and_up(*state, "2001:db8::1",
			      "add rule inet t in icmpv6 type echo-request drop");
}

static void tcp_goes_down_and_up(struct fixture *fixture, const char *host)
{
	struct health_target target = tcp_to(host, 601);
	int server = listen_on(601);
	char log[128];

	check_only(fixture, target);
	stays(fixture, target, true);
	close(server);
	assert_true(becomes(fixture, target, false));
	stays(fixture, target, false);
	server = listen_on(601);
	assert_true(becomes(fixture, target, true));
	stays(fixture, target, true);
	close(server);
	snprintf(log, sizeof(log), "%s (check tcp/601) is down: connection refused\n", host);
	assert_int_equal(log_count(&fixture->wait, log), 1);
	snprintf(log, sizeof(log), "%s (check tcp/601) is up again\n", host);
	assert_int_equal(log_count(&fixture->wait, log), 1);
	assert_int_equal(log_count(&fixture->wait, "\n"), 2);
}

static void tcp_refused_and_accepted(void **state)
{
	tcp_goes_down_and_up(*state, "192.0.2.1");
}

static void tcp_refused_and_accepted_over_ipv6(void **state)
{
	tcp_goes_down_and_up(*state, "2001:db8::1");
}

static void tcp_without_an_answer(void **state)
{
	struct fixture *fixture = *state;
	struct health_target target = tcp_to("192.0.2.1", 601);

	drop_where("add rule inet t in tcp dport 601 drop");
	check_only(fixture, target);
	assert_true(becomes(fixture, target, false));
	assert_int_equal(log_count(&fixture->wait, "tcp/601) is down: no answer\n"), 1);
}

static void without_a_route(void **state)
{
	struct fixture *fixture = *state;
	const struct health_target targets[] = {icmp_to("203.0.113.1"), tcp_to("203.0.113.1", 601),
						icmp_to("2001:db9::1"), tcp_to("2001:db9::1", 601)};

	open_health(fixture);
	assert_int_equal(health_set(fixture->health, targets, 4), 0);
	for (size_t i = 0; i < 4; i++)
		assert_true(becomes(fixture, targets[i], false));
	assert_int_equal(log_count(&fixture->wait, "is down: no route"), 4);
	run("ip address add 203.0.113.1/32 dev lo");
	assert_true(becomes(fixture, targets[0], true));
}

static void a_firewall_of_our_own_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct health_target target = icmp_to("192.0.2.1");

	drop_where("add rule inet t out icmp type echo-request drop");
	check_only(fixture, target);
	assert_true(becomes(fixture, target, false));
	assert_int_equal(log_count(&fixture->wait, "this machine's own firewall stops it"), 1);
}

/* Down with the third failure, not before; up with the second success, not before. */
static void three_failures_take_down_two_successes_bring_up(void **state)
{
	struct fixture *fixture = *state;
	struct health_target target = icmp_to("192.0.2.1");
	struct counting counting = {.fd = sniff(ETH_P_IP), .wanted = 3};

	drop_where("add rule inet t in icmp type echo-request drop");
	check_only(fixture, target);
	assert_true(loop_until(&fixture->wait, has_counted, &counting, LIMIT_MS));
	assert_true(health_is_up(fixture->health, &target));
	assert_true(becomes(fixture, target, false));
	has_counted(&counting);
	assert_int_equal(counting.requests, 3);
	run("nft flush ruleset");
	assert_true(becomes(fixture, target, true));
	has_counted(&counting);
	assert_int_equal(counting.requests, 5);
	close(counting.fd);
}

/* Two failures, one success, two failures, ...: never three in a row. */
static void failures_apart_do_not_add_up(void **state)
{
	struct fixture *fixture = *state;
	struct health_target target = icmp_to("192.0.2.1");
	struct counting counting = {.fd = sniff(ETH_P_IP), .wanted = 13};

	drop_where("add rule inet t in icmp type echo-request numgen inc mod 3 < 2 drop");
	check_only(fixture, target);
	assert_true(loop_until(&fixture->wait, has_counted, &counting, LIMIT_MS));
	assert_true(health_is_up(fixture->health, &target));
	assert_int_equal(fixture->changes, 0);
	close(counting.fd);
}

static void a_new_set_keeps_states(void **state)
{
	struct fixture *fixture = *state;
	struct health_target down = tcp_to("192.0.2.1", 601), fresh = tcp_to("192.0.2.1", 602);
	struct health_target none = {.address = address("192.0.2.1")};
	const struct health_target targets[] = {fresh, down, fresh, none, down};

	check_only(fixture, down);
	assert_true(becomes(fixture, down, false));
	assert_int_equal(health_set(fixture->health, targets, 5), 0);
	assert_false(health_is_up(fixture->health, &down));
	assert_true(health_is_up(fixture->health, &fresh));
	assert_true(health_is_up(fixture->health, &none));
	assert_true(becomes(fixture, fresh, false));
	assert_int_equal(log_count(&fixture->wait, "tcp/601"), 1);
	assert_int_equal(health_set(fixture->health, NULL, 0), 0);
	assert_true(health_is_up(fixture->health, &down));
	assert_int_equal(health_set(fixture->health, &down, 1), 0);
	assert_true(health_is_up(fixture->health, &down));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_health(icmp_down_and_up),
		with_health(icmp_down_and_up_over_ipv6),
		with_health(tcp_refused_and_accepted),
		with_health(tcp_refused_and_accepted_over_ipv6),
		with_health(tcp_without_an_answer),
		with_health(without_a_route),
		with_health(a_firewall_of_our_own_is_told),
		with_health(three_failures_take_down_two_successes_bring_up),
		with_health(failures_apart_do_not_add_up),
		with_health(a_new_set_keeps_states),
	};

	if (!can_enter_namespaces("test_health"))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
