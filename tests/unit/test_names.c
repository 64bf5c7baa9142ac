/* SPDX-License-Identifier: MIT */
/* The addresses that host names come to, and how they follow what servers and files say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "names_fixture.h"

static void the_first_address_is_told_and_logged_once(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, "192.0.2.1 a.test\n");
	open_names(fixture, "A.test");
	assert_false(is_known(fixture, "a.test"));
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
	assert_true(loop_until(&fixture->wait, has_told, fixture, LIMIT_MS));
	assert_true(is_asked_times(fixture, "query[A] a.test", 4));
	assert_int_equal(fixture->changes, 1);
	assert_int_equal(log_count(&fixture->wait, "A.test has the address 192.0.2.1"), 1);
	assert_int_equal(log_count(&fixture->wait, "\n"), 1);
	assert_int_equal(dns_server_log_count(&fixture->server, "query[AAAA]"), 0);
}

static void a_new_address_comes_when_the_ttl_ends(void **state)
{
	struct fixture *fixture = *state;
	uint64_t known_ms;

	dns_server_start(&fixture->server, fixture->folder, "127.0.0.1", "192.0.2.1 a.test\n",
			 "--local-ttl=2");
	open_names(fixture, "a.test");
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
	known_ms = loop_now_ms();
	dns_server_change(&fixture->server, "192.0.2.2 a.test\n");
	assert_true(becomes(fixture, "a.test", "192.0.2.2"));
	assert_in_range(loop_now_ms() - known_ms, 1900, 3500);
	assert_int_equal(dns_server_log_count(&fixture->server, "query[A] a.test"), 2);
	assert_int_equal(log_count(&fixture->wait,
				   "a.test has a new address: 192.0.2.2, formerly 192.0.2.1"),
			 1);
	assert_int_equal(log_count(&fixture->wait, "\n"), 2);
}

static void a_long_ttl_is_cut_short(void **state)
{
	struct fixture *fixture = *state;

	fixture->options.ttl_max_ms = 300;
	dns_server_start(&fixture->server, fixture->folder, "127.0.0.1", "192.0.2.1 a.test\n",
			 "--local-ttl=86400");
	open_names(fixture, "a.test");
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
	dns_server_change(&fixture->server, "192.0.2.2 a.test\n");
	assert_true(becomes(fixture, "a.test", "192.0.2.2"));
}

static void a_short_ttl_does_not_make_a_flood(void **state)
{
	struct fixture *fixture = *state;

	fixture->options.ttl_min_ms = 400;
	serve(fixture, "192.0.2.1 a.test\n");
	open_names(fixture, "a.test");
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
	loop_for(&fixture->wait, 1500);
	assert_in_range(dns_server_log_count(&fixture->server, "query[A] a.test"), 3, 4);
}

static void among_several_the_present_address_stays(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, "192.0.2.9 a.test\n192.0.2.5 a.test\n192.0.2.7 a.test\n");
	open_names(fixture, "a.test");
	assert_true(becomes(fixture, "a.test", "192.0.2.5"));
	dns_server_change(&fixture->server,
			  "192.0.2.2 a.test\n192.0.2.5 a.test\n192.0.2.1 a.test\n");
	assert_true(is_asked_times(fixture, "query[A] a.test",
				   dns_server_log_count(&fixture->server, "query[A]") + 3));
	assert_true(becomes(fixture, "a.test", "192.0.2.5"));
	assert_int_equal(log_count(&fixture->wait, "\n"), 1);
	dns_server_change(&fixture->server, "192.0.2.9 a.test\n192.0.2.3 a.test\n");
	assert_true(becomes(fixture, "a.test", "192.0.2.3"));
}

static void ipv6_is_taken_where_there_is_no_ipv4(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, "2001:db8::7 a.test\n");
	open_names(fixture, "a.test");
	assert_true(becomes(fixture, "a.test", "2001:db8::7"));
	dns_server_change(&fixture->server, "2001:db8::7 a.test\n192.0.2.1 a.test\n");
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
}

static void a_new_resolv_conf_is_followed(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, "192.0.2.1 a.test\n");
	dns_server_start(&fixture->second, fixture->folder, "127.0.0.2", "192.0.2.2 a.test\n",
			 "--local-ttl=0");
	open_names(fixture, "a.test");
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
	write_file(fixture->resolv_conf, "nameserver 127.0.0.2\n");
	assert_true(becomes(fixture, "a.test", "192.0.2.2"));
	unlink(fixture->resolv_conf);
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
}

static void the_hosts_file_comes_first(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture, "192.0.2.1 a.test\n");
	write_file(fixture->hosts,
		   "# 192.0.2.20 a.test\n 2001:db8::20\tA.TEST\n192.0.2.21 b.test a.test # c\n"
		   "192.0.2.300 a.test\n192.0.2.22\n");
	open_names(fixture, "a.test");
	assert_true(becomes(fixture, "a.test", "192.0.2.21"));
	assert_int_equal(dns_server_log_count(&fixture->server, "query"), 0);
	write_file(fixture->hosts, "2001:db8::20 a.test\n");
	assert_true(becomes(fixture, "a.test", "2001:db8::20"));
	assert_int_equal(dns_server_log_count(&fixture->server, "query"), 0);
	unlink(fixture->hosts);
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
}

/* It keeps a resolver's search domains out, and is no part of the name. */
static void a_final_dot_makes_no_other_name_of_the_hosts_file(void **state)
{
	const char *const hosts[] = {"a.test.", "b.test", "c.test", "c.test.", "d."};
	const char *const addresses[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.3",
					 "192.0.2.4"};
	struct fixture *fixture = *state;

	serve(fixture, "192.0.2.9 a.test\n192.0.2.9 b.test\n192.0.2.9 c.test\n192.0.2.9 d\n");
	write_file(fixture->hosts, "192.0.2.1 A.test\n192.0.2.2 B.test.\n192.0.2.3 c.test\n"
				   "192.0.2.4 d\n192.0.2.5 .\n");
	open_names(fixture, hosts[0]);
	assert_int_equal(names_set(fixture->names, hosts, 5), 0);
	for (size_t i = 0; i < 5; i++)
		if (!becomes(fixture, hosts[i], addresses[i]))
			fail_msg("%s is not %s", hosts[i], addresses[i]);
	assert_int_equal(dns_server_log_count(&fixture->server, "query"), 0);
}

