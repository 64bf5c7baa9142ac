/* SPDX-License-Identifier: MIT */
/* What netmon says of addresses and of the ways to destinations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "netmon_namespace.h"

static void ignore_change(void *context)
{
	(void)context;
}

/* The MTU on the way to destination for a packet with this mark. */
static uint32_t mtu_with_mark(const char *destination, uint32_t mark)
{
	struct event_base *base = event_base_new();
	struct netmon *netmon;
	struct netview *view;
	uint32_t mtu_bytes;

	assert_non_null(base);
	assert_int_equal(netmon_open(&netmon, base, mark, ignore_change, NULL), 0);
	view = view_for(netmon, destination);
	mtu_bytes = view->routes[0].mtu_bytes;
	netview_free(view);
	netmon_close(netmon);
	event_base_free(base);
	return mtu_bytes;
}

static uint32_t mtu(const char *destination)
{
	return mtu_with_mark(destination, MARK);
}

/* The bits of the network that an address of this machine has, or -1 where it is none. */
static int prefix_bits(const char *text)
{
	struct ip_address wanted = address(text);
	struct ip_interface_address *addresses;
	size_t count;
	int bits = -1;

	assert_int_equal(netmon_addresses(&addresses, &count), 0);
	for (size_t i = 0; i < count; i++) {
		if (ip_equal(&addresses[i].address, &wanted))
			bits = addresses[i].prefix_bits;
	}
	free(addresses);
	return bits;
}

static void lists_own_addresses_with_their_networks(void **state)
{
	(void)state;
	run("ip address add 10.9.0.1 peer 10.9.0.2/30 dev v0");
	run("ip address add 10.9.1.1 peer 172.16.9.2/24 dev v0");
	run("ip address add 2001:db8:9::1 peer 2001:db8:9::2/127 dev v0 nodad");
	assert_int_equal(prefix_bits("127.0.0.1"), 8);
	assert_int_equal(prefix_bits("::1"), 128);
	assert_int_equal(prefix_bits("192.0.2.1"), 24);
	assert_int_equal(prefix_bits("2001:db8::1"), 64);
	assert_int_equal(prefix_bits("10.9.0.1"), 30);
	assert_int_equal(prefix_bits("10.9.1.1"), 32);
	assert_int_equal(prefix_bits("2001:db8:9::1"), 128);
	assert_int_equal(prefix_bits("10.9.0.2"), -1);
	assert_int_equal(prefix_bits("172.16.9.2"), -1);
	assert_int_equal(prefix_bits("2001:db8:9::2"), -1);
	assert_int_equal(prefix_bits("192.0.2.2"), -1);
}

static void a_view_knows_own_addresses(void **state)
{
	struct ip_address own = address("2001:db8::1"), other = address("2001:db8::2");
	struct event_base *base = event_base_new();
	struct netmon *netmon;
	struct netview *view;

	(void)state;
	assert_int_equal(netmon_open(&netmon, base, MARK, ignore_change, NULL), 0);
	view = view_for(netmon, "192.0.2.7");
	assert_true(netview_is_own(view, &own));
	assert_false(netview_is_own(view, &other));
	netview_free(view);
	netmon_close(netmon);
	event_base_free(base);
}

static void the_device_bounds_a_packet(void **state)
{
	(void)state;
	assert_int_equal(mtu("192.0.2.7"), 1500);
	assert_int_equal(mtu("2001:db8::7"), 1500);
	assert_int_equal(mtu("127.0.0.5"), 65536);
	run("ip link set v0 mtu 9001");
	assert_int_equal(mtu("192.0.2.7"), 9001);
	assert_int_equal(mtu("2001:db8::7"), 9001);
}

/* As when a router announces less than the link can carry. */
static void ipv6_has_an_mtu_of_its_own(void **state)
{
	(void)state;
	run("echo 1400 > /proc/sys/net/ipv6/conf/v0/mtu");
	assert_int_equal(mtu("2001:db8::7"), 1400);
	assert_int_equal(mtu("192.0.2.7"), 1500);
}

static void the_route_bounds_a_packet_further(void **state)
{
	(void)state;
	run("ip route add 198.51.100.0/24 via 192.0.2.254 mtu 1400");
	run("ip route add 198.51.100.7/32 via 192.0.2.254 mtu lock 1380");
	run("ip route add 203.0.113.0/24 via 192.0.2.254 mtu 9000");
	run("ip -6 route add 2001:db8:1::/48 via 2001:db8::fe mtu 1300");
	run("ip route add default via 192.0.2.254");
	assert_int_equal(mtu("198.51.100.1"), 1400);
	assert_int_equal(mtu("198.51.100.7"), 1380);
	assert_int_equal(mtu("203.0.113.1"), 1500);
	assert_int_equal(mtu("2001:db8:1::1"), 1300);
	assert_int_equal(mtu("8.8.8.8"), 1500);
}

