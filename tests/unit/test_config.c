/* SPDX-License-Identifier: MIT */
/* Configurations that are right, and what is made of them. test_config_errors.c has the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_expect.h"

/* Byte for byte what existing users have. */
static const char marketplace[] =
	"{\n"
	"        \"DuplicateSyslog\" : {\n"
	"                \"SOURCEPORT\" : \"514\",\n"
	"                \"DESTINATION\" : [\"172.31.63.131/514\", \"172.31.62.154/514\"]\n"
	"        }\n"
	"}\n";

/* A config with one rule, whose members are given; it listens to 514 and sends to two hosts. */
static struct config *parse_rule(const char *members)
{
	char text[4096];

	snprintf(text, sizeof text, "{\"R\": {%s}}", members);
	return expect_config(text);
}

static struct config *parse_settings(const char *members)
{
	char text[4096];

	snprintf(text, sizeof text,
		 "{\"SETTINGS\": {%s}, \"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": "
		 "[\"192.0.2.1\"]}}",
		 members);
	return expect_config(text);
}

static void check_marketplace(const struct config *config)
{
	const struct config_rule *rule = &config->rules[0];

	assert_int_equal(config->rule_count, 1);
	assert_string_equal(rule->name, "DuplicateSyslog");
	assert_int_equal(rule->line, 2);
	assert_int_equal(rule->port_count, 1);
	assert_int_equal(rule->ports[0].first, 514);
	assert_int_equal(rule->ports[0].last, 514);
	assert_int_equal(rule->destination_count, 2);
	assert_string_equal(rule->destinations[0].name, "172.31.63.131/514");
	assert_string_equal(rule->destinations[1].name, "172.31.62.154/514");
	assert_int_equal(rule->destinations[1].port, 514);
	assert_int_equal(rule->destinations[1].line, 4);
	assert_int_equal(rule->original, ORIGINAL_AUTO);
	assert_int_equal(rule->oversize, OVERSIZE_FRAGMENT);
	assert_int_equal(rule->ttl.mode, TTL_KEEP);
	assert_int_equal(rule->ttl.value, 0);
}

static void reads_the_marketplace_file_with_defaults(void **state)
{
	struct config *config = expect_config(marketplace);

	(void)state;
	check_marketplace(config);
	assert_int_equal(config->settings.queue, 7514);
	assert_int_equal(config->settings.workers, 0);
	assert_int_equal(config->settings.queue_length_pkts, 16384);
	assert_int_equal(config->settings.when_full, WHEN_FULL_DROP);
	assert_int_equal(config->settings.send, SEND_IP);
	assert_int_equal(config->settings.fast_path, FASTPATH_OFF);
	assert_int_equal(config->settings.mark, 0x7464);
	assert_int_equal(config->settings.log_level, LOG_LEVEL_INFO);
	config_free(config);
}

static void reads_what_windows_editors_save(void **state)
{
	char text[2 * sizeof marketplace + 3] = "\xef\xbb\xbf";
	size_t used = 3;
	struct config *config;

	(void)state;
	for (const char *c = marketplace; *c; c++) {
		if (*c == '\n')
			text[used++] = '\r';
		text[used++] = *c;
	}
	config = expect_config(text);
	check_marketplace(config);
	config_free(config);
}

/* Ports as "514,2055-2060". */
static void expect_ports(const char *sourceport, const char *expected)
{
	char members[1024], ports[256] = "";
	struct config *config;
	size_t used = 0;

	snprintf(members, sizeof members, "\"SOURCEPORT\": %s, \"DESTINATION\": [\"192.0.2.1\"]",
		 sourceport);
	config = parse_rule(members);
	for (size_t i = 0; i < config->rules[0].port_count; i++) {
		const struct port_range *range = &config->rules[0].ports[i];

		used += (size_t)snprintf(ports + used, sizeof ports - used,
					 range->first == range->last ? "%s%u" : "%s%u-%u",
					 i ? "," : "", range->first, range->last);
	}
	assert_string_equal(ports, expected);
	config_free(config);
}

