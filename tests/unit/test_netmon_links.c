/* SPDX-License-Identifier: MIT */
/* What netmon says of next hops on the link, and what it hears of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "netmon_listener.h"

#include "control/neighbour.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <unistd.h>

static const uint8_t mac_1[6] = {2, 0, 0, 0, 0, 1}, mac_2[6] = {2, 0, 0, 0, 0, 2};

static void ignore_change(void *context)
{
	(void)context;
}

/* The next hop to a destination; sll_ifindex 0: not resolved. */
static struct sockaddr_ll link_to(const char *destination)
{
	struct event_base *base = event_base_new();
	struct netmon *netmon;
	struct netview *view;
	struct sockaddr_ll link;

	assert_non_null(base);
	assert_int_equal(netmon_open(&netmon, base, MARK, ignore_change, NULL), 0);
	assert_int_equal(netmon_follow_links(netmon, true), 0);
	view = view_for(netmon, destination);
	link = view->routes[0].link;
	netview_free(view);
	netmon_close(netmon);
	event_base_free(base);
	return link;
}

static void assert_link(const struct sockaddr_ll *link, const char *device, uint16_t protocol,
			const uint8_t mac[static 6])
{
	assert_int_equal(link->sll_family, AF_PACKET);
	assert_int_equal(link->sll_ifindex, if_nametoindex(device));
	assert_int_equal(ntohs(link->sll_protocol), protocol);
	assert_int_equal(link->sll_halen, 6);
	assert_memory_equal(link->sll_addr, mac, 6);
}

static void assert_resolved(const char *destination, const char *device,
			    const uint8_t mac[static 6])
{
	struct sockaddr_ll link = link_to(destination);

	assert_link(&link, device, strchr(destination, ':') ? ETH_P_IPV6 : ETH_P_IP, mac);
}

static void assert_unresolved(const char *destination)
{
	assert_int_equal(link_to(destination).sll_ifindex, 0);
}

static void on_the_link_it_is_the_destination_itself(void **state)
{
	(void)state;
	assert_unresolved("192.0.2.7");
	assert_unresolved("2001:db8::7");
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 nud permanent dev v0");
	run("ip neigh add 2001:db8::7 lladdr 02:00:00:00:00:02 nud reachable dev v0");
	assert_resolved("192.0.2.7", "v0", mac_1);
	assert_resolved("2001:db8::7", "v0", mac_2);
	assert_unresolved("192.0.2.8");
}

static void behind_a_gateway_it_is_the_gateway(void **state)
{
	(void)state;
	run("ip route add 198.51.100.0/24 via 192.0.2.254");
	run("ip -6 route add 2001:db8:1::/48 via fe80::fe dev v0");
	run("ip neigh add 198.51.100.1 lladdr 02:00:00:00:00:02 nud permanent dev v0");
	assert_unresolved("198.51.100.1");
	run("ip neigh add 192.0.2.254 lladdr 02:00:00:00:00:01 nud reachable dev v0");
	run("ip neigh add fe80::fe lladdr 02:00:00:00:00:02 nud reachable dev v0");
	assert_resolved("198.51.100.1", "v0", mac_1);
	assert_resolved("2001:db8:1::1", "v0", mac_2);
}

static void it_is_the_one_of_the_marks_route(void **state)
{
	(void)state;
	run("ip route add default via 192.0.2.253");
	run("ip route add default via 192.0.2.254 table 100");
	run("ip rule add fwmark 0x7464 lookup 100");
	run("ip neigh add 192.0.2.253 lladdr 02:00:00:00:00:02 nud permanent dev v0");
	run("ip neigh add 192.0.2.254 lladdr 02:00:00:00:00:01 nud permanent dev v0");
	assert_resolved("203.0.113.9", "v0", mac_1);
}

/* Anew each time: the kernel remembers when it last heard of a neighbour. */
static void set_neighbour(const char *nud)
{
	char command[128];

	run("ip neigh flush to 192.0.2.7 nud all dev v0");
	snprintf(command, sizeof(command),
		 "ip neigh replace 192.0.2.7 lladdr 02:00:00:00:00:01 nud %s dev v0", nud);
	run(command);
}

/* The kernel knows an address, and it is not to be trusted without a question. */
static void what_is_not_confirmed_is_not_resolved(void **state)
{
	const char *states[] = {"stale", "delay", "probe", "failed", "incomplete", "noarp", "none"};

	(void)state;
	set_neighbour("reachable");
	assert_resolved("192.0.2.7", "v0", mac_1);
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		set_neighbour(states[i]);
		assert_unresolved("192.0.2.7");
	}
}

