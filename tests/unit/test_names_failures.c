/* SPDX-License-Identifier: MIT */
/* Host names that cannot be resolved, or not now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "names_fixture.h"

static void a_name_that_is_none_is_warned_of_once_and_tried_again(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, "");
	open_names(fixture, "nobody.test");
	assert_true(is_asked_times(fixture, "query[A] nobody.test", 5));
	assert_false(is_known(fixture, "nobody.test"));
	assert_int_equal(
		log_count(&fixture->wait, "nobody.test cannot be resolved: there is no such name"),
		1);
	assert_int_equal(log_count(&fixture->wait, "\n"), 1);
	assert_int_equal(fixture->changes, 0);
	dns_server_change(&fixture->server, "192.0.2.1 nobody.test\n");
	assert_true(becomes(fixture, "nobody.test", "192.0.2.1"));
}

static void pauses_between_attempts_double_up_to_a_limit(void **state)
{
	struct fixture *fixture = *state;

	fixture->options.retry_min_ms = 100;
	fixture->options.retry_max_ms = 800;
	serve(fixture, "");
	open_names(fixture, "nobody.test");
	/* At 0, 100, 300, 700, 1500 and 2300 ms. */
	loop_for(&fixture->wait, 2200);
	assert_int_equal(dns_server_log_count(&fixture->server, "query[A] nobody.test"), 5);
	assert_true(is_asked_times(fixture, "query[A] nobody.test", 6));
}

static void the_last_good_address_outlasts_the_server(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, "192.0.2.1 a.test\n");
	open_names(fixture, "a.test");
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
	kill(fixture->server.pid, SIGSTOP);
	assert_true(logs(fixture, "a.test cannot be resolved: no name server answers, or none has "
				  "an answer; its last address stays, 192.0.2.1"));
	loop_for(&fixture->wait, 1500); /* two more attempts fail meanwhile */
	assert_int_equal(log_count(&fixture->wait, "cannot be resolved"), 1);
	assert_true(is_known(fixture, "a.test"));
	kill(fixture->server.pid, SIGCONT);
	assert_true(logs(fixture, "a.test can be resolved again: still 192.0.2.1"));
	assert_int_equal(fixture->changes, 1);
	assert_in_range(fixture->wait.held_up_ms, 1, HELD_UP_MAX_MS);
}

static void no_server_at_all_holds_nothing_up(void **state)
{
	struct fixture *fixture = *state;

	open_names(fixture, "a.test");
	assert_true(logs(fixture, "a.test cannot be resolved: no name server answers"));
	run("ip link set lo down");
	loop_for(&fixture->wait, 1500);
	run("ip link set lo up");
	assert_int_equal(log_count(&fixture->wait, "\n"), 1);
	assert_in_range(fixture->wait.held_up_ms, 1, HELD_UP_MAX_MS);
	serve(fixture, "192.0.2.1 a.test\n");
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
}

/* That takes one timeout at most; and the dead one is not asked for names of libevent's own. */
static void a_dead_server_is_stepped_over(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture->resolv_conf, "nameserver 127.0.0.9\nnameserver 127.0.0.1\n");
	serve(fixture, "192.0.2.1 a.test\n");
	dns_server_start(&fixture->second, fixture->folder, "127.0.0.9", "", "--local-ttl=0");
	kill(fixture->second.pid, SIGSTOP);
	open_names(fixture, "a.test");
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
	assert_true(is_asked_times(fixture, "query[A] a.test", 5));
	assert_int_equal(log_count(&fixture->wait, "\n"), 1);
	kill(fixture->second.pid, SIGCONT);
	dns_server_await_log(&fixture->second, "query[A] a.test", 0);
	loop_for(&fixture->wait, 500);
	assert_int_equal(dns_server_log_count(&fixture->second, "google"), 0);
	assert_int_equal(dns_server_log_count(&fixture->server, "google"), 0);
}

static void addresses_that_no_copy_can_go_to_count_for_nothing(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, "127.0.1.1 a.test\n");
	open_names(fixture, "a.test");
	assert_true(logs(fixture, "a.test cannot be resolved: no copy can go to its address "
				  "127.0.1.1, which is"));
	assert_false(is_known(fixture, "a.test"));
	dns_server_change(&fixture->server, "127.0.1.1 a.test\n192.0.2.1 a.test\n");
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
	write_file(fixture->hosts, "127.0.1.1 a.test\n");
	assert_true(logs(fixture, "which is loopback; its last address stays"));
	assert_true(is_known(fixture, "a.test"));
}

static void it_closes_while_questions_are_open(void **state)
{
	struct fixture *fixture = *state;

	open_names(fixture, "a.test");
	loop_for(&fixture->wait, 50);
	assert_int_equal(log_count(&fixture->wait, "\n"), 0);
}

static void what_is_no_host_name_only_fails(void **state)
{
	struct fixture *fixture = *state;
	char label[300];
	const char *host = label;

	memset(label, 'a', sizeof(label));
	label[sizeof(label) - 1] = '\0';
	serve(fixture, "192.0.2.1 a.test\n");
	open_names(fixture, label);
	assert_true(logs(fixture, "it is no host name"));
	label[150] = '\0';
	label[100] = '.';
	assert_int_equal(names_set(fixture->names, &host, 1), 0);
	assert_true(logs_times(fixture, "it is no host name", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_names(a_name_that_is_none_is_warned_of_once_and_tried_again),
		with_names(pauses_between_attempts_double_up_to_a_limit),
		with_names(the_last_good_address_outlasts_the_server),
		with_names(no_server_at_all_holds_nothing_up),
		with_names(a_dead_server_is_stepped_over),
		with_names(addresses_that_no_copy_can_go_to_count_for_nothing),
		with_names(it_closes_while_questions_are_open),
		with_names(what_is_no_host_name_only_fails),
	};

	if (!can_enter_namespaces("test_names_failures"))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
