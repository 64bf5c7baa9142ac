/* SPDX-License-Identifier: MIT */
/* Which rules match a packet, against a plain reading of the rules one by one. */
#include "random.h"
#include "rules_from_text.h"

#include <arpa/inet.h>
#include <sys/socket.h>

/* The numbers of the rules that match, such as "0 2"; "" where none does. */
static const char *matches(const struct ruleset *ruleset, const struct ruleset_key *key)
{
	static char text[4096];
	uint64_t set[16];
	size_t used = 0;

	assert_true(ruleset->set_words <= 16);
	text[0] = '\0';
	if (!ruleset_match(ruleset, key, set))
		return text;
	for (size_t r = 0; r < ruleset->rule_count; r++)
		if (set[r / 64] >> r % 64 & 1)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%zu",
						 used ? " " : "", r);
	return text;
}

static const char *ask(const struct ruleset *ruleset, const char *source, const char *destination,
		       uint16_t port, uint32_t interface)
{
	struct ip_address from = address(source), to = address(destination);
	struct ruleset_key key = {&from, &to, htons(port), interface, RULESET_NO_INTERFACE};

	return matches(ruleset, &key);
}

static void test_each_key_alone(void **state)
{
	struct rules rules = rules_from_text(
		"{'port': {'SOURCEPORT': [514, '2055-2060'], 'DESTINATION': ['10.9.0.1/1']},"
		" 'client': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1/2'],"
		"   'SOURCEADDRESS': ['10.1.0.0/16', '!10.1.2.0/24', '2001:db8::/32']},"
		" 'only exclusions': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1/3'],"
		"   'SOURCEADDRESS': '!10.0.0.0/8'},"
		" 'listen': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1/4'],"
		"   'LISTENADDRESS': ['10.5.0.0/24', '192.0.2.1']},"
		" 'interface': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1/5'],"
		"   'INTERFACE': ['eth0', 'eth1']},"
		" 'disabled': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1/6'],"
		"   'ENABLED': false},"
		" 'six': {'SOURCEPORT': 514, 'DESTINATION': ['2001:db8::9/7']}}");
	const struct ruleset *r = rules.ruleset;

	(void)state;
	assert_string_equal(ask(r, "172.16.0.1", "10.4.0.1", 513, RULESET_NO_INTERFACE), "");
	assert_string_equal(ask(r, "172.16.0.1", "10.4.0.1", 514, RULESET_NO_INTERFACE), "0 2");
	assert_string_equal(ask(r, "172.16.0.1", "10.4.0.1", 2060, RULESET_NO_INTERFACE), "0");
	assert_string_equal(ask(r, "172.16.0.1", "10.4.0.1", 2061, RULESET_NO_INTERFACE), "");
	assert_string_equal(ask(r, "10.1.255.255", "10.4.0.1", 514, RULESET_NO_INTERFACE), "0 1");
	assert_string_equal(ask(r, "10.1.2.0", "10.4.0.1", 514, RULESET_NO_INTERFACE), "0");
	assert_string_equal(ask(r, "10.1.2.255", "10.4.0.1", 514, RULESET_NO_INTERFACE), "0");
	assert_string_equal(ask(r, "10.1.3.0", "10.4.0.1", 514, RULESET_NO_INTERFACE), "0 1");
	assert_string_equal(ask(r, "10.2.0.0", "10.4.0.1", 514, RULESET_NO_INTERFACE), "0");
	assert_string_equal(ask(r, "9.255.255.255", "10.5.0.255", 514, RULESET_NO_INTERFACE),
			    "0 2 3");
	assert_string_equal(ask(r, "9.255.255.255", "10.5.1.0", 514, RULESET_NO_INTERFACE), "0 2");
	assert_string_equal(ask(r, "9.255.255.255", "192.0.2.1", 514, RULESET_NO_INTERFACE),
			    "0 2 3");
	assert_string_equal(ask(r, "9.255.255.255", "192.0.2.1", 514, 0), "0 2 3 4");
	assert_string_equal(ask(r, "9.255.255.255", "192.0.2.1", 514, 1), "0 2 3 4");
	/* Rules without a destination of the packet's family do not match it. */
	assert_string_equal(ask(r, "2001:db8::1", "2001:db8::2", 514, 0), "6");
	rules_free(&rules);
}

