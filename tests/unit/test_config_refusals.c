/* SPDX-License-Identifier: MIT */
/* Destinations, modes and keys that are wrong, alone and together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_expect.h"

#define RULE_KEYS                                                                                  \
	"the keys here are SOURCEPORT, DESTINATION, SOURCEADDRESS, LISTENADDRESS, INTERFACE, "     \
	"ORIGINAL, BALANCE, SAMPLE, RATELIMIT, TTL, OVERSIZE, ENABLED"
#define DESTINATION_KEYS "the keys here are ADDRESS, PORT, NAME, SOURCE, SAMPLE, CHECK, TTL"
#define GOOD_RULE "\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.1\"]}"

static void refuses_wrong_destinations(void **state)
{
#define FORM "write \"address/port\" or \"host.name/port\", for example \"192.0.2.10/514\""
	static const struct wrong cases[] = {
		{"\"300.1.1.1/514\"", "\"300.1.1.1/514\": not an IP address; " FORM},
		{"\"/514\"", "\"/514\": not an IP address; " FORM},
		{"\"\"", "\"\": not an IP address; " FORM},
		{"\" 192.0.2.1/514\"", "\" 192.0.2.1/514\": not an IP address; " FORM},
		{"\"192.0.2.01/514\"", "\"192.0.2.01/514\": not an IP address; " FORM},
		{"\"1.2.3.4\\u0085/5\"", "\"1.2.3.4\\u0085/5\": not an IP address; " FORM},
		{"\"my host/514\"", "\"my host/514\": not an IP address; " FORM},
		{"\"1.2.3.0x7f/514\"", "\"1.2.3.0x7f/514\": not an IP address; " FORM},
		{"\"192.0.2.1:514\"", "\"192.0.2.1:514\": the port stands after \"/\"; " FORM},
		{"\"[2001:db8::7]:514\"",
		 "\"[2001:db8::7]:514\": the port stands after \"/\"; " FORM},
		{"\"fe80::1%eth0/514\"", "\"fe80::1%eth0/514\": an address with a zone, which "
					 "cannot be used; " FORM},
		{"\"::ffff:192.0.2.1/514\"", "\"::ffff:192.0.2.1/514\": an IPv4 address in IPv6 "
					     "form; write it as IPv4: \"address/port\" or "
					     "\"host.name/port\", for example "
					     "\"192.0.2.10/514\""},
		{"\"a\\\"  b\"", "\"a\\\"  b\": not an IP address; " FORM},
		{"514", "514: " FORM},
		{"null", "null: " FORM},
		{"[\"192.0.2.1/514\"]", "[\"192.0.2.1/514\"]: " FORM},
	};

	(void)state;
	EACH(cases, "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.2\",\n", "]}}",
	     "t:2: rule \"R\": DESTINATION[2]: ");
#undef FORM
}

static void refuses_addresses_that_are_no_hosts(void **state)
{
	static const char *const cases[][2] = {
		{"0.0.0.0", "unspecified"},
		{"0.1.2.3", "unspecified"},
		{"127.0.0.1", "loopback"},
		{"224.0.0.1", "multicast"},
		{"239.1.1.1", "multicast"},
		{"240.0.0.1", "reserved"},
		{"255.255.255.255", "broadcast"},
		{"::", "unspecified"},
		{"::1", "loopback"},
		{"ff02::1", "multicast"},
		{"fe80::1", "link-local"},
	};
	char text[64], expected[256];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(text, sizeof text, "\"%s/514\"", cases[i][0]);
		snprintf(expected, sizeof expected,
			 "t:2: rule \"R\": DESTINATION[1]: %s: the address is %s; write the "
			 "unicast address of a host",
			 text, cases[i][1]);
		expect_each(&(struct wrong){text, ""}, 1,
			    "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\":[\n", "]}}", expected);
	}
}

static void refuses_wrong_destination_ports(void **state)
{
	static const char *const ports[] = {"",	    "0",   "65536",   "0514", "+1",
					    "514 ", "5/1", "514-516", "abc",  "4294967810"};
	char text[64], expected[256];

	(void)state;
	for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
		snprintf(text, sizeof text, "\"192.0.2.1/%s\"", ports[i]);
		snprintf(expected, sizeof expected,
			 "t:2: rule \"R\": DESTINATION[1]: %s: \"%s\" is no port; write a port "
			 "from 1 to 65535",
			 text, ports[i]);
		expect_each(&(struct wrong){text, ""}, 1,
			    "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\":[\n", "]}}", expected);
	}
}

static void refuses_wrong_destination_objects(void **state)
{
	static const struct wrong cases[] = {
		{"{}", ": ADDRESS is missing; add it, for example \"ADDRESS\": \"192.0.2.10\""},
		{"{\"ADDRESS\": 1}",
		 ": ADDRESS: 1: write an address or a host name, for example \"192.0.2.10\""},
		{"{\"ADDRESS\": \"192.0.2.1/514\"}", ": ADDRESS: \"192.0.2.1/514\": write the "
						     "address alone here, and the port as PORT"},
		{"{\"ADDRESS\": \"300.1.1.1\"}", ": ADDRESS: \"300.1.1.1\": not an IP address; "
						 "write an address or a host name, for "
						 "example \"192.0.2.10\""},
		{"{\"ADDRESS\": \"::1\"}", ": ADDRESS: \"::1\": the address is loopback; write "
					   "the unicast address of a host"},
		{"{\"ADDRESS\": \"192.0.2.1\", \"PORT\": 0}",
		 ": PORT: 0: write a port from 1 to 65535"},
		{"{\"ADDRESS\": \"192.0.2.1\", \"PORT\": 65536}",
		 ": PORT: 65536: write a port from 1 to 65535"},
		{"{\"ADDRESS\": \"192.0.2.1\", \"PORT\": 514.5}",
		 ": PORT: 514.5: write a port from 1 to 65535"},
		{"{\"ADDRESS\": \"192.0.2.1\", \"PORT\": null}",
		 ": PORT: null: write a port from 1 to 65535"},
		{"{\"ADDRESS\": \"192.0.2.1\", \"PORT\": \"514abc\"}",
		 ": PORT: \"514abc\": \"514abc\" is no port; write a port from 1 to 65535"},
		{"{\"ADDRESS\": \"192.0.2.1\", \"Port\": 514}",
		 ": \"Port\": unknown key (did you mean PORT?); " DESTINATION_KEYS},
		{"{\"ADDRESS\": \"192.0.2.1\", \"WEIGHT\": 5}",
		 ": WEIGHT: unknown key; " DESTINATION_KEYS},
	};

	(void)state;
	EACH(cases, "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\n", "]}}",
	     "t:2: rule \"R\": DESTINATION[1]");
}

static void refuses_wrong_destination_lists(void **state)
{
	static const struct wrong cases[] = {
		{"[]", ": []: 0 destinations; write 1 to 64"},
		{"\"192.0.2.1/514\"",
		 ": \"192.0.2.1/514\": write an array, for example [\"192.0.2.10/514\"]"},
		{"{}", ": {}: write an array, for example [\"192.0.2.10/514\"]"},
		{"[\"192.0.2.1/514\", {\"ADDRESS\": \"192.0.2.1\", \"PORT\": 514}]",
		 "[2]: {\"ADDRESS\": \"192.0.2.1\", \"PORT\": 514}: the same as entry 1; remove "
		 "one of the two"},
		{"[\"::1:2/9\", \"192.0.2.1\", \"0::1:2/9\"]",
		 "[3]: \"0::1:2/9\": the same as entry 1; remove one of the two"},
		{"[\"192.0.2.1\", \"192.0.2.1\"]",
		 "[2]: \"192.0.2.1\": the same as entry 1; remove one of the two"},
		{"[\"192.0.2.1\", \"192.0.2.1/514\"]",
		 "[2]: \"192.0.2.1/514\": with entry 1, a packet to port 514 would go twice to the "
		 "same place, because \"192.0.2.1\" keeps a packet's own port; remove one of the "
		 "two"},
		{"[\"192.0.2.1/2057\", \"192.0.2.1\"]",
		 "[2]: \"192.0.2.1\": with entry 1, a packet to port 2057 would go twice to the "
		 "same place, because \"192.0.2.1\" keeps a packet's own port; remove one of the "
		 "two"},
	};

	(void)state;
	/* SOURCEPORT stands behind, so that comparing waits for it. */
	EACH(cases, "{\"R\": {\"DESTINATION\":\n", ", \"SOURCEPORT\": [514, \"2055-2060\"]}}",
	     "t:2: rule \"R\": DESTINATION");
}

