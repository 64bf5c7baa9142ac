/* SPDX-License-Identifier: MIT */
/* Destinations: host names, the keys of their objects, and the rule's keys about sending. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_expect.h"

#include <sys/socket.h>

#define BEFORE "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\n"

static const char label_63[] = "a23456789-123456789-123456789-123456789-123456789-123456789-12z";

/* A config whose rule has these elements as DESTINATION, then more members, begun with a comma. */
static struct config *destinations(const char *elements, const char *members)
{
	char text[4096];

	snprintf(text, sizeof text, "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [%s]%s}}",
		 elements, members);
	return expect_config(text);
}

static void expect_host(const char *text, const char *host, const char *name, unsigned port)
{
	struct config *config = destinations(text, "");
	const struct config_destination *destination = &config->rules[0].destinations[0];
	char place[CONFIG_PLACE_SIZE];

	assert_string_equal(destination->host, host);
	assert_int_equal(destination->address.family, AF_UNSPEC);
	assert_string_equal(destination->name, name);
	assert_ptr_equal(config_destination_place(destination, place), place);
	assert_string_equal(place, name);
	assert_int_equal(destination->port, port);
	assert_true(config_destination_takes(destination, AF_INET));
	assert_true(config_destination_takes(destination, AF_INET6));
	config_free(config);
}

static void reads_host_names(void **state)
{
	char longest[CONFIG_HOST_MAX + 1], text[512], name[512];

	(void)state;
	expect_host("\"collector.example/514\"", "collector.example", "collector.example/514", 514);
	expect_host("\"Collector.EXAMPLE\"", "collector.example", "collector.example", 0);
	expect_host("\"collector.example./9\"", "collector.example.", "collector.example/9", 9);
	expect_host("\"log-1\"", "log-1", "log-1", 0);
	expect_host("\"x/65535\"", "x", "x/65535", 65535);
	expect_host("\"_syslog._udp.example\"", "_syslog._udp.example", "_syslog._udp.example", 0);
	expect_host("\"3com.0.1a\"", "3com.0.1a", "3com.0.1a", 0);
	expect_host("\"1.2.3.0xg\"", "1.2.3.0xg", "1.2.3.0xg", 0);
	expect_host("\"xn--bcher-kva.example\"", "xn--bcher-kva.example", "xn--bcher-kva.example",
		    0);
	expect_host("\"localhost.example\"", "localhost.example", "localhost.example", 0);
	expect_host("{\"ADDRESS\": \"a.example\", \"PORT\": 7}", "a.example", "a.example/7", 7);
	snprintf(longest, sizeof longest, "%s.%s.%s.%.61s", label_63, label_63, label_63, label_63);
	assert_int_equal(strlen(longest), CONFIG_HOST_MAX);
	snprintf(text, sizeof text, "\"%s/65535\"", longest);
	snprintf(name, sizeof name, "%s/65535", longest);
	expect_host(text, longest, name, 65535);
}