static void what_is_stale_is_asked_for(void **state)
{
	const char *const states[] = {"stale", "delay"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		set_neighbour(states[i]);
		assert_unresolved("192.0.2.7");
		run("ip neigh show 192.0.2.7 dev v0 | grep -q '02:00:00:00:00:01.* PROBE'");
	}
}

static void there_is_none_where_no_frame_can_be_made(void **state)
{
	const char *set =
		"ip neigh replace 192.0.2.7 lladdr 02:00:00:00:00:01 nud permanent dev v0";

	(void)state;
	run("ip neigh add fe80::fe lladdr 02:00:00:00:00:01 nud permanent dev v0");
	run("ip route add 198.51.100.0/24 via inet6 fe80::fe dev v0");
	assert_unresolved("198.51.100.1");
	assert_unresolved("192.0.2.1");	  /* this machine */
	assert_unresolved("192.0.2.255"); /* a broadcast */
	assert_unresolved("10.0.0.1");	  /* no route */
	run(set);
	assert_resolved("192.0.2.7", "v0", mac_1);
	run("ip link set v0 arp off");
	run(set);
	assert_unresolved("192.0.2.7");
	run("ip tuntap add t0 mode tun && ip link set t0 up && ip route add 10.5.0.0/16 dev t0");
	assert_unresolved("10.5.0.1");
}

/* Without it the kernel goes on about link-local addresses for a while. */
static void silence_ipv6(void)
{
	run("echo 1 > /proc/sys/net/ipv6/conf/v0/disable_ipv6");
	run("echo 1 > /proc/sys/net/ipv6/conf/v1/disable_ipv6");
}

static void there_is_none_unless_it_is_asked_for(void **state)
{
	struct listener listener;

	(void)state;
	silence_ipv6();
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 nud permanent dev v0");
	listen_for_changes(&listener, "192.0.2.7");
	hear_out(&listener);
	on_change(&listener);
	assert_int_equal(listener.link.sll_ifindex, 0);
	assert_int_equal(netmon_follow_links(listener.netmon, true), 0);
	on_change(&listener);
	assert_link(&listener.link, "v0", ETH_P_IP, mac_1);
	assert_int_equal(netmon_follow_links(listener.netmon, false), 0);
	on_change(&listener);
	assert_int_equal(listener.link.sll_ifindex, 0);
	run("ip neigh del 192.0.2.7 dev v0");
	assert_false(hear(&listener, 500));
	stop_listening(&listener);
}

/* Destinations with one next hop in common, and with others. */
static void one_view_has_the_next_hops_of_all_routes(void **state)
{
	struct ip_address routes[] = {address("203.0.113.1"), address("192.0.2.8"),
				      address("203.0.113.2"), address("2001:db8::7"),
				      address("192.0.2.9"),   address("203.0.113.1")};
	const struct ruleset ruleset = {.routes = routes, .route_count = 6};
	struct event_base *base = event_base_new();
	struct netmon *netmon;
	struct netview *view;

	(void)state;
	run("ip route add default via 192.0.2.254");
	run("ip neigh add 192.0.2.254 lladdr 02:00:00:00:00:01 nud permanent dev v0");
	run("ip neigh add 192.0.2.8 lladdr 02:00:00:00:00:02 nud permanent dev v0");
	run("ip neigh add 2001:db8::7 lladdr 02:00:00:00:00:01 nud permanent dev v0");
	assert_int_equal(netmon_open(&netmon, base, MARK, ignore_change, NULL), 0);
	assert_int_equal(netmon_follow_links(netmon, true), 0);
	assert_int_equal(netmon_view(netmon, &ruleset, &view), 0);
	assert_link(&view->routes[0].link, "v0", ETH_P_IP, mac_1);
	assert_link(&view->routes[1].link, "v0", ETH_P_IP, mac_2);
	assert_link(&view->routes[2].link, "v0", ETH_P_IP, mac_1);
	assert_link(&view->routes[3].link, "v0", ETH_P_IPV6, mac_1);
	assert_int_equal(view->routes[4].link.sll_ifindex, 0);
	assert_link(&view->routes[5].link, "v0", ETH_P_IP, mac_1);
	netview_free(view);
	netmon_close(netmon);
	event_base_free(base);
}

static void follow_links_to(struct listener *listener, const char *destination)
{
	listen_for_changes(listener, destination);
	assert_int_equal(netmon_follow_links(listener->netmon, true), 0);
	on_change(listener);
	hear_out(listener);
}