static void refuses_66_destinations_and_checks_them_all(void **state)
{
	char text[4096] = "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\n\"192.0.2.1/1\"";

	(void)state;
	for (int port = 2; port < 66; port++)
		snprintf(text + strlen(text), 64, ",\"192.0.2.1/%d\"", port);
	strcat(text, ",\n\"?\"]}}");
	expect(text, "t:1: rule \"R\": DESTINATION: [ \"192.0.2.1/1\",\"192.0.2.1/2\","
		     "\"192.0.2.1/3\",\"192.0.2.1/4\",\"1...: 66 destinations; write 1 to 64\n"
		     "t:3: rule \"R\": DESTINATION[66]: \"?\": not an IP address; write "
		     "\"address/port\" or \"host.name/port\", for example "
		     "\"192.0.2.10/514\"\n");
}

static void refuses_wrong_modes(void **state)
{
#define TTL_FORM "write \"keep\", \"decrement\", or a number from 1 to 255 without quotation marks"
	static const struct wrong cases[] = {
		{"\"ORIGINAL\": \"Auto\"",
		 "ORIGINAL: \"Auto\": write \"auto\", \"forward\" or \"drop\""},
		{"\"ORIGINAL\": \"auto\\n\"",
		 "ORIGINAL: \"auto\\n\": write \"auto\", \"forward\" or \"drop\""},
		{"\"ORIGINAL\": null", "ORIGINAL: null: write \"auto\", \"forward\" or \"drop\""},
		{"\"OVERSIZE\": true", "OVERSIZE: true: write \"fragment\" or \"drop\""},
		{"\"OVERSIZE\": \"\"", "OVERSIZE: \"\": write \"fragment\" or \"drop\""},
		{"\"TTL\": \"64\"", "TTL: \"64\": " TTL_FORM},
		{"\"TTL\": 0", "TTL: 0: " TTL_FORM},
		{"\"TTL\": 256", "TTL: 256: " TTL_FORM},
		{"\"TTL\": -1", "TTL: -1: " TTL_FORM},
		{"\"TTL\": 64.0", "TTL: 64.0: " TTL_FORM},
		{"\"TTL\": null", "TTL: null: " TTL_FORM},
	};
#undef TTL_FORM

	(void)state;
	EACH(cases, "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.1\"],\n", "}}",
	     "t:2: rule \"R\": ");
}