static void only_names_without_a_dot_are_searched(void **state)
{
	struct fixture *fixture = *state;
	const char *const hosts[] = {"a", "b.c", "six"};

	write_file(fixture->resolv_conf,
		   "nameserver 127.0.0.1\nsearch other.test here.test\noptions ndots:3\n");
	serve(fixture, "192.0.2.1 a.here.test\n192.0.2.2 b.c.here.test\n"
		       "2001:db8::6 six.here.test\n");
	open_names(fixture, "a");
	assert_int_equal(names_set(fixture->names, hosts, 3), 0);
	assert_true(becomes(fixture, "a", "192.0.2.1"));
	assert_true(becomes(fixture, "six", "2001:db8::6"));
	assert_true(logs(fixture, "b.c cannot be resolved"));
	assert_int_equal(dns_server_log_count(&fixture->server, "b.c.here.test"), 0);
}

static void a_new_set_keeps_what_is_known(void **state)
{
	struct fixture *fixture = *state;
	const char *const both[] = {"b.test", "a.test", "B.TEST", "a.test"};

	fixture->options.ttl_min_ms = 3600000;
	serve(fixture, "192.0.2.1 a.test\n192.0.2.2 b.test\n");
	open_names(fixture, "a.test");
	assert_true(becomes(fixture, "a.test", "192.0.2.1"));
	assert_int_equal(names_set(fixture->names, both, 4), 0);
	assert_true(is_known(fixture, "a.test"));
	assert_true(becomes(fixture, "b.test", "192.0.2.2"));
	assert_int_equal(names_set(fixture->names, both, 1), 0);
	assert_false(is_known(fixture, "a.test"));
	assert_true(is_known(fixture, "b.test"));
	assert_int_equal(names_set(fixture->names, NULL, 0), 0);
	assert_false(is_known(fixture, "b.test"));
	assert_int_equal(dns_server_log_count(&fixture->server, "query[A] a.test"), 1);
	assert_int_equal(dns_server_log_count(&fixture->server, "query[A] b.test"), 1);
}