static void test_bridge_port_counts_as_interface(void **state)
{
	struct rules rules = rules_from_text("{'a': {'SOURCEPORT': 9, 'DESTINATION': "
					     "['10.0.0.1/9'], 'INTERFACE': ['br0', 'port1']}}");
	struct ip_address a = address("10.0.0.2");
	struct ruleset_key key = {&a, &a, htons(9), RULESET_NO_INTERFACE, 1};

	(void)state;
	assert_string_equal(matches(rules.ruleset, &key), "0");
	key.bridge_port = RULESET_NO_INTERFACE;
	assert_string_equal(matches(rules.ruleset, &key), "");
	key.interface = 0;
	assert_string_equal(matches(rules.ruleset, &key), "0");
	rules_free(&rules);
}

static void test_why_not(void **state)
{
	struct rules rules = rules_from_text(
		"{'off': {'SOURCEPORT': 9, 'DESTINATION': ['10.0.0.1/9'], 'ENABLED': false},"
		" 'port': {'SOURCEPORT': 8, 'DESTINATION': ['10.0.0.1/9']},"
		" 'family': {'SOURCEPORT': 9, 'DESTINATION': ['2001:db8::1/9']},"
		" 'source': {'SOURCEPORT': 9, 'DESTINATION': ['10.0.0.1/9'], 'SOURCEADDRESS': "
		"'10.2.0.0/16'},"
		" 'listen': {'SOURCEPORT': 9, 'DESTINATION': ['10.0.0.1/9'], 'LISTENADDRESS': "
		"'10.2.0.0/16'},"
		" 'interface': {'SOURCEPORT': 9, 'DESTINATION': ['10.0.0.1/9'], 'INTERFACE': 'x'},"
		" 'match': {'SOURCEPORT': 9, 'DESTINATION': ['10.0.0.1/9']}}");
	static const enum ruleset_miss expected[] = {
		RULESET_MISS_DISABLED, RULESET_MISS_PORT,   RULESET_MISS_FAMILY,
		RULESET_MISS_SOURCE,   RULESET_MISS_LISTEN, RULESET_MISS_INTERFACE,
		RULESET_MATCH,
	};
	struct ip_address a = address("10.0.0.2");
	struct ruleset_key key = {&a, &a, htons(9), RULESET_NO_INTERFACE, RULESET_NO_INTERFACE};

	(void)state;
	for (size_t r = 0; r < rules.ruleset->rule_count; r++)
		assert_int_equal(ruleset_why_not(rules.ruleset, &key, r), expected[r]);
	/* With no rule for the port at all the answer is the same. */
	key.destination_port_be = htons(7);
	assert_int_equal(ruleset_why_not(rules.ruleset, &key, 6), RULESET_MISS_PORT);
	rules_free(&rules);
}

/* Random rules within small ranges, so that many of them meet. */
static void append_prefixes(FILE *out, const char *key, bool exclusions)
{
	unsigned count = random_below(4);

	if (count == 0)
		return;
	fprintf(out, ", '%s': ['10.0.0.0/%u'", key, 8 + random_below(20));
	for (unsigned i = 0; i < count; i++) {
		unsigned bits = 24 + random_below(9);
		uint32_t host = (random_below(1024) >> (32 - bits)) << (32 - bits);

		fprintf(out, ", '%s10.%u.%u.%u/%u'", exclusions && random_below(2) ? "!" : "",
			1 + i, 0u, host & 255, bits);
	}
	fprintf(out, "]");
}