static void refuses_unknown_keys(void **state)
{
	static const char *const unknown[] = {"NAME", "SOURCE",	    "CHECK", "FASTPATH", "SEND",
					      "HTTP", "AUTORELOAD", "QUEUE", "PORT"};
	static const struct wrong near[] = {
		{"SourcePort", "\"SourcePort\": unknown key (did you mean SOURCEPORT?); "},
		{"SOURCE_PORT", "SOURCE_PORT: unknown key (did you mean SOURCEPORT?); "},
		{"DESTINATIONS", "DESTINATIONS: unknown key (did you mean DESTINATION?); "},
		{"ORIGNAL", "ORIGNAL: unknown key (did you mean ORIGINAL?); "},
		{"ttl", "\"ttl\": unknown key (did you mean TTL?); "},
		{"", "\"\": unknown key; "},
		{"an \\\"odd\\\" key", "\"an \\\"odd\\\" key\": unknown key; "},
	};
	char expected[256];

	(void)state;
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
		snprintf(expected, sizeof expected, "t:2: rule \"R\": %s: unknown key; " RULE_KEYS,
			 unknown[i]);
		expect_each(&(struct wrong){unknown[i], ""}, 1,
			    "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.1\"],\n\"",
			    "\": [null]}}", expected);
	}
	for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
		snprintf(expected, sizeof expected, "t:2: rule \"R\": %s" RULE_KEYS,
			 near[i].message);
		expect_each(&(struct wrong){near[i].text, ""}, 1,
			    "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.1\"],\n\"",
			    "\": {}}}", expected);
	}
}

