/* SPDX-License-Identifier: MIT */
/* Which packets a rule applies to, besides their ports: SOURCEADDRESS, LISTENADDRESS, INTERFACE,
 * ENABLED, and families that do not meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_expect.h"
#include "random.h"

#include <sys/socket.h>

#define BEFORE "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.1\"],\n"
#define NETWORK_FORM "write a network or an address, for example \"10.0.0.0/8\""

/* A list as "10.0.0.0/8 !10.1.0.0/16". */
static void expect_list(const struct config_prefix *list, size_t count, const char *expected)
{
	char joined[512] = "", text[IP_PREFIX_TEXT_SIZE];
	size_t used = 0;

	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(joined + used, sizeof joined - used, "%s%s%s",
					 i ? " " : "", list[i].excluded ? "!" : "",
					 ip_prefix_format(&list[i].prefix, text));
	assert_string_equal(joined, expected);
}

/* A list that stands as SOURCEADDRESS, and, unless listens is NULL, as LISTENADDRESS. */
static void expect_networks(const char *value, const char *sources, const char *listens)
{
	char members[512];
	struct config *config;

	snprintf(members, sizeof members, ", \"SOURCEADDRESS\": %s", value);
	config = expect_rule(members);
	expect_list(config->rules[0].sources, config->rules[0].source_count, sources);
	assert_int_equal(config->rules[0].listen_count, 0);
	config_free(config);
	if (!listens)
		return;
	snprintf(members, sizeof members, ", \"LISTENADDRESS\": %s", value);
	config = expect_rule(members);
	expect_list(config->rules[0].listens, config->rules[0].listen_count, listens);
	assert_int_equal(config->rules[0].source_count, 0);
	config_free(config);
}

static void reads_networks(void **state)
{
	(void)state;
	expect_networks("\"10.0.0.0/8\"", "10.0.0.0/8", "10.0.0.0/8");
	expect_networks("\"10.0.0.1\"", "10.0.0.1", "10.0.0.1");
	expect_networks("\"10.0.0.1/32\"", "10.0.0.1", "10.0.0.1");
	expect_networks("\"0.0.0.0/0\"", "0.0.0.0/0", "0.0.0.0/0");
	expect_networks("[\"2001:DB8::/32\", \"10.0.0.0/8\", \"10.1.0.0/16\"]",
			"2001:db8::/32 10.0.0.0/8 10.1.0.0/16",
			"2001:db8::/32 10.0.0.0/8 10.1.0.0/16");
	expect_networks("[\"239.1.1.1\", \"255.255.255.255\"]", "239.1.1.1 255.255.255.255",
			"239.1.1.1 255.255.255.255");
	expect_networks("\"!10.1.0.0/16\"", "!10.1.0.0/16", NULL);
	expect_networks("[\"!10.1.0.0/16\", \"10.0.0.0/8\", \"!10.2.0.1\"]",
			"!10.1.0.0/16 10.0.0.0/8 !10.2.0.1", NULL);
	expect_networks("[\"!::/0\"]", "!::/0", NULL);
}