static char *random_text(unsigned rules)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (unsigned r = 0; r < rules; r++) {
		unsigned first = 1 + random_below(20);

		fprintf(out, "%s'r%u': {'SOURCEPORT': '%u-%u', 'DESTINATION': ['10.0.0.1/%u']",
			r ? ", " : "{", r, first, first + random_below(5), 1 + r);
		append_prefixes(out, "SOURCEADDRESS", true);
		append_prefixes(out, "LISTENADDRESS", false);
		if (random_below(4) == 0)
			fprintf(out, ", 'INTERFACE': 'eth%u'", random_below(3));
		fprintf(out, ", 'ENABLED': %s}", random_below(8) ? "true" : "false");
	}
	fprintf(out, "}");
	fclose(out);
	return text;
}

/* An address against a list, by plain arithmetic on 32-bit numbers. */
static bool naive_admits(const struct config_prefix *list, size_t count, uint32_t host)
{
	bool included = false, includes = false;

	for (size_t i = 0; i < count; i++) {
		const uint8_t *b = list[i].prefix.address.bytes;
		uint32_t net =
			(uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
		unsigned bits = list[i].prefix.bits;
		bool in = bits == 0 || (host >> (32 - bits)) == (net >> (32 - bits));

		if (in && list[i].excluded)
			return false;
		included |= in;
		includes |= !list[i].excluded;
	}
	return included || !includes;
}

static bool naive_match(const struct ruleset *ruleset, const struct config_rule *rule,
			uint32_t from, uint32_t to, unsigned port, uint32_t interface)
{
	bool at_port = false, at_interface = rule->interface_count == 0;

	for (size_t i = 0; i < rule->port_count; i++)
		at_port |= port >= rule->ports[i].first && port <= rule->ports[i].last;
	for (size_t i = 0; i < rule->interface_count; i++)
		at_interface |= interface != RULESET_NO_INTERFACE &&
				strcmp(rule->interfaces[i], ruleset->interfaces[interface]) == 0;
	return rule->enabled && at_port && at_interface &&
	       naive_admits(rule->sources, rule->source_count, from) &&
	       naive_admits(rule->listens, rule->listen_count, to);
}

static struct ip_address ipv4(uint32_t host)
{
	return (struct ip_address){AF_INET,
				   {(uint8_t)(host >> 24), (uint8_t)(host >> 16),
				    (uint8_t)(host >> 8), (uint8_t)host}};
}

static uint32_t random_host(void)
{
	return 10u << 24 | random_below(5) << 16 | random_below(2) << 8 | random_below(256);
}

static void check_random_packet(const struct ruleset *ruleset)
{
	uint32_t from = random_host(), to = random_host();
	struct ip_address source = ipv4(from), destination = ipv4(to);
	unsigned port = random_below(30);
	uint32_t interface = random_below(4) < ruleset->interface_count
				     ? random_below((uint32_t)ruleset->interface_count)
				     : RULESET_NO_INTERFACE;
	struct ruleset_key key = {&source, &destination, htons((uint16_t)port), interface,
				  RULESET_NO_INTERFACE};
	uint64_t set[16] = {0};

	assert_true(ruleset->set_words <= 16);
	if (!ruleset_match(ruleset, &key, set))
		memset(set, 0, sizeof(set));
	for (size_t r = 0; r < ruleset->rule_count; r++) {
		bool expected =
			naive_match(ruleset, ruleset->rules[r].config, from, to, port, interface);

		if (expected != (set[r / 64] >> r % 64 & 1))
			fail_msg("rule %zu: expected %d", r, expected);
		assert_int_equal(ruleset_why_not(ruleset, &key, r) == RULESET_MATCH, expected);
	}
}

static void test_random_rules(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		char *text = random_text(1 + random_below(150));
		struct rules rules = rules_from_text(text);

		for (unsigned n = 0; n < 500; n++)
			check_random_packet(rules.ruleset);
		rules_free(&rules);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_key_alone),
		cmocka_unit_test(test_bridge_port_counts_as_interface),
		cmocka_unit_test(test_why_not),
		cmocka_unit_test(test_random_rules),
	};

	random_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
