/* SPDX-License-Identifier: MIT */
/* Which packets the nft rules for a configuration select, and which of our own errors they stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/rules_text.h"

#include "config_expect.h"
#include "nft_text.h"
#include "random.h"

static void expect_part(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("not found: %s\nin: %s", part, text);
}

static char *rules_of(const struct config *config)
{
	char *text = rules_text_nft(config, &(struct rules_text_options){.cpu_count = 1});

	assert_non_null(text);
	return text;
}

/* The elements of the sets of ports of rules that ask for nothing else; none: NULL. */
static void expect_ports(const char *config_text, const char *ipv4, const char *ipv6)
{
	struct config *config = expect_config(config_text);
	char *text = rules_of(config), part[256];
	const char *elements[] = {ipv4, ipv6};

	for (size_t i = 0; i < 2; i++) {
		snprintf(part, sizeof part, "add element inet trafficduplicator ports_ipv%c { %s",
			 i ? '6' : '4', elements[i] ? elements[i] : "");
		if (elements[i])
			expect_part(text, part);
		else
			assert_null(strstr(text, part));
	}
	free(text);
	config_free(config);
}

static void lists_ports_by_family(void **state)
{
	(void)state;
	expect_ports("{\"A\": {\"SOURCEPORT\": [514, \"2055-2060\"], \"DESTINATION\": "
		     "[\"192.0.2.1\"]}, \"B\": {\"SOURCEPORT\": 2061, \"DESTINATION\": "
		     "[\"192.0.2.1\", \"2001:db8::1\"]}}",
		     "514, 2055-2061 }", "2061 }");
	/* A host may have an address of either family, unless SOURCE decides. */
	expect_ports("{\"A\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"host.example\"]}, "
		     "\"B\": {\"SOURCEPORT\": 9, \"DESTINATION\": [{\"ADDRESS\": "
		     "\"host.example\", \"SOURCE\": \"2001:db8::9\"}]}}",
		     "514 }", "9, 514 }");
}

static void leaves_disabled_rules_out(void **state)
{
	struct config *config = expect_config(
		"{\"A\": {\"SOURCEPORT\": 514, \"ENABLED\": false, \"DESTINATION\": "
		"[\"192.0.2.1\", \"2001:db8::1\"]}, \"B\": {\"SOURCEPORT\": 515, \"DESTINATION\": "
		"[\"host.example\", \"192.0.2.2\"]}}");
	char *text = rules_of(config);

	(void)state;
	/* Of our own ICMP errors, too, only those about destinations of the others are stopped. */
	expect_part(text, "@th,192,32 { 0xc0000202 } drop\n");
	assert_null(strstr(text, "@th,256,128"));
	free(text);
	config_free(config);
	expect_ports("{\"A\": {\"SOURCEPORT\": 514, \"ENABLED\": false, \"DESTINATION\": "
		     "[\"host.example\"]}}",
		     NULL, NULL);
}

static const char *const interfaces[] = {"br0", "eth0", "ü@if2", "eth1"};

/* Networks within small ranges, so that many of them meet; at the ends of all addresses too. */
static void append_networks(FILE *out, const char *key, int family, bool exclusions)
{
	unsigned count = random_below(4);

	for (unsigned i = 0; i < count; i++) {
		const char *not = exclusions && random_below(2) ? "!" : "";
		unsigned bits = 24 + random_below(9);
		unsigned host = random_below(256) >> (32 - bits) << (32 - bits);
		bool at_end = random_below(4) == 0;

		fprintf(out, "%s\"%s", i ? ", " : key, not );
		if (family == AF_INET)
			fprintf(out, "%s.%u.%u/%u\"", at_end ? "255.255" : "10.0",
				at_end ? 255 : random_below(2), host, bits);
		else
			fprintf(out, "%s%02x/%u\"",
				at_end ? "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff" : "::", host,
				bits + 96);
	}
	if (count)
		fputs("]", out);
}

/* A rule alone as a configuration. */
static char *random_rule(unsigned number)
{
	static const char *const destinations[] = {"10.9.0.1/9", "2001:db8::9/9", "host.example/9"};
	unsigned family = random_below(3), first = 1 + random_below(20);
	int address_family = (family == 2 ? random_below(2) : family) ? AF_INET6 : AF_INET;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	fprintf(out,
		"{\"r%u\": {\"SOURCEPORT\": [\"%u-%u\", %u], \"DESTINATION\": [\"%s\"], "
		"\"ENABLED\": %s",
		number, first, first + random_below(5), 30 + random_below(5), destinations[family],
		random_below(8) ? "true" : "false");
	append_networks(out, ", \"SOURCEADDRESS\": [", address_family, true);
	append_networks(out, ", \"LISTENADDRESS\": [", address_family, false);
	if (random_below(3) == 0)
		fprintf(out, ", \"INTERFACE\": [\"%s\"%s]", interfaces[random_below(2)],
			random_below(2) ? ", \"ü@if2\"" : "");
	fputs("}}", out);
	fclose(out);
	return text;
}

