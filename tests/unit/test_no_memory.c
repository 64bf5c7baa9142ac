/* SPDX-License-Identifier: MIT */
/*
 * Memory runs out: at every single request for it in turn, once for a moment and once for good.
 * What was asked for is then refused as a whole, or as good as ever; nothing is leaked (ASan would
 * tell).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "no_memory.h"

#include "core/config_diff.h"
#include "core/fastpath_tables.h"
#include "core/import.h"
#include "core/rules_text.h"
#include "core/selection.h"

#include <string.h>

/* Everything that a configuration can have. */
static const char sound[] =
	"{\"SETTINGS\": {\"QUEUE\": 7514, \"WORKERS\": 2, \"FASTPATH\": \"auto\", \"MARK\": "
	"\"0x9\","
	" \"HTTP\": \"[::1]:80\", \"AUTORELOAD\": true},\n"
	"\"A\": {\"SOURCEPORT\": [514, \"2055-2060\", 2061], \"SOURCEADDRESS\": [\"10.0.0.0/8\", "
	"\"!10.1.0.0/16\", \"2001:db8::/32\"], \"LISTENADDRESS\": [\"192.0.2.0/24\", \"::1\"], "
	"\"INTERFACE\": [\"eth0\", \"eth1\"], \"BALANCE\": \"hash\", \"SAMPLE\": 10, "
	"\"RATELIMIT\": "
	"5, \"TTL\": 9, \"DESTINATION\": [{\"ADDRESS\": \"flow.example.\", \"PORT\": 1, \"NAME\": "
	"\"a\", \"SOURCE\": \"appliance\", \"SAMPLE\": 2, \"CHECK\": \"icmp\"}, {\"ADDRESS\": "
	"\"192.0.2.9\", \"SOURCE\": \"192.0.2.8\", \"CHECK\": \"tcp/22\"}, \"2001:db8::9/3\"]},\n"
	"\"B\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.9/514\", \"192.0.2.10\"], "
	"\"SOURCEADDRESS\": [\"10.2.0.0/16\", \"10.3.0.0/16\"]},\n"
	"\"C\": {\"SOURCEPORT\": 9, \"DESTINATION\": [\"2001:db8::10\"], \"SAMPLE\": 3},\n"
	"\"D\": {\"SOURCEPORT\": 10, \"DESTINATION\": [\"192.0.2.11\"], \"ENABLED\": false}}";

/* The same, but for some of everything. */
static const char other[] =
	"{\"B\": {\"SOURCEPORT\": 515, \"DESTINATION\": [\"192.0.2.10\", \"192.0.2.9/514\"]},\n"
	"\"A\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.9\"]}, "
	"\"E\": {\"SOURCEPORT\": 9, \"DESTINATION\": [\"2001:db8::10\"]}}";

/* Errors of every kind: doubled keys, unknown ones, wrong values, wrong families. */
static const char wrong[] =
	"{\"A\": {\"SOURCEPORT\": [0, \"x\"], \"SOURCEPORT\": 70000, \"DESTINATION\": [\"::1\", 5, "
	"{\"ADDRESS\": \"192.0.2.1\", \"NAME\": \"\", \"SOURCE\": \"2001:db8::1\"}, \"192.0.2.3\", "
	"\"192.0.2.3\"], \"SOURCEADDRESS\": [\"10.0.0.1/8\", \"!2001:db8::/32\"], \"NONSENSE\": "
	"1},\n"
	"\"A\": {\"SOURCEPORT\": 1}, \"\": {}, \"SETTINGS\": {\"QUEUE\": -1, \"HTTP\": \"x\"}}";

static struct config *config, *other_config;
static struct ruleset *ruleset;

/* Does something, and says whether memory sufficed. Checks what came of it, and releases it. */
typedef bool attempt(void);

/* Refuses each request in turn, until there are no more. */
static void refuse_each(attempt *try, bool stays)
{
	unsigned refused = 0;
	bool done, reached;

	no_memory_stays = stays;
	for (unsigned at = 1; at < 100000; at++) {
		no_memory_asked = 0;
		no_memory_at = at;
		done = try();
		reached = no_memory_asked >= at;
		no_memory_at = 0;
		refused += !done;
		if (!reached) {
			assert_true(done);
			assert_int_not_equal(refused, 0);
			return;
		}
	}
	fail();
}

static void check(attempt *try)
{
	assert_true(try());
	refuse_each(try, false);
	refuse_each(try, true);
}

/* Whether a text was made, which is then the one that is made with memory enough. */
static bool take(char *text, char **former)
{
	bool made = text != NULL;

	if (made && *former)
		assert_string_equal(text, *former);
	if (made && !*former)
		*former = strdup(text);
	free(text);
	return made;
}

static bool parse(const char *text, bool is_sound)
{
	struct config_errors errors = {0};
	struct config *made = config_parse(text, strlen(text), "t", &errors);
	bool told = false, complete;

	for (size_t i = 0; i < errors.count; i++)
		told |= strstr(errors.messages[i], "out of memory") != NULL;
	if (is_sound)
		assert_int_equal(made != NULL, !told);
	else
		assert_null(made);
	assert_int_equal(errors.count > 0, made == NULL);
	complete = is_sound ? made != NULL : !told;
	config_free(made);
	config_errors_free(&errors);
	return complete;
}