static void reads_ports(void **state)
{
	(void)state;
	expect_ports("\"514\"", "514");
	expect_ports("514", "514");
	expect_ports("\"2055-2060\"", "2055-2060");
	expect_ports("\"514-514\"", "514");
	expect_ports("\"1-65535\"", "1-65535");
	expect_ports("[65535, \"1\"]", "1,65535");
	expect_ports("[\"2055-2060\", 514, \"162\"]", "162,514,2055-2060");
	expect_ports("[516, 514, \"515\"]", "514-516");
	expect_ports("[\"1-65534\", 65535]", "1-65535");
}

static void expect_destination(const char *destination, const char *name, unsigned port)
{
	char members[1024];
	struct config *config;

	snprintf(members, sizeof members, "\"SOURCEPORT\": 514, \"DESTINATION\": [%s]",
		 destination);
	config = parse_rule(members);
	assert_int_equal(config->rules[0].destination_count, 1);
	assert_string_equal(config->rules[0].destinations[0].name, name);
	assert_int_equal(config->rules[0].destinations[0].port, port);
	config_free(config);
}

static void reads_destinations(void **state)
{
	(void)state;
	expect_destination("\"192.0.2.1/514\"", "192.0.2.1/514", 514);
	expect_destination("\"192.0.2.1\\/65535\"", "192.0.2.1/65535", 65535);
	expect_destination("\"192.0.2.1\"", "192.0.2.1", 0);
	expect_destination("\"2001:DB8:0::7/514\"", "2001:db8::7/514", 514);
	expect_destination("\"2001:db8::7\"", "2001:db8::7", 0);
	expect_destination("{\"ADDRESS\": \"192.0.2.1\"}", "192.0.2.1", 0);
	expect_destination("{\"PORT\": 1, \"ADDRESS\": \"192.0.2.1\"}", "192.0.2.1/1", 1);
	expect_destination("{\"ADDRESS\": \"2001:db8::7\", \"PORT\": \"514\"}", "2001:db8::7/514",
			   514);
}

static void keeps_64_destinations_in_order(void **state)
{
	char text[8192] = "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [", name[32];
	struct config *config;

	(void)state;
	for (int i = 0; i < CONFIG_DESTINATIONS_MAX; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n\"192.0.2.%d/514\"",
			 i ? "," : "", 200 - i);
	strcat(text, "]}}");
	config = expect_config(text);
	assert_int_equal(config->rules[0].destination_count, CONFIG_DESTINATIONS_MAX);
	for (int i = 0; i < CONFIG_DESTINATIONS_MAX; i++) {
		snprintf(name, sizeof name, "192.0.2.%d/514", 200 - i);
		assert_string_equal(config->rules[0].destinations[i].name, name);
		assert_int_equal(config->rules[0].destinations[i].line, i + 2);
	}
	config_free(config);
}

static void lets_like_destinations_differ(void **state)
{
	struct config *config =
		parse_rule("\"SOURCEPORT\": [514], \"DESTINATION\": ["
			   "\"192.0.2.1/514\", \"192.0.2.1/515\", \"192.0.2.2/514\"]");

	(void)state;
	config_free(config);
	/* The first keeps 514; a packet never comes to 515. */
	config = parse_rule("\"SOURCEPORT\": [514], \"DESTINATION\": ["
			    "\"192.0.2.1\", \"192.0.2.1/515\"]");
	config_free(config);
}

