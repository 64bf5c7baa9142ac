/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/netview.h"

#include <string.h>

static struct ip_address address(const char *text)
{
	struct ip_address parsed;

	assert_true(ip_parse(text, strlen(text), &parsed));
	return parsed;
}

static void finds_own_addresses_in_any_order(void **state)
{
	const struct ip_address own[] = {
		address("192.0.2.9"), address("2001:db8::1"), address("10.0.0.1"),
		address("fe80::1"),   address("192.0.2.1"),
	};
	const size_t count = sizeof(own) / sizeof(own[0]);
	struct netview *view = netview_create(own, count, NULL, 0, NULL, 0);
	const char *others[] = {"192.0.2.2", "10.0.0.0", "2001:db8::2", "0.0.0.0", "::"};

	(void)state;
	assert_non_null(view);
	assert_int_equal(view->own_count, count);
	for (size_t i = 0; i < count; i++)
		assert_true(netview_is_own(view, &own[i]));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct ip_address other = address(others[i]);

		assert_false(netview_is_own(view, &other));
	}
	netview_free(view);
}

/* 10.0.0.1 and the IPv6 address that begins with the same bytes. */
static void keeps_families_apart(void **state)
{
	const struct ip_address own = address("10.0.0.1"), other = address("a00:1::");
	struct netview *view = netview_create(&own, 1, NULL, 0, NULL, 0);

	(void)state;
	assert_non_null(view);
	assert_memory_equal(own.bytes, other.bytes, sizeof(own.bytes));
	assert_true(netview_is_own(view, &own));
	assert_false(netview_is_own(view, &other));
	netview_free(view);
}

static void keeps_routes_in_their_order(void **state)
{
	struct netview_route routes[] = {
		{.mtu_bytes = 9001, .source = address("192.0.2.1")},
		{.mtu_bytes = NETVIEW_MTU_UNKNOWN},
		{.mtu_bytes = 1280, .source = address("2001:db8::1")},
	};
	struct netview *view = netview_create(NULL, 0, routes, 3, NULL, 0);
	struct ip_address source = address("192.0.2.1");

	(void)state;
	assert_non_null(view);
	routes[0].mtu_bytes = 1; /* the view has its own copy */
	assert_int_equal(view->route_count, 3);
	assert_int_equal(view->routes[0].mtu_bytes, 9001);
	assert_true(ip_equal(&view->routes[0].source, &source));
	assert_int_equal(view->routes[1].mtu_bytes, NETVIEW_MTU_UNKNOWN);
	assert_int_equal(view->routes[2].mtu_bytes, 1280);
	netview_free(view);
}

static void numbers_interfaces_as_the_ruleset_does(void **state)
{
	const uint32_t interfaces[] = {7, 0, 3};
	struct netview *view = netview_create(NULL, 0, NULL, 0, interfaces, 3);

	(void)state;
	assert_non_null(view);
	assert_int_equal(netview_interface(view, 7), 0);
	assert_int_equal(netview_interface(view, 3), 2);
	assert_int_equal(netview_interface(view, 4), NETVIEW_NO_INTERFACE);
	/* 0 is no interface's index, and stands for one that is not there. */
	assert_int_equal(netview_interface(view, 0), NETVIEW_NO_INTERFACE);
	netview_free(view);
}

static void an_empty_view_owns_nothing(void **state)
{
	struct netview *view = netview_create(NULL, 0, NULL, 0, NULL, 0);
	struct ip_address any = address("127.0.0.1");

	(void)state;
	assert_non_null(view);
	assert_false(netview_is_own(view, &any));
	netview_free(view);
	netview_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_own_addresses_in_any_order),
		cmocka_unit_test(keeps_families_apart),
		cmocka_unit_test(keeps_routes_in_their_order),
		cmocka_unit_test(numbers_interfaces_as_the_ruleset_does),
		cmocka_unit_test(an_empty_view_owns_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