static bool parse_sound(void)
{
	return parse(sound, true);
}

static bool parse_wrong(void)
{
	return parse(wrong, false);
}

static void test_parsing(void **state)
{
	(void)state;
	check(parse_sound);
	check(parse_wrong);
}

static bool check_addresses(void)
{
	static const struct ip_interface_address own[] = {{{AF_INET, {192, 0, 2, 9}}, 30}};
	struct config_errors errors = {0};
	bool told = false;

	assert_false(config_check_addresses(config, "t", own, 1, &errors));
	assert_true(errors.count > 0);
	for (size_t i = 0; i < errors.count; i++)
		told |= strstr(errors.messages[i], "out of memory") != NULL;
	config_errors_free(&errors);
	return !told;
}

static bool describe(void)
{
	static char *former;

	return take(config_describe(config, 2), &former);
}

static bool list_ports(void)
{
	static char *former;

	return take(config_ports_text(&config->rules[0]), &former);
}

static bool compare(void)
{
	static char *former;

	return take(config_diff(config, other_config), &former);
}

static void test_words(void **state)
{
	(void)state;
	check(check_addresses);
	check(describe);
	check(list_ports);
	check(compare);
}

static bool write_nft(void)
{
	static char *former;
	const struct ip_address resolved = {AF_INET, {192, 0, 2, 77}};
	const struct rules_text_options options = {
		.cpu_count = 2, .resolved = &resolved, .resolved_count = 1};

	return take(rules_text_nft(config, &options), &former);
}

static bool write_iptables(void)
{
	static char *former;
	const struct rules_text_options options = {.cpu_count = 2, .way = RULES_WAY_IPTABLES};

	return take(rules_text_iptables(config, &options), &former);
}

static void test_netfilter_rules(void **state)
{
	(void)state;
	check(write_nft);
	check(write_iptables);
}

static bool compile(void)
{
	struct ruleset *made = ruleset_compile(config);

	ruleset_free(made);
	return made != NULL;
}

static bool select_copies(void)
{
	struct selection_limits *limits = selection_limits_create(ruleset);
	struct selection *selection = limits ? selection_create(ruleset, limits) : NULL;

	selection_free(selection);
	selection_limits_free(limits);
	return selection != NULL;
}

static bool view_network(void)
{
	static const struct netview_route routes[2] = {{.mtu_bytes = 1500}};
	static const struct ip_address own[2] = {{AF_INET, {192, 0, 2, 1}}, {AF_INET, {10}}};
	static const uint32_t interfaces[2] = {3, 2};
	struct netview *view = netview_create(own, 2, routes, 2, interfaces, 2);

	netview_free(view);
	return view != NULL;
}

static bool build_tables(void)
{
	struct fastpath_verdict verdicts[8];
	const struct fastpath_inputs inputs = {
		.ruleset = ruleset,
		.limits = {64, 1000, 1000, 100, 1000, 8, 8, 8},
	};
	struct fastpath_tables *tables = fastpath_tables_build(&inputs, verdicts);

	fastpath_tables_free(tables);
	return tables != NULL;
}

static void test_datapath(void **state)
{
	(void)state;
	check(compile);
	check(select_copies);
	check(view_network);
	check(build_tables);
}

static bool convert(const char *format, const char *text, char **former)
{
	struct import_result result;
	bool told = false;

	import_convert(import_format_find(format), text, strlen(text), "t", 0, &result);
	for (size_t i = 0; i < result.messages.count; i++)
		told |= strstr(result.messages.messages[i], "out of memory") != NULL;
	/* It may be that only messages are missing. */
	assert_true(result.config || told);
	assert_true(result.messages.count > 0);
	if (result.config)
		take(strdup(result.config), former);
	import_result_free(&result);
	return !told;
}

static bool convert_samplicator(void)
{
	static char *former;

	return convert("samplicator",
		       "10.0.0.0/8: 192.0.2.1/9995 flow.example/1/10,9\n[2001:db8::]/48: "
		       "[2001:db8::9]/4739\n10.1.0.0/16: 192.0.2.1/9995 x/y/z\n",
		       &former);
}

static bool convert_pmacct(void)
{
	static char *former;

	return convert("pmacct",
		       "id=1 ip=192.0.2.1:2100,[2001:db8::1]:2100 tag=100 balance-alg=hash-agent\n"
		       "id=2 ip=192.0.2.2:2100 src_port=9\nnonsense\n",
		       &former);
}

static void test_import(void **state)
{
	(void)state;
	check(convert_samplicator);
	check(convert_pmacct);
}

static int begin(void **state)
{
	struct config_errors errors = {0};

	(void)state;
	config = config_parse(sound, strlen(sound), "t", &errors);
	if (!config)
		fail_msg("%s", errors.messages[0]);
	other_config = config_parse(other, strlen(other), "t", &errors);
	ruleset = ruleset_compile(config);
	assert_true(other_config && ruleset);
	return 0;
}

static int end(void **state)
{
	(void)state;
	ruleset_free(ruleset);
	config_free(other_config);
	config_free(config);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parsing),		cmocka_unit_test(test_words),
		cmocka_unit_test(test_netfilter_rules), cmocka_unit_test(test_datapath),
		cmocka_unit_test(test_import),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