static void reads_modes(void **state)
{
	static const char base[] = "\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.1\"]";
	static const struct {
		const char *members;
		enum original_mode original;
		enum oversize_mode oversize;
		struct ttl_policy ttl;
	} cases[] = {
		{"\"ORIGINAL\": \"auto\"", ORIGINAL_AUTO, OVERSIZE_FRAGMENT, {TTL_KEEP, 0}},
		{"\"ORIGINAL\": \"forward\"", ORIGINAL_FORWARD, OVERSIZE_FRAGMENT, {TTL_KEEP, 0}},
		{"\"ORIGINAL\": \"drop\"", ORIGINAL_DROP, OVERSIZE_FRAGMENT, {TTL_KEEP, 0}},
		{"\"OVERSIZE\": \"fragment\"", ORIGINAL_AUTO, OVERSIZE_FRAGMENT, {TTL_KEEP, 0}},
		{"\"OVERSIZE\": \"drop\"", ORIGINAL_AUTO, OVERSIZE_DROP, {TTL_KEEP, 0}},
		{"\"TTL\": \"keep\"", ORIGINAL_AUTO, OVERSIZE_FRAGMENT, {TTL_KEEP, 0}},
		{"\"TTL\": \"decrement\"", ORIGINAL_AUTO, OVERSIZE_FRAGMENT, {TTL_DECREMENT, 0}},
		{"\"TTL\": 1", ORIGINAL_AUTO, OVERSIZE_FRAGMENT, {TTL_SET, 1}},
		{"\"TTL\": 255", ORIGINAL_AUTO, OVERSIZE_FRAGMENT, {TTL_SET, 255}},
	};
	char members[512];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct config *config;

		snprintf(members, sizeof members, "%s, %s", base, cases[i].members);
		config = parse_rule(members);
		assert_int_equal(config->rules[0].original, cases[i].original);
		assert_int_equal(config->rules[0].oversize, cases[i].oversize);
		assert_int_equal(config->rules[0].ttl.mode, cases[i].ttl.mode);
		assert_int_equal(config->rules[0].ttl.value, cases[i].ttl.value);
		config_free(config);
	}
}