static void hears_of_what_becomes_of_a_next_hop(void **state)
{
	struct listener listener;

	(void)state;
	follow_links_to(&listener, "192.0.2.7");
	assert_int_equal(listener.link.sll_ifindex, 0);
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 nud reachable dev v0");
	assert_true(hear(&listener, 3000));
	assert_link(&listener.link, "v0", ETH_P_IP, mac_1);
	run("ip neigh change 192.0.2.7 lladdr 02:00:00:00:00:02 nud reachable dev v0");
	assert_true(hear(&listener, 3000));
	assert_link(&listener.link, "v0", ETH_P_IP, mac_2);
	run("ip neigh change 192.0.2.7 lladdr 02:00:00:00:00:02 nud stale dev v0");
	assert_true(hear(&listener, 3000));
	assert_int_equal(listener.link.sll_ifindex, 0);
	run("ip neigh change 192.0.2.7 lladdr 02:00:00:00:00:02 nud permanent dev v0");
	assert_true(hear(&listener, 3000));
	assert_link(&listener.link, "v0", ETH_P_IP, mac_2);
	run("ip neigh del 192.0.2.7 dev v0");
	assert_true(hear(&listener, 3000));
	assert_int_equal(listener.link.sll_ifindex, 0);
	stop_listening(&listener);
}

/* What the kernel says of a neighbour now, less what changes by itself. */
static void assert_state(const char *neighbour, const char *state)
{
	char command[128];

	snprintf(command, sizeof(command), "ip neigh show %s dev v0 | grep -q ' %s *$'", neighbour,
		 state);
	run(command);
}

static struct neighbour neighbour_at(const char *text)
{
	return (struct neighbour){.device = if_nametoindex("v0"), .address = address(text)};
}

/* Only as far as it was known before the kernel began to ask. */
static void one_that_is_asked_again_stays_resolved(void **state)
{
	struct neighbour known = neighbour_at("192.0.2.7"), unknown = known;

	(void)state;
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 nud reachable dev v0");
	assert_int_equal(neighbour_resolve(&known, 1), 0);
	run("ip neigh change 192.0.2.7 lladdr 02:00:00:00:00:01 nud probe dev v0");
	assert_int_equal(neighbour_resolve(&known, 1), 0);
	assert_link(&known.link, "v0", ETH_P_IP, mac_1);
	assert_int_equal(neighbour_resolve(&unknown, 1), 0);
	assert_int_equal(unknown.link.sll_ifindex, 0);
	run("ip neigh change 192.0.2.7 lladdr 02:00:00:00:00:02 nud probe dev v0");
	assert_int_equal(neighbour_resolve(&known, 1), 0);
	assert_int_equal(known.link.sll_ifindex, 0);
}

/* Of these the kernel asks; they stay resolved, and what others are is none of its business. */
static void a_refresh_asks_what_is_confirmed(void **state)
{
	struct neighbour neighbours[] = {neighbour_at("192.0.2.7"), neighbour_at("192.0.2.8"),
					 neighbour_at("192.0.2.9"), neighbour_at("2001:db8::7")};

	(void)state;
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 nud reachable dev v0");
	run("ip neigh add 192.0.2.8 lladdr 02:00:00:00:00:02 nud permanent dev v0");
	run("ip neigh add 2001:db8::7 lladdr 02:00:00:00:00:02 nud reachable dev v0");
	assert_int_equal(neighbour_resolve(neighbours, 4), 0);
	run("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:01 nud reachable dev v0");
	assert_int_equal(neighbour_refresh(neighbours, 4), 0);
	assert_state("192.0.2.7", "PROBE");
	assert_state("192.0.2.8", "PERMANENT");
	assert_state("192.0.2.9", "REACHABLE"); /* not resolved by us */
	assert_state("2001:db8::7", "PROBE");
	assert_int_equal(neighbour_resolve(neighbours, 4), 0);
	assert_link(&neighbours[0].link, "v0", ETH_P_IP, mac_1);
	assert_link(&neighbours[1].link, "v0", ETH_P_IP, mac_2);
	assert_link(&neighbours[3].link, "v0", ETH_P_IPV6, mac_2);
}

/* Somebody else keeps these, and would not have them changed. */
static void a_refresh_leaves_others_entries_alone(void **state)
{
	struct neighbour neighbour = neighbour_at("192.0.2.7");

	(void)state;
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 nud reachable extern_learn dev v0");
	assert_int_equal(neighbour_resolve(&neighbour, 1), 0);
	assert_link(&neighbour.link, "v0", ETH_P_IP, mac_1);
	assert_int_equal(neighbour_refresh(&neighbour, 1), 0);
	assert_state("192.0.2.7", "extern_learn REACHABLE");
}

