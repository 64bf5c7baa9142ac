/* SPDX-License-Identifier: MIT */
/* Who may send to a rule: public addresses, and rules that are open to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_expect.h"
#include "core/config_clients.h"
#include "core/ip_public.h"

#include <sys/socket.h>

struct block {
	const char *first, *last;
};

/* Not globally reachable by RFC 6890 and IANA's registries, or no unicast: first and last address.
 */
static const struct block special[] = {
	{"0.0.0.0", "0.255.255.255"},
	{"10.0.0.0", "10.255.255.255"},
	{"100.64.0.0", "100.127.255.255"},
	{"127.0.0.0", "127.255.255.255"},
	{"169.254.0.0", "169.254.255.255"},
	{"172.16.0.0", "172.31.255.255"},
	{"192.0.0.0", "192.0.0.255"},
	{"192.0.2.0", "192.0.2.255"},
	{"192.88.99.0", "192.88.99.255"},
	{"192.168.0.0", "192.168.255.255"},
	{"198.18.0.0", "198.19.255.255"},
	{"198.51.100.0", "198.51.100.255"},
	{"203.0.113.0", "203.0.113.255"},
	{"224.0.0.0", "255.255.255.255"},
	{"2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, /* fc00::/7, fe80::/10, ff00::/8 */
	{"::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},     /* ::1, ::ffff:0:0/96, 100::/64 */
};

static struct ip_address address(const char *text)
{
	struct ip_address result = {0};

	assert_true(ip_parse(text, strlen(text), &result));
	return result;
}

static bool is_special(const struct ip_address *wanted)
{
	for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++) {
		struct ip_address first = address(special[i].first),
				  last = address(special[i].last);

		if (first.family == wanted->family && ip_compare(&first, wanted) <= 0 &&
		    ip_compare(wanted, &last) <= 0)
			return true;
	}
	return false;
}

static void expect_kind(const struct ip_address *wanted)
{
	char text[IP_TEXT_SIZE];

	if (ip_is_public(wanted) == is_special(wanted))
		fail_msg("%s", ip_format(wanted, text));
}

/* Each block from its first address to its last, and the addresses before and after it. */
static void knows_every_block_to_its_ends(void **state)
{
	static const char *const known[] = {"8.8.8.8",	 "1.1.1.1",	    "223.255.255.255",
					    "192.0.1.1", "2600:1f18::1",    "2a00:1450::1",
					    "2002::1",	 "2620:4f:8000::1", "2001:200::1"};

	(void)state;
	for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++) {
		struct ip_address first = address(special[i].first),
				  last = address(special[i].last), next;
		struct ip_address before = ip_before(&first);

		assert_false(ip_is_public(&first));
		assert_false(ip_is_public(&last));
		expect_kind(&before);
		if (ip_after(&last, &next))
			expect_kind(&next);
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct ip_address one = address(known[i]);

		assert_true(ip_is_public(&one));
	}
}

struct rule_case {
	const char *members;
	bool open4, open6;
};

static const struct rule_case rules[] = {
	{"", true, true},
	{", \"SOURCEADDRESS\": \"0.0.0.0/0\"", true, false},
	{", \"SOURCEADDRESS\": \"::/0\"", false, true},
	{", \"SOURCEADDRESS\": [\"0.0.0.0/1\", \"128.0.0.0/1\"]", true, false},
	{", \"SOURCEADDRESS\": \"!10.0.0.0/8\"", true, true},
	{", \"SOURCEADDRESS\": [\"0.0.0.0/0\", \"!8.0.0.0/8\"]", true, false},
	{", \"SOURCEADDRESS\": [\"0.0.0.0/0\", \"!128.0.0.0/1\", \"!0.0.0.0/2\"]", false, false},
	{", \"SOURCEADDRESS\": \"2000::/3\"", false, true},
	{", \"SOURCEADDRESS\": [\"2000::/4\", \"3000::/4\"]", false, true},
	{", \"SOURCEADDRESS\": [\"::/0\", \"!2000::/3\"]", false, false},
	{", \"SOURCEADDRESS\": [\"10.0.0.0/8\", \"fd00::/8\"]", false, false},
	{", \"SOURCEADDRESS\": \"128.0.0.0/1\"", true, false},
	{", \"SOURCEADDRESS\": \"64.0.0.0/2\"", false, false},
	{", \"SOURCEADDRESS\": \"2000::/8\"", false, false},
	{", \"SOURCEADDRESS\": \"224.0.0.0/3\"", false, false},
};

static void knows_rules_that_are_open(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		struct config *config = expect_rule(rules[i].members);

		if (config_rule_is_open(&config->rules[0], AF_INET) != rules[i].open4 ||
		    config_rule_is_open(&config->rules[0], AF_INET6) != rules[i].open6)
			fail_msg("%s", rules[i].members);
		config_free(config);
	}
}

static void knows_where_a_rule_listens(void **state)
{
	struct config *config = expect_rule(", \"LISTENADDRESS\": [\"8.8.8.0/24\", \"2a00::/16\"]");
	const struct config_rule *rule = &config->rules[0];
	const struct ip_address in4 = address("8.8.8.255"), out4 = address("8.8.9.0"),
				in6 = address("2a00::1"), out6 = address("2a01::1");

	(void)state;
	assert_true(config_rule_listens_at(rule, &in4));
	assert_false(config_rule_listens_at(rule, &out4));
	assert_true(config_rule_listens_at(rule, &in6));
	assert_false(config_rule_listens_at(rule, &out6));
	config_free(config);
}

static void knows_what_a_rule_takes(void **state)
{
	struct config *config =
		expect_config("{\"A\": {\"SOURCEPORT\": 1, \"DESTINATION\": [\"192.0.2.1\"]},"
			      " \"B\": {\"SOURCEPORT\": 1, \"ENABLED\": false, \"DESTINATION\": "
			      "[\"192.0.2.2\"]}}");

	(void)state;
	assert_true(config_rule_takes(&config->rules[0], AF_INET));
	assert_false(config_rule_takes(&config->rules[0], AF_INET6));
	assert_false(config_rule_takes(&config->rules[1], AF_INET));
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_every_block_to_its_ends),
		cmocka_unit_test(knows_rules_that_are_open),
		cmocka_unit_test(knows_where_a_rule_listens),
		cmocka_unit_test(knows_what_a_rule_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