static void refuses_wrong_host_names(void **state)
{
#define NO_HOST                                                                                    \
	": not a host name: its parts between dots have 1 to 63 letters, digits, \"-\" or \"_\" "  \
	"each, \"-\" neither first nor last, and all together 253 at most"
#define NO_ADDRESS                                                                                 \
	": not an IP address; write \"address/port\" or \"host.name/port\", for example "          \
	"\"192.0.2.10/514\""
	static const struct wrong cases[] = {
		{"\"a..example/1\"", "\"a..example/1\"" NO_HOST},
		{"\".example\"", "\".example\"" NO_HOST},
		{"\"example..\"", "\"example..\"" NO_ADDRESS},
		{"\"-a.example\"", "\"-a.example\"" NO_HOST},
		{"\"a-.example\"", "\"a-.example\"" NO_HOST},
		{"\"a.example-/5\"", "\"a.example-/5\"" NO_HOST},
		{"\"a.-example\"", "\"a.-example\"" NO_HOST},
		{"\".\"", "\".\"" NO_ADDRESS},
		{"\"_\"", "\"_\"" NO_ADDRESS},
		{"\"300.1.1.1\"", "\"300.1.1.1\"" NO_ADDRESS},
		{"\"host.1\"", "\"host.1\"" NO_ADDRESS},
		{"\"1.2.3.4.\"", "\"1.2.3.4.\"" NO_ADDRESS},
		{"\"0x7f000001\"", "\"0x7f000001\"" NO_ADDRESS},
		{"\"host.0xa.\"", "\"host.0xa.\"" NO_ADDRESS},
		{"\"b\xc3\xbc"
		 "cher.example\"",
		 "\"b\xc3\xbc"
		 "cher.example\"" NO_ADDRESS},
		{"\"localhost/514\"",
		 "\"localhost/514\": the name of a loopback address; write another host"},
		{"\"a.LocalHost.\"",
		 "\"a.LocalHost.\": the name of a loopback address; write another host"},
		{"\"a.example/0\"",
		 "\"a.example/0\": \"0\" is no port; write a port from 1 to 65535"},
	};
	char text[512], expected[512], shown[64];

	(void)state;
	EACH(cases, BEFORE, "]}}", "t:2: rule \"R\": DESTINATION[1]: ");
	for (int longer = 0; longer < 2; longer++) {
		if (longer) /* 254 bytes in labels of up to 63 */
			snprintf(text, sizeof text, "\"%s.%s.%s.%.62s\"", label_63, label_63,
				 label_63, label_63);
		else /* a label of 64 */
			snprintf(text, sizeof text, "\"%s4.example\"", label_63);
		snprintf(shown, sizeof shown, "%.60s", text);
		snprintf(expected, sizeof expected, "t:2: rule \"R\": DESTINATION[1]: %s...%s",
			 shown, NO_HOST);
		expect_each(&(struct wrong){text, ""}, 1, BEFORE, "]}}", expected);
	}
#undef NO_HOST
#undef NO_ADDRESS
}

static void reads_objects_with_defaults(void **state)
{
	struct config *config = destinations("{\"ADDRESS\": \"192.0.2.1\"}, \"192.0.2.2\"", "");

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct config_destination *destination = &config->rules[0].destinations[i];

		assert_null(destination->host);
		assert_int_equal(destination->source, SOURCE_CLIENT);
		assert_int_equal(destination->source_address.family, AF_UNSPEC);
		assert_int_equal(destination->sample, 1);
		assert_int_equal(destination->check, CHECK_NONE);
		assert_int_equal(destination->check_port, 0);
		assert_int_equal(destination->ttl.mode, TTL_KEEP);
		assert_true(config_destination_takes(destination, AF_INET));
		assert_false(config_destination_takes(destination, AF_INET6));
	}
	config_free(config);
}

static void reads_whole_objects(void **state)
{
	struct config *config = destinations(
		"{\"TTL\": 9, \"CHECK\": \"tcp/65535\", \"SAMPLE\": 1000000000, \"SOURCE\": "
		"\"2001:db8::9\", \"NAME\": \"\xc3\xa9t\xc3\xa9\", \"PORT\": 7, \"ADDRESS\": "
		"\"2001:db8::7\"},"
		"{\"ADDRESS\": \"192.0.2.1\", \"SOURCE\": \"appliance\", \"CHECK\": \"icmp\", "
		"\"TTL\": \"keep\"},"
		"{\"ADDRESS\": \"192.0.2.2\", \"SOURCE\": \"client\", \"CHECK\": \"none\", "
		"\"SAMPLE\": 1},"
		"{\"ADDRESS\": \"host.example\", \"SOURCE\": \"192.0.2.9\"}",
		/* Behind the destinations, which have it all the same. */
		", \"TTL\": \"decrement\"");
	const struct config_destination *all = config->rules[0].destinations;

	(void)state;
	assert_int_equal(config->rules[0].destination_count, 4);
	assert_string_equal(all[0].name, "\xc3\xa9t\xc3\xa9");
	assert_int_equal(all[0].source, SOURCE_FIXED);
	assert_int_equal(all[0].source_address.family, AF_INET6);
	assert_int_equal(all[0].source_address.bytes[15], 9);
	assert_int_equal(all[0].sample, 1000000000);
	assert_int_equal(all[0].check, CHECK_TCP);
	assert_int_equal(all[0].check_port, 65535);
	assert_int_equal(all[0].ttl.mode, TTL_SET);
	assert_int_equal(all[0].ttl.value, 9);
	assert_int_equal(all[1].source, SOURCE_APPLIANCE);
	assert_int_equal(all[1].check, CHECK_ICMP);
	assert_int_equal(all[1].ttl.mode, TTL_KEEP);
	assert_int_equal(all[2].source, SOURCE_CLIENT);
	assert_int_equal(all[2].check, CHECK_NONE);
	assert_int_equal(all[2].ttl.mode, TTL_DECREMENT);
	assert_true(config_destination_takes(&all[3], AF_INET));
	assert_false(config_destination_takes(&all[3], AF_INET6));
	config_free(config);
}