static void a_name_may_go_and_return_while_it_is_asked_for(void **state)
{
	struct fixture *fixture = *state;
	const char *host = "a.test", *other = "b.test";

	serve(fixture, "192.0.2.1 a.test\n192.0.2.2 b.test\n");
	kill(fixture->server.pid, SIGSTOP);
	open_names(fixture, host);
	loop_for(&fixture->wait, 100);
	assert_int_equal(names_set(fixture->names, &other, 1), 0);
	assert_int_equal(names_set(fixture->names, &host, 1), 0);
	assert_int_equal(names_set(fixture->names, &other, 1), 0);
	kill(fixture->server.pid, SIGCONT);
	assert_true(becomes(fixture, "b.test", "192.0.2.2"));
	loop_for(&fixture->wait, 100);
	assert_false(is_known(fixture, "a.test"));
	assert_int_equal(log_count(&fixture->wait, "a.test"), 0);
}

struct crowd {
	struct fixture *fixture;
	char (*hosts)[32];
	size_t count;
};

static bool all_known(void *context)
{
	const struct crowd *crowd = context;

	for (size_t i = 0; i < crowd->count; i++) {
		if (!is_known(crowd->fixture, crowd->hosts[i]))
			return false;
	}
	return true;
}

static void a_thousand_names_make_few_calls(void **state)
{
	static char hosts[1000][32];
	static const char *list[1000];
	struct fixture *fixture = *state;
	struct crowd crowd = {fixture, hosts, 1000};

	fixture->options.ttl_min_ms = 3600000;
	fixture->options.timeout_ms = 2000;
	dns_server_start(&fixture->server, fixture->folder, "127.0.0.1", "",
			 "--address=/many.test/192.0.2.50");
	for (size_t i = 0; i < 1000; i++) {
		snprintf(hosts[i], sizeof(hosts[i]), "host%zu.many.test", i);
		list[i] = hosts[i];
	}
	open_names(fixture, "a.test");
	assert_int_equal(names_set(fixture->names, list, 1000), 0);
	assert_true(loop_until(&fixture->wait, all_known, &crowd, 20000));
	assert_true(loop_until(&fixture->wait, has_told, fixture, LIMIT_MS));
	assert_in_range(fixture->changes, 1, 50);
	assert_in_range(fixture->wait.held_up_ms, 1, HELD_UP_MAX_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_names(the_first_address_is_told_and_logged_once),
		with_names(a_new_address_comes_when_the_ttl_ends),
		with_names(a_long_ttl_is_cut_short),
		with_names(a_short_ttl_does_not_make_a_flood),
		with_names(among_several_the_present_address_stays),
		with_names(ipv6_is_taken_where_there_is_no_ipv4),
		with_names(a_new_resolv_conf_is_followed),
		with_names(the_hosts_file_comes_first),
		with_names(a_final_dot_makes_no_other_name_of_the_hosts_file),
		with_names(only_names_without_a_dot_are_searched),
		with_names(a_new_set_keeps_what_is_known),
		with_names(a_name_may_go_and_return_while_it_is_asked_for),
		with_names(a_thousand_names_make_few_calls),
	};

	if (!can_enter_namespaces("test_names"))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