/* Draws anew what is refused: a network twice in a list, or clients of whom nobody is left. */
static struct config *random_config(unsigned rules)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	struct config *config;

	assert_non_null(out);
	for (unsigned r = 0, refused = 0; r < rules;) {
		struct config_errors errors = {0};
		char *rule = random_rule(r);

		config = config_parse(rule, strlen(rule), "random", &errors);
		if (config)
			fprintf(out, "%s%.*s", r++ ? ", " : "{", (int)strlen(rule) - 2, rule + 1);
		else if (++refused > 100)
			fail_msg("%s in %s", errors.messages[0], rule);
		config_errors_free(&errors);
		config_free(config);
		free(rule);
	}
	fputs("}", out);
	fclose(out);
	config = expect_config(text);
	free(text);
	return config;
}

static struct nft_packet random_packet(int family)
{
	struct nft_packet packet = {.family = family, .port = nft_port(random_below(36))};
	struct nft_value *addresses[] = {&packet.from, &packet.to};
	size_t length = family == AF_INET ? 4 : 16, name = random_below(4);

	for (size_t i = 0; i < 2; i++) {
		uint8_t *bytes = addresses[i]->bytes;

		if (random_below(4) == 0)
			memset(bytes, 0xff, length);
		else if (family == AF_INET)
			memcpy(bytes, (uint8_t[]){10, 0, (uint8_t)random_below(2)}, 3);
		bytes[length - 1] = (uint8_t)random_below(256);
	}
	packet.interface = nft_interface(interfaces[name]);
	packet.is_bridge = name == 0;
	return packet;
}

/* A list of networks, read bit by bit. */
static bool naive_admits(const struct config_prefix *list, size_t count, int family,
			 const struct nft_value *address)
{
	bool included = false, includes = false;

	for (size_t i = 0; i < count; i++) {
		bool in = list[i].prefix.address.family == family;

		for (unsigned bit = 0; bit < list[i].prefix.bits; bit++)
			in &= ((list[i].prefix.address.bytes[bit / 8] ^ address->bytes[bit / 8]) >>
				       (7 - bit % 8) &
			       1) == 0;
		if (in && list[i].excluded)
			return false;
		included |= in;
		includes |= !list[i].excluded;
	}
	return included || !includes;
}

/* Whether a rule applies, or may, since nft sees of what crosses a bridge only the bridge. */
static bool naive_match(const struct config_rule *rule, const struct nft_packet *packet)
{
	unsigned number = packet->port.bytes[0] * 256u + packet->port.bytes[1];
	bool port = false, family = false;
	bool interface = rule->interface_count == 0 || packet->is_bridge;

	for (size_t i = 0; i < rule->port_count; i++)
		port |= number >= rule->ports[i].first && number <= rule->ports[i].last;
	for (size_t i = 0; i < rule->destination_count; i++)
		family |= rule->destinations[i].host ||
			  rule->destinations[i].address.family == packet->family;
	for (size_t i = 0; i < rule->interface_count; i++)
		interface |=
			strcmp(rule->interfaces[i], (const char *)packet->interface.bytes) == 0;
	return rule->enabled && port && family && interface &&
	       naive_admits(rule->sources, rule->source_count, packet->family, &packet->from) &&
	       naive_admits(rule->listens, rule->listen_count, packet->family, &packet->to);
}

/* The kernel refuses elements that overlap. */
static void expect_disjoint(const struct nft_set *set)
{
	for (size_t a = 0; a < set->count; a++)
		for (size_t b = 0; b < a; b++) {
			const struct nft_element *x = &set->elements[a], *y = &set->elements[b];
			bool apart = false;

			for (size_t f = 0; f < set->field_count; f++)
				apart |=
					memcmp(&x->last[f], &y->first[f], sizeof(x->last[f])) < 0 ||
					memcmp(&y->last[f], &x->first[f], sizeof(x->last[f])) < 0;
			if (!apart)
				fail_msg("elements %zu and %zu of %s overlap", b, a, set->name);
		}
}

static void selects_what_some_rule_applies_to_and_no_more(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct config *config = random_config(1 + random_below(12));
		char *text = rules_of(config), *apart = strdup(text);
		struct nft_text nft;

		nft_read(&nft, apart);
		for (size_t s = 0; s < nft.set_count; s++)
			expect_disjoint(&nft.sets[s]);
		for (unsigned i = 0; i < 400; i++) {
			struct nft_packet packet = random_packet(i % 2 ? AF_INET6 : AF_INET);
			bool expected = false;

			for (size_t r = 0; r < config->rule_count; r++)
				expected |= naive_match(&config->rules[r], &packet);
			if (nft_selects(&nft, &packet) != expected)
				fail_msg("packet %u of round %u is%s selected by\n%s", i, round,
					 expected ? " not" : "", text);
		}
		nft_free(&nft);
		free(apart);
		free(text);
		config_free(config);
	}
}