static void refuses_wrong_networks(void **state)
{
	static const struct wrong cases[] = {
		{"\"\"", "\"\": not a network; " NETWORK_FORM},
		{"\"10.0.0.0/8 \"",
		 "\"10.0.0.0/8 \": what follows \"/\" is the network's length in "
		 "bits; write a number from 0 to 32"},
		{"\"10.0.0.0/33\"",
		 "\"10.0.0.0/33\": what follows \"/\" is the network's length in "
		 "bits; write a number from 0 to 32"},
		{"\"10.0.0.0/255.0.0.0\"", "\"10.0.0.0/255.0.0.0\": what follows \"/\" is the "
					   "network's length in bits; write a number from 0 to 32"},
		{"\"::/129\"",
		 "\"::/129\": what follows \"/\" is the network's length in bits; write "
		 "a number from 0 to 128"},
		{"\"10/8\"", "\"10/8\": not a network; " NETWORK_FORM},
		{"\"10.0.0.300\"", "\"10.0.0.300\": not a network; " NETWORK_FORM},
		{"\"host.example\"", "\"host.example\": not a network; " NETWORK_FORM},
		{"\"10.0.0.0-10.0.0.9\"", "\"10.0.0.0-10.0.0.9\": not a network; " NETWORK_FORM},
		{"10", "10: " NETWORK_FORM},
		{"null", "null: " NETWORK_FORM},
		{"{}", "{}: " NETWORK_FORM},
		{"\"10.1.2.3/8\"", "\"10.1.2.3/8\": bits are set beyond the first 8; write "
				   "\"10.0.0.0/8\" for the network, or \"10.1.2.3\" for the one "
				   "address"},
		{"\"2001:db8::1/33\"",
		 "\"2001:db8::1/33\": bits are set beyond the first 33; write "
		 "\"2001:db8::/33\" for the network, or \"2001:db8::1\" for "
		 "the one address"},
		{"\"128.0.0.0/0\"", "\"128.0.0.0/0\": bits are set beyond the first 0; write "
				    "\"0.0.0.0/0\" for the network, or \"128.0.0.0\" for the one "
				    "address"},
		{"\"::ffff:10.0.0.1\"", "\"::ffff:10.0.0.1\": IPv4 in IPv6 form; write it as IPv4, "
					"for example \"10.0.0.0/8\""},
		{"\"::ffff:10.0.0.0/104\"",
		 "\"::ffff:10.0.0.0/104\": IPv4 in IPv6 form; write it as "
		 "IPv4, for example \"10.0.0.0/8\""},
		{"\"::ffff:0:0/96\"", "\"::ffff:0:0/96\": IPv4 in IPv6 form; write it as IPv4, for "
				      "example \"10.0.0.0/8\""},
		{"[]", "[]: no network at all; write for example [\"10.0.0.0/8\"]"},
	};

	(void)state;
	EACH(cases, BEFORE "\"SOURCEADDRESS\": ", "}}", "t:2: rule \"R\": SOURCEADDRESS: ");
	EACH(cases, BEFORE "\"LISTENADDRESS\": ", "}}", "t:2: rule \"R\": LISTENADDRESS: ");
}

static void refuses_wrong_entries_of_lists(void **state)
{
	static const struct wrong both[] = {
		{"[\"10.0.0.0/8\", \"10.0.0.0/33\", 5]",
		 "[2]: \"10.0.0.0/33\": what follows \"/\" is the network's length in bits; write "
		 "a "
		 "number from 0 to 32\nt:2: rule \"R\": SOURCEADDRESS[3]: 5: " NETWORK_FORM},
		{"[\"10.0.0.0/8\", [\"10.0.0.0/8\"]]", "[2]: [\"10.0.0.0/8\"]: " NETWORK_FORM},
		{"[\"2001:db8::/32\", \"10.0.0.0/8\", \"2001:DB8:0::/32\"]",
		 "[3]: \"2001:DB8:0::/32\": the same as entry 1; remove one of the two"},
		{"[\"10.0.0.1\", \"10.0.0.1/32\", \"10.0.0.1\"]",
		 "[2]: \"10.0.0.1/32\": the same as entry 1; remove one of the two\n"
		 "t:2: rule \"R\": SOURCEADDRESS[3]: \"10.0.0.1\": the same as entry 2; remove one "
		 "of the two"},
		{"[\"!10.0.0.0/8\", \"!10.0.0.0/8\"]",
		 "[2]: \"!10.0.0.0/8\": the same as entry 1; remove one of the two"},
		{"[\"!10.0.0.0/8\", \"10.0.0.0/8\"]",
		 "[2]: \"10.0.0.0/8\": the same network as entry 1, once with \"!\" and once "
		 "without; remove one of the two"},
		{"\"!10.0.0.1/8\"", ": \"!10.0.0.1/8\": bits are set beyond the first 8; write "
				    "\"!10.0.0.0/8\" for the network, or \"!10.0.0.1\" for the one "
				    "address"},
		{"\"! 10.0.0.0/8\"", ": \"! 10.0.0.0/8\": not a network; " NETWORK_FORM},
		{"\"!!10.0.0.0/8\"", ": \"!!10.0.0.0/8\": not a network; " NETWORK_FORM},
		{"\"!\"", ": \"!\": not a network; " NETWORK_FORM},
	};
	static const struct wrong listens[] = {
		{"\"!10.0.0.0/8\"", ": \"!10.0.0.0/8\": only SOURCEADDRESS takes exclusions; write "
				    "the addresses that the rule applies to"},
		{"[\"10.0.0.1\", \"!\"]", "[2]: \"!\": only SOURCEADDRESS takes exclusions; write "
					  "the addresses that the rule applies to"},
		{"[\"10.0.0.1\", \"10.0.0.1\"]",
		 "[2]: \"10.0.0.1\": the same as entry 1; remove one of the two"},
	};

	(void)state;
	EACH(both, BEFORE "\"SOURCEADDRESS\": ", "}}", "t:2: rule \"R\": SOURCEADDRESS");
	EACH(listens, BEFORE "\"LISTENADDRESS\": ", "}}", "t:2: rule \"R\": LISTENADDRESS");
}

