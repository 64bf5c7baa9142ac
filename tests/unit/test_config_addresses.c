/* SPDX-License-Identifier: MIT */
/* Configurations that are right, but not on a machine with these addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_expect.h"

static struct ip_interface_address own(const char *text, uint8_t prefix_bits)
{
	struct ip_interface_address result = {.prefix_bits = prefix_bits};

	assert_true(ip_parse(text, strlen(text), &result.address));
	return result;
}

static void refuses_destinations_that_are_this_machine(void **state)
{
	static const char text[] =
		"{\"A\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\n"
		"\"10.0.0.5/515\",\n\"10.0.0.5/2056\",\n\"10.0.0.5\",\n\"10.0.0.6/514\",\n"
		"\"10.0.0.255/9\",\n\"2001:db8::5/514\"]},\n"
		"\"B\": {\"SOURCEPORT\": \"2055-2060\", \"DESTINATION\": [\"192.0.2.1\"]}}";
	const struct ip_interface_address addresses[] = {own("10.0.0.5", 24),
							 own("2001:db8::5", 64)};
	static const char *const expected[] = {
		"t:3: rule \"A\": DESTINATION: \"10.0.0.5/2056\": this machine itself, at a port "
		"that rule \"B\" listens to; write another host or port",
		"t:4: rule \"A\": DESTINATION: \"10.0.0.5\": this machine itself, at a port that "
		"rule \"A\" listens to; write another host or port",
		"t:6: rule \"A\": DESTINATION: \"10.0.0.255/9\": the broadcast address of this "
		"machine's network 10.0.0.5/24; write the address of a host",
		"t:7: rule \"A\": DESTINATION: \"2001:db8::5/514\": this machine itself, at a port "
		"that rule \"A\" listens to; write another host or port",
	};
	struct config_errors errors = {0};
	struct config *config = config_parse(text, strlen(text), "t", &errors);

	(void)state;
	assert_non_null(config);
	assert_true(config_check_addresses(config, "t", NULL, 0, &errors));
	assert_int_equal(errors.count, 0);
	assert_false(config_check_addresses(config, "t", addresses, 2, &errors));
	assert_int_equal(errors.count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(errors.messages[i], expected[i]);
	config_errors_free(&errors);
	assert_null(errors.messages);
	config_free(config);
}

/* Checks a config on a machine that is 10.0.0.5/24: the messages, each with a newline. */
static void expect_on_machine(const char *text, const char *expected)
{
	const struct ip_interface_address addresses[] = {own("10.0.0.5", 24)};
	struct config_errors errors = {0};
	struct config *config = expect_config(text);
	char joined[1024] = "";
	bool clean = config_check_addresses(config, "t", addresses, 1, &errors);

	for (size_t i = 0; i < errors.count; i++)
		sprintf(joined + strlen(joined), "%s\n", errors.messages[i]);
	assert_string_equal(joined, expected);
	assert_int_equal(clean, errors.count == 0);
	config_errors_free(&errors);
	config_free(config);
}

static void heeds_where_rules_listen(void **state)
{
	(void)state;
	/* Packets to another machine, with a copy to a server on this one. */
	expect_on_machine("{\"A\": {\"SOURCEPORT\": 514, \"LISTENADDRESS\": \"10.9.0.0/16\", "
			  "\"DESTINATION\": [\"10.0.0.5/514\"]}}",
			  "");
	expect_on_machine("{\"A\": {\"SOURCEPORT\": 514, \"LISTENADDRESS\": \"10.9.0.0/16\", "
			  "\"DESTINATION\": [\"10.0.0.5\"]}}",
			  "");
	expect_on_machine(
		"{\"A\": {\"SOURCEPORT\": 514, \"LISTENADDRESS\": [\"10.9.0.0/16\", "
		"\"10.0.0.0/24\"], \"DESTINATION\": [\"10.0.0.5/514\"]}}",
		"t:1: rule \"A\": DESTINATION: \"10.0.0.5/514\": this machine itself, at a "
		"port that rule \"A\" listens to; write another host or port\n");
	/* The packet's own port is one that another rule listens to. */
	expect_on_machine(
		"{\"A\": {\"SOURCEPORT\": \"500-600\", \"LISTENADDRESS\": \"10.9.0.1\", "
		"\"DESTINATION\": [\"10.0.0.5\"]},\n"
		"\"B\": {\"SOURCEPORT\": [700, \"600-601\"], \"DESTINATION\": [\"10.9.0.2\"]}}",
		"t:1: rule \"A\": DESTINATION: \"10.0.0.5\": this machine itself, at a port "
		"that rule \"B\" listens to; write another host or port\n");
	expect_on_machine("{\"A\": {\"SOURCEPORT\": \"500-600\", \"LISTENADDRESS\": \"10.9.0.1\", "
			  "\"DESTINATION\": [\"10.0.0.5\"]},\n"
			  "\"B\": {\"SOURCEPORT\": [499, 601], \"DESTINATION\": [\"10.9.0.2\"]}}",
			  "");
	/* What is disabled now may be enabled later. */
	expect_on_machine(
		"{\"A\": {\"SOURCEPORT\": 514, \"ENABLED\": false, \"DESTINATION\":\n"
		"[{\"ADDRESS\": \"10.0.0.5\", \"PORT\": 514, \"NAME\": \"x\"}]}}",
		"t:2: rule \"A\": DESTINATION: \"10.0.0.5/514\": this machine itself, at a "
		"port that rule \"A\" listens to; write another host or port\n");
	expect_on_machine("{\"A\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"10.0.0.5/600\"]},"
			  "\"B\": {\"SOURCEPORT\": 600, \"ENABLED\": false, \"DESTINATION\":"
			  " [\"10.9.0.2\"]}}",
			  "");
}

static void checks_sources_and_leaves_names_alone(void **state)
{
	(void)state;
	expect_on_machine("{\"A\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"host.example/514\", "
			  "{\"ADDRESS\": \"10.0.0.6\", \"SOURCE\": \"10.0.0.5\"},\n"
			  "{\"ADDRESS\": \"10.0.0.7\", \"SOURCE\": \"10.0.0.255\"}]}}",
			  "t:2: rule \"A\": DESTINATION: \"10.0.0.7\": its SOURCE is the broadcast "
			  "address of this machine's network 10.0.0.5/24; write the address of a "
			  "host\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_destinations_that_are_this_machine),
		cmocka_unit_test(heeds_where_rules_listen),
		cmocka_unit_test(checks_sources_and_leaves_names_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