static void refuses_duplicate_keys_at_any_level(void **state)
{
	static const struct wrong cases[] = {
		{"{" GOOD_RULE ",\n" GOOD_RULE "}",
		 "2: rule \"R\": stands in line 1 already; rename or remove one of the two"},
		{"{" GOOD_RULE ",\n\"\\u0052\":\n{\"SOURCEPORT\": 514, \"DESTINATION\": "
		 "[\"192.0.2.1\"]}}",
		 "2: rule \"R\": stands in line 1 already; rename or remove one of the two"},
		{"{\"SETTINGS\": {},\n\"SETTINGS\": {}, " GOOD_RULE "}",
		 "2: SETTINGS: stands in line 1 already; rename or remove one of the two"},
		{"{\"R\": {\"SOURCEPORT\": 514,\n\"DESTINATION\": [\"192.0.2.1\"],\n\n"
		 "\"SOURCE\\u0050ORT\": \"515\", \"DESTINATION\": [\"192.0.2.2\"]}}",
		 "4: rule \"R\": DESTINATION: stands in line 2 already; rename or remove one of "
		 "the two\n"
		 "t:4: rule \"R\": SOURCEPORT: stands in line 1 already; rename or remove one of "
		 "the two"},
		{"{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.2\",\n{\"PORT\": 1,\n"
		 "\"PORT\": 2,\n\"PORT\": 3, \"ADDRESS\": \"192.0.2.1\"}]}}",
		 "3: rule \"R\": DESTINATION[2]: PORT: stands in line 2 already; rename or remove "
		 "one of the two\n"
		 "t:4: rule \"R\": DESTINATION[2]: PORT: stands in line 3 already; rename or "
		 "remove one of the two"},
		/* What is wrong in the member that json-c forgets is told too. */
		{"{\"R\": {\"SOURCEPORT\": \"51a\",\n\"SOURCEPORT\": 514, \"DESTINATION\": "
		 "[\"192.0.2.1\"]}}",
		 "1: rule \"R\": SOURCEPORT: \"51a\": write a port from 1 to 65535, for example "
		 "\"514\", or a range, for example \"2055-2060\"\n"
		 "t:2: rule \"R\": SOURCEPORT: stands in line 1 already; rename or remove one of "
		 "the two"},
		{"{\"R\": {\"TTL\": 5},\n" GOOD_RULE "}",
		 "1: rule \"R\": SOURCEPORT is missing; add it, for example \"SOURCEPORT\": "
		 "\"514\"\n"
		 "t:1: rule \"R\": DESTINATION is missing; add it, for example \"DESTINATION\": "
		 "[\"192.0.2.10/514\"]\n"
		 "t:2: rule \"R\": stands in line 1 already; rename or remove one of the two"},
		/* Below a key that nothing else is known about. */
		{"{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.1\"],\n"
		 "\"X\": [{\"a\": 1, \"b\": 2, \"\\u0061\": null}]}}",
		 "2: rule \"R\": X[1]: \"a\": stands in line 2 already; rename or remove one of "
		 "the two\n"
		 "t:2: rule \"R\": X: unknown key; " RULE_KEYS},
	};

	(void)state;
	EACH(cases, "", "", "t:");
}

static void reports_all_errors_in_the_order_of_lines(void **state)
{
	(void)state;
	expect("{\r\n"
	       "  \"Syslog\": {\r\n"
	       "    \"DESTINATION\": [\"300.1.1.1/514\",\r\n"
	       "      \"192.0.2.1/0\", \"192.0.2.1/514\",\r\n"
	       "      \"192.0.2.1\"],\r\n"
	       "    \"SOURCEPORT\": [\"514\", 0],\r\n"
	       "    \"TTl\": 5\r\n"
	       "  },\r\n"
	       "  \"SETTINGS\": { \"MARK\": \"x\",\r\n"
	       "    \"WORKERS\": 9 },\r\n"
	       "  \"Flow\": { \"SOURCEPORT\": 2055 }\r\n"
	       "}\r\n",
	       "t:3: rule \"Syslog\": DESTINATION[1]: \"300.1.1.1/514\": not an IP address; write "
	       "\"address/port\" or \"host.name/port\", for example \"192.0.2.10/514\"\n"
	       "t:4: rule \"Syslog\": DESTINATION[2]: \"192.0.2.1/0\": \"0\" is no port; write a "
	       "port from 1 to 65535\n"
	       "t:5: rule \"Syslog\": DESTINATION[4]: \"192.0.2.1\": with entry 3, a packet to "
	       "port 514 would go twice to the same place, because \"192.0.2.1\" keeps a packet's "
	       "own port; remove one of the two\n"
	       "t:6: rule \"Syslog\": SOURCEPORT[2]: 0: write a port from 1 to 65535, for example "
	       "\"514\", or a range, for example \"2055-2060\"\n"
	       "t:7: rule \"Syslog\": \"TTl\": unknown key (did you mean TTL?); " RULE_KEYS "\n"
	       "t:9: SETTINGS: MARK: \"x\": write a number from 1 to 0xffffffff in quotation "
	       "marks, for example \"0x7464\"\n"
	       "t:10: SETTINGS: WORKERS: 9: write a whole number from 0 to 8\n"
	       "t:11: rule \"Flow\": DESTINATION is missing; add it, for example \"DESTINATION\": "
	       "[\"192.0.2.10/514\"]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_wrong_destinations),
		cmocka_unit_test(refuses_addresses_that_are_no_hosts),
		cmocka_unit_test(refuses_wrong_destination_ports),
		cmocka_unit_test(refuses_wrong_destination_objects),
		cmocka_unit_test(refuses_wrong_destination_lists),
		cmocka_unit_test(refuses_66_destinations_and_checks_them_all),
		cmocka_unit_test(refuses_wrong_modes),
		cmocka_unit_test(refuses_unknown_keys),
		cmocka_unit_test(refuses_duplicate_keys_at_any_level),
		cmocka_unit_test(reports_all_errors_in_the_order_of_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