static void refuses_exclusions_that_leave_nobody(void **state)
{
#define NOBODY ": the exclusions leave nobody; remove or narrow one of them"
	static const struct wrong cases[] = {
		{"[\"10.1.0.0/16\", \"!10.0.0.0/8\"]", "[\"10.1.0.0/16\", \"!10.0.0.0/8\"]" NOBODY},
		/* Two halves make the whole. */
		{"[\"10.0.0.0/8\",\"!10.128.0.0/9\",\"!10.0.0.0/9\"]",
		 "[\"10.0.0.0/8\",\"!10.128.0.0/9\",\"!10.0.0.0/9\"]" NOBODY},
		{"[\"9.255.255.255\",\"10.0.0.0\",\"!10.0.0.0/8\",\"!9.0.0.0/8\"]",
		 "[\"9.255.255.255\",\"10.0.0.0\",\"!10.0.0.0/8\",\"!9.0.0.0/8\"]" NOBODY},
		/* One within another; both up to the last address. */
		{"[\"255.0.0.0/8\",\"!255.0.0.0/9\",\"!255.1.0.0/16\",\"!255.128.0.0/9\"]",
		 "[\"255.0.0.0/8\",\"!255.0.0.0/9\",\"!255.1.0.0/16\",\"!255.128.0.0/..." NOBODY},
		{"[\"10.0.0.1\",\"2001:db8::/32\",\"!10.0.0.0/8\",\"!2000::/3\"]",
		 "[\"10.0.0.1\",\"2001:db8::/32\",\"!10.0.0.0/8\",\"!2000::/3\"]" NOBODY},
		{"[\"!0.0.0.0/0\", \"!::/0\"]", "[\"!0.0.0.0/0\", \"!::/0\"]" NOBODY},
	};
#undef NOBODY

	(void)state;
	EACH(cases, BEFORE "\"SOURCEADDRESS\": ", "}}", "t:2: rule \"R\": SOURCEADDRESS: ");
}

static void takes_exclusions_that_leave_somebody(void **state)
{
	static const char *const lists[] = {
		"[\"10.0.0.0/8\", \"10.1.0.0/16\", \"!10.1.0.0/17\", \"!10.0.0.0/9\"]",
		"[\"10.0.0.0/8\", \"!10.128.0.0/9\", \"!10.0.0.0/10\", \"!10.64.0.0/11\"]",
		"[\"10.1.0.0/16\", \"10.2.0.1\", \"!10.0.0.0/15\", \"!10.2.0.0\"]",
		"[\"!0.0.0.0/1\"]",
		"[\"!::/0\", \"!0.0.0.0/1\", \"!128.0.0.0/2\", \"!224.0.0.0/3\"]",
		"[\"0.0.0.0/0\", \"!0.0.0.0/1\", \"!192.0.0.0/2\", \"!ffff::/16\"]",
	};
	char members[256];

	(void)state;
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		snprintf(members, sizeof members, ", \"SOURCEADDRESS\": %s", lists[i]);
		config_free(expect_rule(members));
	}
}