static void refuses_wrong_object_keys(void **state)
{
#define SOURCE_FORM "write \"client\", \"appliance\", or an address, for example \"192.0.2.10\""
#define CHECK_FORM "write \"none\", \"icmp\", or \"tcp/PORT\", for example \"tcp/514\""
#define NUMBER_FORM "write a whole number from 1 to 1000000000"
	static const struct wrong cases[] = {
		{"\"NAME\": \"\"", "NAME: the name has 0 bytes; write a name of 1 to 64"},
		{"\"NAME\": \"0123456789012345678901234567890123456789012345678901234567890123x\"",
		 "NAME: the name has 65 bytes; write a name of 1 to 64"},
		{"\"NAME\": \"a\\u0085\"",
		 "NAME: a control character in the name; write a name without"},
		{"\"NAME\": 5", "NAME: 5: write a name in quotation marks"},
		{"\"NAME\": null", "NAME: null: write a name in quotation marks"},
		{"\"SOURCE\": \"Client\"",
		 "SOURCE: \"Client\": a host name, not an address; " SOURCE_FORM},
		{"\"SOURCE\": \"\"", "SOURCE: \"\": not an IP address; " SOURCE_FORM},
		{"\"SOURCE\": \"10.0.0.0/8\"",
		 "SOURCE: \"10.0.0.0/8\": not an IP address; " SOURCE_FORM},
		{"\"SOURCE\": true", "SOURCE: true: " SOURCE_FORM},
		{"\"SOURCE\": null", "SOURCE: null: " SOURCE_FORM},
		{"\"SOURCE\": \"127.0.0.1\"",
		 "SOURCE: \"127.0.0.1\": the address is loopback; write the unicast address of a "
		 "host"},
		{"\"SOURCE\": \"0.0.0.0\"",
		 "SOURCE: \"0.0.0.0\": the address is unspecified; write the unicast address of a "
		 "host"},
		{"\"SOURCE\": \"224.0.0.1\"",
		 "SOURCE: \"224.0.0.1\": the address is multicast; write the unicast address of a "
		 "host"},
		{"\"SOURCE\": \"255.255.255.255\"",
		 "SOURCE: \"255.255.255.255\": the address is broadcast; write the unicast address "
		 "of a host"},
		{"\"SOURCE\": \"fe80::1\"",
		 "SOURCE: \"fe80::1\": the address is link-local; write the unicast address of a "
		 "host"},
		{"\"SOURCE\": \"2001:db8::9\"", "SOURCE: \"2001:db8::9\": not of the destination's "
						"family; write an IPv4 address"},
		{"\"SAMPLE\": 0", "SAMPLE: 0: " NUMBER_FORM},
		{"\"SAMPLE\": 1000000001", "SAMPLE: 1000000001: " NUMBER_FORM},
		{"\"SAMPLE\": 1.5", "SAMPLE: 1.5: " NUMBER_FORM},
		{"\"SAMPLE\": \"5\"", "SAMPLE: \"5\": " NUMBER_FORM ", without quotation marks"},
		{"\"CHECK\": \"tcp\"", "CHECK: \"tcp\": " CHECK_FORM},
		{"\"CHECK\": \"udp/514\"", "CHECK: \"udp/514\": " CHECK_FORM},
		{"\"CHECK\": \"ICMP\"", "CHECK: \"ICMP\": " CHECK_FORM},
		{"\"CHECK\": false", "CHECK: false: " CHECK_FORM},
		{"\"CHECK\": \"tcp/\"",
		 "CHECK: \"tcp/\": \"\" is no port; write a port from 1 to 65535"},
		{"\"CHECK\": \"tcp/0\"",
		 "CHECK: \"tcp/0\": \"0\" is no port; write a port from 1 to 65535"},
		/* As it can be shown on a terminal. */
		{"\"CHECK\": \"tcp/\\u001b[2J\"",
		 "CHECK: \"tcp/\\u001b[2J\": \"\\u001b[2J\" is no port; write a port from 1 to "
		 "65535"},
		{"\"CHECK\": \"tcp/1-2\"",
		 "CHECK: \"tcp/1-2\": \"1-2\" is no port; write a port from 1 to 65535"},
		{"\"TTL\": 0", "TTL: 0: write \"keep\", \"decrement\", or a number from 1 to 255 "
			       "without quotation marks"},
	};
#undef SOURCE_FORM
#undef CHECK_FORM

	(void)state;
	EACH(cases, BEFORE "{\"ADDRESS\": \"192.0.2.1\", ", "}]}}",
	     "t:2: rule \"R\": DESTINATION[1]: ");
	expect(BEFORE "{\"SOURCE\": \"192.0.2.9\", \"ADDRESS\": \"2001:db8::1\"}]}}",
	       "t:2: rule \"R\": DESTINATION[1]: SOURCE: \"192.0.2.9\": not of the destination's "
	       "family; write an IPv6 address\n");
}