static void no_way_has_no_mtu(void **state)
{
	(void)state;
	run("ip route add blackhole 10.1.0.0/16");
	run("ip route add unreachable 10.2.0.0/16");
	run("ip route add prohibit 10.3.0.0/16");
	run("ip -6 route add blackhole 2001:db8:1::/48");
	run("ip -6 route add unreachable 2001:db8:2::/48");
	run("ip -6 route add prohibit 2001:db8:3::/48");
	assert_int_equal(mtu("10.0.0.1"), NETVIEW_MTU_UNKNOWN);
	assert_int_equal(mtu("10.1.0.1"), NETVIEW_MTU_UNKNOWN);
	assert_int_equal(mtu("10.2.0.1"), NETVIEW_MTU_UNKNOWN);
	assert_int_equal(mtu("10.3.0.1"), NETVIEW_MTU_UNKNOWN);
	assert_int_equal(mtu("2001:db8:1::1"), NETVIEW_MTU_UNKNOWN);
	assert_int_equal(mtu("2001:db8:2::1"), NETVIEW_MTU_UNKNOWN);
	assert_int_equal(mtu("2001:db8:3::1"), NETVIEW_MTU_UNKNOWN);
	assert_int_equal(mtu("2001:db9::1"), NETVIEW_MTU_UNKNOWN);
}

static void routes_are_those_of_the_mark(void **state)
{
	(void)state;
	run("ip route add default via 192.0.2.254 mtu 1400");
	run("ip route add default via 192.0.2.254 mtu 1200 table 100");
	run("ip rule add fwmark 0x7464 lookup 100");
	run("ip -6 route add default via 2001:db8::fe mtu 1410");
	run("ip -6 route add default via 2001:db8::fe mtu 1290 table 100");
	run("ip -6 rule add fwmark 0x7464 lookup 100");
	assert_int_equal(mtu_with_mark("8.8.8.8", 0x7464), 1200);
	assert_int_equal(mtu_with_mark("8.8.8.8", 0x7465), 1400);
	assert_int_equal(mtu_with_mark("2600::1", 0x7464), 1290);
	assert_int_equal(mtu_with_mark("2600::1", 0x7465), 1410);
}

static void one_view_has_the_mtus_of_all_routes(void **state)
{
	struct ip_address routes[] = {
		address("198.51.100.1"), address("10.0.0.1"),  address("192.0.2.7"),
		address("2001:db8::7"),	 address("127.0.0.5"), address("198.51.100.2"),
	};
	const struct ruleset ruleset = {.routes = routes, .route_count = 6};
	struct event_base *base = event_base_new();
	struct netview *view;
	struct netmon *netmon;

	(void)state;
	run("ip route add 198.51.100.0/24 via 192.0.2.254 mtu 1400");
	assert_int_equal(netmon_open(&netmon, base, MARK, ignore_change, NULL), 0);
	assert_int_equal(netmon_view(netmon, &ruleset, &view), 0);
	assert_int_equal(view->route_count, 6);
	assert_int_equal(view->routes[0].mtu_bytes, 1400);
	assert_int_equal(view->routes[1].mtu_bytes, NETVIEW_MTU_UNKNOWN);
	assert_int_equal(view->routes[2].mtu_bytes, 1500);
	assert_int_equal(view->routes[3].mtu_bytes, 1500);
	assert_int_equal(view->routes[4].mtu_bytes, 65536);
	assert_int_equal(view->routes[5].mtu_bytes, 1400);
	netview_free(view);
	netmon_close(netmon);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_namespace(lists_own_addresses_with_their_networks),
		in_namespace(a_view_knows_own_addresses),
		in_namespace(the_device_bounds_a_packet),
		in_namespace(ipv6_has_an_mtu_of_its_own),
		in_namespace(the_route_bounds_a_packet_further),
		in_namespace(no_way_has_no_mtu),
		in_namespace(routes_are_those_of_the_mark),
		in_namespace(one_view_has_the_mtus_of_all_routes),
	};

	if (!can_enter_namespaces("test_netmon"))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