static void refuses_families_that_do_not_meet(void **state)
{
#define TAIL ", and a copy stays in its packet's family; write an "
	static const struct wrong cases[] = {
		{"[\"2001:db8::7\"], \"SOURCEADDRESS\": \"10.0.0.0/8\"",
		 "DESTINATION[1]: \"2001:db8::7\": an IPv6 destination, but SOURCEADDRESS leaves "
		 "IPv4 "
		 "only" TAIL "IPv4 destination, or widen SOURCEADDRESS"},
		{"[\"2001:db8::7\", {\"ADDRESS\": \"192.0.2.1\"}], \"LISTENADDRESS\": "
		 "\"2001:db8::/32\"",
		 "DESTINATION[2]: {\"ADDRESS\": \"192.0.2.1\"}: an IPv4 destination, but "
		 "LISTENADDRESS leaves IPv6 only" TAIL "IPv6 destination, or widen LISTENADDRESS"},
		{"[\"192.0.2.1\", \"2001:db8::7\"], \"SOURCEADDRESS\": \"!::/0\"",
		 "DESTINATION[2]: \"2001:db8::7\": an IPv6 destination, but SOURCEADDRESS leaves "
		 "IPv4 "
		 "only" TAIL "IPv4 destination, or widen SOURCEADDRESS"},
		{"[\"2001:db8::7\"], \"SOURCEADDRESS\": [\"2001:db8::/32\", \"10.0.0.1\", "
		 "\"!2001:db8::/31\"]",
		 "DESTINATION[1]: \"2001:db8::7\": an IPv6 destination, but SOURCEADDRESS leaves "
		 "IPv4 "
		 "only" TAIL "IPv4 destination, or widen SOURCEADDRESS"},
		{"[\"2001:db8::7\"], \"SOURCEADDRESS\": [\"!::/0\"], \"LISTENADDRESS\": "
		 "\"10.0.0.1\"",
		 "DESTINATION[1]: \"2001:db8::7\": an IPv6 destination, but SOURCEADDRESS leaves "
		 "IPv4 "
		 "only" TAIL "IPv4 destination, or widen SOURCEADDRESS"},
		/* No second error from what is left of a list that is wrong. */
		{"[\"2001:db8::7\"], \"SOURCEADDRESS\": [\"10.0.0.0/8\", \"2001:db8::1/32\"]",
		 "SOURCEADDRESS[2]: \"2001:db8::1/32\": bits are set beyond the first 32; write "
		 "\"2001:db8::/32\" for the network, or \"2001:db8::1\" for the one address"},
		{"[\"a.example\", {\"ADDRESS\": \"b.example\", \"SOURCE\": \"192.0.2.9\"}], "
		 "\"SOURCEADDRESS\": \"2001:db8::/32\"",
		 "DESTINATION[2]: {\"ADDRESS\": \"b.example\", \"SOURCE\": \"192.0.2.9\"}: an IPv4 "
		 "destination, but SOURCEADDRESS leaves IPv6 only" TAIL
		 "IPv6 destination, or widen "
		 "SOURCEADDRESS"},
		{"[\"192.0.2.1\", \"2001:db8::7\"], \"SOURCEADDRESS\": \"10.0.0.0/8\", "
		 "\"LISTENADDRESS\": [\"2001:db8::1\"]",
		 "LISTENADDRESS: [\"2001:db8::1\"]: IPv6 only, but SOURCEADDRESS leaves IPv4 only, "
		 "so "
		 "that no packet matches; write addresses of one family in both"},
	};
#undef TAIL

	(void)state;
	EACH(cases, "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\":\n", "}}", "t:2: rule \"R\": ");
}

/* One of the networks of at least bits_min bits within 10.0.0.0/24. */
static struct ip_prefix random_network(uint8_t bits_min)
{
	struct ip_address address = {AF_INET, {10, 0, 0, (uint8_t)random_below(256)}};

	return ip_prefix_of(&address, (uint8_t)(bits_min + random_below(33u - bits_min)));
}

/* Whether any address of 10.0.0.0/24 is in an inclusion and in no exclusion. */
static bool leaves_any(const struct config_prefix *list, size_t count)
{
	for (unsigned host = 0; host < 256; host++) {
		struct ip_address address = {AF_INET, {10, 0, 0, (uint8_t)host}};
		bool included = false, excluded = false;

		for (size_t i = 0; i < count; i++)
			if (ip_prefix_contains(&list[i].prefix, &address))
				*(list[i].excluded ? &excluded : &included) = true;
		if (included && !excluded)
			return true;
	}
	return false;
}

/* Appends an entry to the list and the text unless its network is there. */
static size_t add_entry(struct config_prefix *list, size_t count, bool excluded, char *text)
{
	char network[IP_PREFIX_TEXT_SIZE];

	list[count] = (struct config_prefix){random_network(excluded ? 25 : 28), excluded};
	for (size_t i = 0; i < count; i++)
		if (memcmp(&list[i].prefix, &list[count].prefix, sizeof list[i].prefix) == 0)
			return count;
	sprintf(text + strlen(text), "%s\"%s%s\"", count ? ", " : "", excluded ? "!" : "",
		ip_prefix_format(&list[count].prefix, network));
	return count + 1;
}