static void refuses_destinations_that_are_the_same(void **state)
{
	static const struct wrong cases[] = {
		{"\"a.example/1\", \"A.Example./1\"",
		 "[2]: \"A.Example./1\": the same as entry 1; remove one of the two"},
		{"\"a.example.\", \"b.example\", {\"ADDRESS\": \"a.example\", \"NAME\": \"x\"}",
		 "[3]: {\"ADDRESS\": \"a.example\", \"NAME\": \"x\"}: the same as entry 1; remove "
		 "one "
		 "of the two"},
		{"\"a.example\", \"a.example/514\"",
		 "[2]: \"a.example/514\": with entry 1, a packet to port 514 would go twice to the "
		 "same place, because \"a.example\" keeps a packet's own port; remove one of the "
		 "two"},
		{"{\"ADDRESS\": \"192.0.2.1\", \"NAME\": \"x\"}, {\"ADDRESS\": \"192.0.2.1\", "
		 "\"NAME\": \"x\", \"TTL\": 5}",
		 "[2]: {\"ADDRESS\": \"192.0.2.1\", \"NAME\": \"x\", \"TTL\": 5}: the same as "
		 "entry 1; "
		 "remove one of the two"},
		{"{\"ADDRESS\": \"192.0.2.1\", \"NAME\": \"x\"}, \"192.0.2.3\", {\"NAME\": \"x\", "
		 "\"ADDRESS\": \"192.0.2.2\"}",
		 "[3]: NAME: \"x\": entry 1 has the same name; write another one"},
		{"\"192.0.2.1/9\", {\"ADDRESS\": \"192.0.2.2\", \"NAME\": \"192.0.2.1/9\"}",
		 "[2]: NAME: \"192.0.2.1/9\": entry 1 has the same name; write another one"},
		{"{\"ADDRESS\": \"192.0.2.2\", \"NAME\": \"a.example\"}, \"A.example.\"",
		 "[1]: NAME: \"a.example\": entry 2 has the same name; write another one"},
	};

	(void)state;
	EACH(cases, BEFORE, "]}}", "t:2: rule \"R\": DESTINATION");
}