/* As long as the kernel has hope: nobody answers here, and after three questions it gives up. */
static void a_question_is_no_news_but_its_end_is(void **state)
{
	struct listener listener;

	(void)state;
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 nud reachable dev v0");
	follow_links_to(&listener, "192.0.2.7");
	assert_int_equal(listener.link.sll_ifindex, if_nametoindex("v0"));
	run("ip neigh change 192.0.2.7 lladdr 02:00:00:00:00:01 nud probe dev v0");
	assert_false(hear(&listener, 500));
	assert_true(hear(&listener, 6000));
	assert_int_equal(listener.link.sll_ifindex, 0);
	stop_listening(&listener);
}

/* On a link with many neighbours there is always something, which must not cost anything. */
static void does_not_hear_of_what_makes_no_difference(void **state)
{
	struct listener listener;

	(void)state;
	silence_ipv6();
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 nud permanent dev v0");
	follow_links_to(&listener, "192.0.2.7");
	run("ip neigh add 192.0.2.8 lladdr 02:00:00:00:00:02 nud reachable dev v0");
	run("ip neigh change 192.0.2.8 lladdr 02:00:00:00:00:01 nud stale dev v0");
	run("ip neigh del 192.0.2.8 dev v0");
	run("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 nud permanent dev v1");
	run("ip neigh change 192.0.2.7 lladdr 02:00:00:00:00:01 nud reachable dev v0");
	assert_false(hear(&listener, 500));
	stop_listening(&listener);
}

static void write_storm(const char *path, unsigned count)
{
	FILE *batch = fopen(path, "w");

	assert_non_null(batch);
	for (unsigned i = 0; i < count; i++)
		fprintf(batch,
			"neigh replace 192.0.2.7 lladdr 02:00:00:00:01:%02x nud reachable dev v0\n",
			i % 256);
	fprintf(batch, "neigh replace 192.0.2.7 lladdr 02:00:00:00:00:02 nud reachable dev v0\n");
	assert_int_equal(fclose(batch), 0);
}

/* More than the socket holds; while nobody reads it, and while somebody does. */
static void a_storm_is_followed_to_its_end(void **state)
{
	char path[] = "/tmp/netmon_storm.XXXXXX", command[64];
	struct listener listener;
	FILE *storm;

	(void)state;
	assert_true(mkstemp(path) >= 0);
	write_storm(path, 20000);
	follow_links_to(&listener, "192.0.2.7");
	snprintf(command, sizeof(command), "ip -batch %s", path);
	run(command);
	assert_true(hear(&listener, 3000));
	assert_link(&listener.link, "v0", ETH_P_IP, mac_2);
	run("ip neigh change 192.0.2.7 lladdr 02:00:00:00:00:01 nud reachable dev v0");
	hear_out(&listener);
	assert_link(&listener.link, "v0", ETH_P_IP, mac_1);
	listener.calls = 0;
	storm = popen(command, "r");
	assert_non_null(storm);
	hear_out(&listener);
	assert_int_equal(pclose(storm), 0);
	hear_out(&listener);
	assert_link(&listener.link, "v0", ETH_P_IP, mac_2);
	assert_in_range(listener.calls, 1, 30);
	stop_listening(&listener);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_namespace(on_the_link_it_is_the_destination_itself),
		in_namespace(behind_a_gateway_it_is_the_gateway),
		in_namespace(it_is_the_one_of_the_marks_route),
		in_namespace(what_is_not_confirmed_is_not_resolved),
		in_namespace(what_is_stale_is_asked_for),
		in_namespace(there_is_none_where_no_frame_can_be_made),
		in_namespace(there_is_none_unless_it_is_asked_for),
		in_namespace(one_view_has_the_next_hops_of_all_routes),
		in_namespace(hears_of_what_becomes_of_a_next_hop),
		in_namespace(one_that_is_asked_again_stays_resolved),
		in_namespace(a_refresh_asks_what_is_confirmed),
		in_namespace(a_refresh_leaves_others_entries_alone),
		in_namespace(a_question_is_no_news_but_its_end_is),
		in_namespace(does_not_hear_of_what_makes_no_difference),
		in_namespace(a_storm_is_followed_to_its_end),
	};

	if (!can_enter_namespaces("test_netmon_links"))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