static void finds_who_is_left_as_counting_does(void **state)
{
	size_t nobody = 0, rounds = 3000;

	(void)state;
	random_begin();
	for (size_t round = 0; round < rounds; round++) {
		char text[1024] = BEFORE "\"SOURCEADDRESS\": [";
		struct config_prefix list[20];
		struct config_errors errors = {0};
		struct config *config;
		size_t count = add_entry(list, 0, false, text);

		for (uint32_t more = 4 + random_below(14); more > 0; more--)
			count = add_entry(list, count, random_below(8) > 0, text);
		strcat(text, "]}}");
		config = config_parse(text, strlen(text), "t", &errors);
		if ((config != NULL) != leaves_any(list, count))
			fail_msg("%s: %s", text, config ? "taken" : errors.messages[0]);
		nobody += !config;
		config_free(config);
		config_errors_free(&errors);
	}
	/* Otherwise one of the two answers is not tried. */
	assert_in_range(nobody, rounds / 20, rounds * 19 / 20);
}

static void reads_interfaces(void **state)
{
	struct config *config = expect_rule(", \"INTERFACE\": \"eth0\"");

	(void)state;
	assert_int_equal(config->rules[0].interface_count, 1);
	assert_string_equal(config->rules[0].interfaces[0], "eth0");
	config_free(config);
	config = expect_rule(", \"INTERFACE\": [\"wg-0\", \"eth0.100\", \"123456789012345\", "
			     "\"r\xc3\xa9seau\"]");
	assert_int_equal(config->rules[0].interface_count, 4);
	assert_string_equal(config->rules[0].interfaces[0], "wg-0");
	assert_string_equal(config->rules[0].interfaces[1], "eth0.100");
	assert_string_equal(config->rules[0].interfaces[2], "123456789012345");
	assert_string_equal(config->rules[0].interfaces[3], "r\xc3\xa9seau");
	config_free(config);
}

static void refuses_wrong_interfaces(void **state)
{
	static const char *const wrong[] = {
		"\"\"",	      "\".\"",	    "\"..\"",	  "\"1234567890123456\"",
		"\"eth 0\"",  "\"eth/0\"",  "\"eth0:1\"", "\"*\"",
		"\"e\\\"h\"", "\"e\\\\h\"", "\"e\\t0\"",  "\"e\\u007f\"",
		"0",	      "null",	    "{}"};
	static const struct wrong lists[] = {
		{"[]", ": []: 0 interfaces; write 1 to 1024"},
		{"[\"eth0\", \"eth1\", \"eth0\"]",
		 "[3]: \"eth0\": the same as entry 1; remove one of the two"},
		{"[0, \"eth1\", \"eth1\"]",
		 "[1]: 0: write the name of an interface, for example \"eth0\": 1 to 15 bytes "
		 "without "
		 "spaces and without / : \" * \\\n"
		 "t:2: rule \"R\": INTERFACE[3]: \"eth1\": the same as entry 2; remove one of the "
		 "two"},
	};
	char expected[512];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		snprintf(expected, sizeof expected,
			 "t:2: rule \"R\": INTERFACE: %s: write the name of an interface, for "
			 "example \"eth0\": 1 to 15 bytes without spaces and without / : \" * \\",
			 wrong[i]);
		expect_each(&(struct wrong){wrong[i], ""}, 1, BEFORE "\"INTERFACE\": ", "}}",
			    expected);
	}
	EACH(lists, BEFORE "\"INTERFACE\": ", "}}", "t:2: rule \"R\": INTERFACE");
}

static void reads_enabled(void **state)
{
	static const char *const members[] = {"", ", \"ENABLED\": true", ", \"ENABLED\": false"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct config *config = expect_rule(members[i]);

		assert_int_equal(config->rules[0].enabled, i < 2);
		config_free(config);
	}
}

static void refuses_wrong_enabled(void **state)
{
	static const struct wrong cases[] = {
		{"1", "1: write true or false"},
		{"null", "null: write true or false"},
		{"\"false\"", "\"false\": write true or false, without quotation marks"},
	};

	(void)state;
	EACH(cases, BEFORE "\"ENABLED\": ", "}}", "t:2: rule \"R\": ENABLED: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_networks),
		cmocka_unit_test(refuses_wrong_networks),
		cmocka_unit_test(refuses_wrong_entries_of_lists),
		cmocka_unit_test(refuses_exclusions_that_leave_nobody),
		cmocka_unit_test(takes_exclusions_that_leave_somebody),
		cmocka_unit_test(refuses_families_that_do_not_meet),
		cmocka_unit_test(finds_who_is_left_as_counting_does),
		cmocka_unit_test(reads_interfaces),
		cmocka_unit_test(refuses_wrong_interfaces),
		cmocka_unit_test(reads_enabled),
		cmocka_unit_test(refuses_wrong_enabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