static void lets_names_differ(void **state)
{
	struct config *config =
		destinations("{\"ADDRESS\": \"192.0.2.1\", \"NAME\": \"x\"}, {\"ADDRESS\": "
			     "\"192.0.2.2\", \"NAME\": \"X\"}, \"a.example/1\", \"a.example/2\", "
			     "\"b.example\", \"a.example.com/1\"",
			     "");

	(void)state;
	assert_int_equal(config->rules[0].destination_count, 6);
	config_free(config);
}

static void reads_keys_about_sending(void **state)
{
	static const char *const modes[] = {"all", "round-robin", "hash", "failover"};
	struct config *config = expect_rule("");
	char members[128];

	(void)state;
	assert_int_equal(config->rules[0].balance, BALANCE_ALL);
	assert_int_equal(config->rules[0].sample, 1);
	assert_int_equal(config->rules[0].rate_limit_pps, 0);
	assert_false(config->settings.auto_reload);
	config_free(config);
	for (int mode = 0; mode < 4; mode++) {
		snprintf(members, sizeof members,
			 ", \"BALANCE\": \"%s\", \"SAMPLE\": %d, \"RATELIMIT\": 1000000000",
			 modes[mode], mode + 1);
		config = expect_rule(members);
		assert_int_equal(config->rules[0].balance, mode);
		assert_string_equal(balance_mode_name((enum balance_mode)mode), modes[mode]);
		assert_int_equal(config->rules[0].sample, mode + 1);
		assert_int_equal(config->rules[0].rate_limit_pps, 1000000000);
		config_free(config);
	}
	config = expect_config("{\"R\": {\"SOURCEPORT\": 1, \"DESTINATION\": [\"x\"]}, "
			       "\"SETTINGS\": {\"AUTORELOAD\": true}}");
	assert_true(config->settings.auto_reload);
	config_free(config);
}

static void refuses_wrong_keys_about_sending(void **state)
{
#define MODES "write \"all\", \"round-robin\", \"hash\" or \"failover\""
	static const struct wrong cases[] = {
		{"\"BALANCE\": \"random\"", "BALANCE: \"random\": " MODES},
		{"\"BALANCE\": true", "BALANCE: true: " MODES},
		{"\"SAMPLE\": 0", "SAMPLE: 0: " NUMBER_FORM},
		{"\"SAMPLE\": 1000000001", "SAMPLE: 1000000001: " NUMBER_FORM},
		{"\"SAMPLE\": null", "SAMPLE: null: " NUMBER_FORM},
		{"\"RATELIMIT\": 0", "RATELIMIT: 0: " NUMBER_FORM},
		{"\"RATELIMIT\": -5", "RATELIMIT: -5: " NUMBER_FORM},
		{"\"RATELIMIT\": 1000000001", "RATELIMIT: 1000000001: " NUMBER_FORM},
		{"\"RATELIMIT\": \"none\"",
		 "RATELIMIT: \"none\": " NUMBER_FORM ", without quotation marks"},
	};
#undef MODES
#undef NUMBER_FORM

	(void)state;
	EACH(cases, BEFORE "\"192.0.2.1\"],\n", "}}", "t:3: rule \"R\": ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_host_names),
		cmocka_unit_test(refuses_wrong_host_names),
		cmocka_unit_test(reads_objects_with_defaults),
		cmocka_unit_test(reads_whole_objects),
		cmocka_unit_test(refuses_wrong_object_keys),
		cmocka_unit_test(refuses_destinations_that_are_the_same),
		cmocka_unit_test(lets_names_differ),
		cmocka_unit_test(reads_keys_about_sending),
		cmocka_unit_test(refuses_wrong_keys_about_sending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