/* Rules of one port, each with its own network in a key; other: what else each has. */
static struct config *many_rules(unsigned count, const char *key, const char *other)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	struct config *config;

	assert_non_null(out);
	for (unsigned r = 0; r < count; r++)
		fprintf(out,
			"%s\"r%u\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"10.9.0.1\"], "
			"\"%s\": \"10.%u.%u.0/25\"%s}",
			r ? ", " : "{", r, key, r >> 8, r & 255, other);
	fputs("}", out);
	fclose(out);
	config = expect_config(text);
	free(text);
	return config;
}

static void expect_elements(struct config *config, const char *set, size_t count, const char *note)
{
	char *text = rules_of(config);
	struct nft_text nft;
	size_t elements = 0;

	if (note)
		expect_part(text, note);
	else
		assert_null(strstr(text, "left to the daemon"));
	nft_read(&nft, text);
	assert_int_equal(nft.set_count, 24);
	for (size_t s = 0; s < nft.set_count; s++)
		if (strncmp(nft.sets[s].name, "all_ports", 9) != 0)
			elements += nft.sets[s].count;
	assert_int_equal(nft_set(&nft, set)->count, count);
	assert_int_equal(elements, count);
	assert_int_equal(nft.rule_count, 1);
	nft_free(&nft);
	free(text);
	config_free(config);
}

/* The kernel's work for a packet grows with the elements that have the first field's value. */
static void sorts_many_elements_by_what_tells_them_apart(void **state)
{
	(void)state;
	expect_elements(many_rules(1000, "SOURCEADDRESS", ""), "flows_by_client_ipv4", 1000, NULL);
	expect_elements(many_rules(1000, "LISTENADDRESS", ""), "flows_by_listen_ipv4", 1000, NULL);
}

static void leaves_the_daemon_what_would_take_too_many_elements(void **state)
{
	char *listens = NULL;
	size_t length;
	FILE *out = open_memstream(&listens, &length);

	(void)state;
	expect_elements(many_rules(20000, "SOURCEADDRESS", ""), "ports_ipv4", 1,
			"# IPv4, rules without INTERFACE: everything but SOURCEPORT is left to "
			"the daemon.");
	/* Each client has 300 addresses that it sends to, with gaps between. */
	assert_non_null(out);
	fputs(", \"LISTENADDRESS\": [\"10.8.0.1\"", out);
	for (unsigned i = 1; i < 300; i++)
		fprintf(out, ", \"10.8.%u.%u\"", i >> 7, (i & 127) * 2 + 1);
	fputs("]", out);
	fclose(out);
	expect_elements(many_rules(100, "SOURCEADDRESS", listens), "flows_by_client_ipv4", 100,
			"# IPv4, rules without INTERFACE: LISTENADDRESS is left to the daemon.");
	free(listens);
}

static void needs_no_flows_at_ports_that_are_taken_anyway(void **state)
{
	struct config *config = expect_config(
		"{\"A\": {\"SOURCEPORT\": \"510-519\", \"DESTINATION\": [\"10.9.0.1\"], "
		"\"SOURCEADDRESS\": \"10.0.0.0/8\"}, \"B\": {\"SOURCEPORT\": \"512-530\", "
		"\"DESTINATION\": [\"10.9.0.2\"], \"SOURCEADDRESS\": \"0.0.0.0/0\"}}");
	char *text = rules_of(config);

	(void)state;
	expect_part(text, " ports_ipv4 { 512-530 }\n");
	expect_part(text, " flows_by_client_ipv4 {\n\t10.0.0.0/8 . 510-511 . 0.0.0.0/0,\n}\n");
	free(text);
	config_free(config);
}

/* What rules without INTERFACE have too much of is no reason to coarsen those with it. */
static void coarsens_no_more_than_it_must(void **state)
{
	struct config *many = many_rules(20000, "SOURCEADDRESS", "");
	struct config *one = expect_config(
		"{\"A\": {\"SOURCEPORT\": 515, \"DESTINATION\": [\"10.9.0.1\"], \"INTERFACE\": "
		"\"eth0\", \"LISTENADDRESS\": \"10.1.0.0/16\"}}");
	struct config_rule rule = many->rules[0];
	char *text;

	(void)state;
	many->rules[0] = one->rules[0];
	text = rules_of(many);
	many->rules[0] = rule;
	expect_part(text, "everything but SOURCEPORT is left to the daemon");
	expect_part(text, " interface_flows_by_client_ipv4 {\n"
			  "\t0.0.0.0/0 . \"eth0\" . 515 . 10.1.0.0/16,\n}\n");
	free(text);
	config_free(one);
	config_free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_ports_by_family),
		cmocka_unit_test(leaves_disabled_rules_out),
		cmocka_unit_test(selects_what_some_rule_applies_to_and_no_more),
		cmocka_unit_test(sorts_many_elements_by_what_tells_them_apart),
		cmocka_unit_test(needs_no_flows_at_ports_that_are_taken_anyway),
		cmocka_unit_test(coarsens_no_more_than_it_must),
		cmocka_unit_test(leaves_the_daemon_what_would_take_too_many_elements),
	};

	random_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