/* What HTTP is read as, and whether others are said to reach it. */
static void reads_where_http_listens(void **state)
{
	static const struct {
		const char *text, *read;
		bool exposed;
	} cases[] = {
		{"", "127.0.0.1:9514", false},
		{"\"HTTP\": \"off\"", "off", false},
		{"\"HTTP\": \"127.9.0.1:1\"", "127.9.0.1:1", false},
		{"\"HTTP\": \"[::1]:65535\"", "[::1]:65535", false},
		{"\"HTTP\": \"[0:0::1]:80\"", "[::1]:80", false},
		{"\"HTTP\": \"0.0.0.0:9514\"", "0.0.0.0:9514", true},
		{"\"HTTP\": \"[::]:9514\"", "[::]:9514", true},
		{"\"HTTP\": \"192.0.2.1:80\"", "192.0.2.1:80", true},
		{"\"HTTP\": \"[2001:db8:1111:2222:3333:4444:5555:6666]:65535\"",
		 "[2001:db8:1111:2222:3333:4444:5555:6666]:65535", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct config *config = parse_settings(cases[i].text);
		char text[CONFIG_HTTP_SIZE], *described = config_describe(config, 1);

		assert_string_equal(config_http_format(&config->settings, text), cases[i].read);
		assert_int_equal(config_http_is_exposed(&config->settings), cases[i].exposed);
		assert_non_null(strstr(described, text));
		free(described);
		config_free(config);
	}
}

static void reads_settings(void **state)
{
	static const char *const levels[] = {"error", "warning", "info", "debug"};
	struct config *config = parse_settings(
		"\"QUEUE\": 65534, \"WORKERS\": 2, \"QUEUELENGTH\": 1048576, \"WHENFULL\": "
		"\"forward\", \"SEND\": \"link\", \"FASTPATH\": \"auto\", \"MARK\": "
		"\"0xFFffffff\", \"LOGLEVEL\": "
		"\"debug\"");
	char members[64];

	(void)state;
	assert_int_equal(config->settings.queue, 65534);
	assert_int_equal(config->settings.workers, 2);
	assert_int_equal(config->settings.queue_length_pkts, 1048576);
	assert_int_equal(config->settings.when_full, WHEN_FULL_FORWARD);
	assert_int_equal(config->settings.send, SEND_LINK);
	assert_int_equal(config->settings.fast_path, FASTPATH_AUTO);
	assert_int_equal(config->settings.mark, UINT32_MAX);
	config_free(config);
	for (int level = 0; level < 4; level++) {
		snprintf(members, sizeof members, "\"LOGLEVEL\": \"%s\"", levels[level]);
		config = parse_settings(members);
		assert_int_equal(config->settings.log_level, level);
		assert_string_equal(log_level_name((enum log_level)level), levels[level]);
		config_free(config);
	}
	config = parse_settings(
		"\"QUEUE\": 0, \"MARK\": \"29796\", \"WHENFULL\": \"drop\", \"SEND\": \"ip\", "
		"\"FASTPATH\": \"off\"");
	assert_int_equal(config->settings.queue, 0);
	assert_int_equal(config->settings.mark, 29796);
	assert_int_equal(config->settings.when_full, WHEN_FULL_DROP);
	assert_int_equal(config->settings.send, SEND_IP);
	config_free(config);
	config = parse_settings("\"QUEUE\": 65528");
	assert_int_equal(config->settings.queue, 65528);
	config_free(config);
}

static void decodes_escapes_in_keys_and_values(void **state)
{
	struct config *config = expect_config(
		"{\"\\\"\\\\\\/ \\u00e9\\ud83d\\ude00\\uD83D\\uDE00\": {\"SOURCE\\u0050ORT\": "
		"\"51\\u0034\", \"DESTINATION\": "
		"[\"\\u0031\\u0039\\u0032.0.2.1\\u002f\\u0035\"]}}");

	(void)state;
	assert_string_equal(config->rules[0].name,
			    "\"\\/ \xc3\xa9\xf0\x9f\x98\x80\xf0\x9f\x98\x80");
	assert_int_equal(config->rules[0].ports[0].first, 514);
	assert_string_equal(config->rules[0].destinations[0].name, "192.0.2.1/5");
	config_free(config);
}

static void takes_names_of_64_bytes_and_rules_in_order(void **state)
{
	char name[CONFIG_RULE_NAME_MAX + 1] = "", text[512];
	struct config *config;

	(void)state;
	for (size_t i = 0; i < CONFIG_RULE_NAME_MAX; i += 2)
		memcpy(name + i, "\xc3\xa9", 3);
	snprintf(text, sizeof text,
		 "{\"%s\": {\"SOURCEPORT\": 1, \"DESTINATION\": [\"192.0.2.1\"]},\n"
		 "\"Settings\": {\"SOURCEPORT\": 1, \"DESTINATION\": [\"192.0.2.1\"]}}",
		 name);
	config = expect_config(text);
	assert_int_equal(config->rule_count, 2);
	assert_string_equal(config->rules[0].name, name);
	assert_string_equal(config->rules[1].name, "Settings");
	assert_int_equal(config->rules[1].line, 2);
	config_free(config);
}

static void counts_workers(void **state)
{
	(void)state;
	assert_int_equal(config_workers(&(struct config_settings){.workers = 0}, 0), 1);
	assert_int_equal(config_workers(&(struct config_settings){.workers = 0}, 1), 1);
	assert_int_equal(config_workers(&(struct config_settings){.workers = 0}, 8), 8);
	assert_int_equal(config_workers(&(struct config_settings){.workers = 0}, 96), 8);
	assert_int_equal(config_workers(&(struct config_settings){.workers = 3}, 1), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_marketplace_file_with_defaults),
		cmocka_unit_test(reads_what_windows_editors_save),
		cmocka_unit_test(reads_ports),
		cmocka_unit_test(reads_destinations),
		cmocka_unit_test(keeps_64_destinations_in_order),
		cmocka_unit_test(lets_like_destinations_differ),
		cmocka_unit_test(reads_modes),
		cmocka_unit_test(reads_settings),
		cmocka_unit_test(reads_where_http_listens),
		cmocka_unit_test(decodes_escapes_in_keys_and_values),
		cmocka_unit_test(takes_names_of_64_bytes_and_rules_in_order),
		cmocka_unit_test(counts_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
