/* SPDX-License-Identifier: MIT */
/* The state as JSON, and as people see it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/status_view.h"
#include "control/status.h"

#include <stdlib.h>
#include <string.h>

static const char two_rules[] =
	"{ \"Syslog \\\"\\u00e4\\\"\" : { \"SOURCEPORT\" : \"514\",\n"
	"    \"DESTINATION\" : [\"192.0.2.1/514\", \"2001:db8::7/1514\"] },\n"
	"  \"Flows\" : { \"SOURCEPORT\" : \"2055\", \"DESTINATION\" : [\"192.0.2.3\"] } }";

/* A configuration in force, with counters of its own. */
struct running {
	struct config *config;
	struct ruleset *ruleset;
	struct counters *counters;
	uint8_t is_up[8];
	struct status status;
};

static void run_config(struct running *running, const char *text)
{
	struct config_errors errors = {0};

	running->config = config_parse(text, strlen(text), "t", &errors);
	assert_non_null(running->config);
	running->ruleset = ruleset_compile(running->config);
	assert_non_null(running->ruleset);
	running->counters =
		counters_create(running->ruleset->rule_count, running->ruleset->destination_count);
	assert_non_null(running->counters);
	memset(running->is_up, 1, sizeof(running->is_up));
	running->status = (struct status){
		.uptime_s = 7,
		.uptime_ms = 7890,
		.config_path = "/etc/t.config",
		.ruleset = running->ruleset,
		.counters = running->counters,
		.is_up = running->is_up,
		.fastpath = "off",
		.started_at = 1700000000,
		.health = "ok",
		.http = "127.0.0.1:9514",
		.rules_restored = 2,
	};
}

static void stop_running(struct running *running)
{
	counters_free(running->counters);
	ruleset_free(running->ruleset);
	config_free(running->config);
}

static const char golden[] =
	"{\"version\":\"" TRAFFICDUPLICATOR_VERSION "\",\"uptime_s\":7,\"uptime_ms\":7890,"
	"\"started_at\":\"2023-11-14T22:13:20Z\",\"config\":\"/etc/t.config\","
	"\"fastpath\":\"off\",\"health\":\"ok\",\"http\":\"127.0.0.1:9514\","
	"\"last_reload\":null,\"rules_restored\":2,\"received_pkts\":1,"
	"\"matched_by_any_pkts\":2,\"unmatched_pkts\":3,\"malformed_pkts\":4,\"truncated_pkts\":5,"
	"\"originals\":{\"forwarded_pkts\":6,\"dropped_pkts\":18446744073709551615},"
	"\"queue\":{\"waiting_pkts\":8,\"dropped_kernel_pkts\":9},"
	"\"loop_probes\":{\"sent_pkts\":33,\"returned_pkts\":3},\"rules\":["
	"{\"name\":\"Syslog "
	"\\\"ä\\\"\",\"enabled\":true,\"ports\":\"514\",\"balance\":\"all\",\"matched_pkts\":11,"
	"\"matched_bytes\":"
	"12,"
	"\"sampled_out_pkts\":13,\"rate_limited_pkts\":14,\"duplicated_pkts\":15,"
	"\"fastpath\":\"off\","
	"\"destinations\":["
	"{\"name\":\"192.0.2.1/514\",\"address\":\"192.0.2.1\",\"port\":514,"
	"\"state\":\"unchecked\",\"loop\":false,\"due_pkts\":0,\"sampled_out_pkts\":0,\"sent_"
	"pkts\":0,"
	"\"sent_bytes\":0,\"dropped\":{\"oversize\":0,\"no_route\":0,\"unreachable\":0,\"down\":0,"
	"\"no_buffer\":0,\"malformed\":0,\"truncated\":0,\"rejected\":0,\"loop\":0,"
	"\"queue_full\":0,\"other\":0}},"
	"{\"name\":\"2001:db8::7/1514\",\"address\":\"2001:db8::7\",\"port\":1514,"
	"\"state\":\"unchecked\",\"loop\":true,\"due_pkts\":21,\"sampled_out_pkts\":22,\"sent_"
	"pkts\":23,"
	"\"sent_bytes\":24,\"dropped\":{\"oversize\":100,\"no_route\":101,\"unreachable\":102,"
	"\"down\":103,\"no_buffer\":104,\"malformed\":105,\"truncated\":106,\"rejected\":107,"
	"\"loop\":108,\"queue_full\":109,\"other\":110}}]},"
	"{\"name\":\"Flows\",\"enabled\":true,\"ports\":\"2055\",\"balance\":\"all\",\"matched_"
	"pkts\":0,\"matched_"
	"bytes\":0,\"sampled_out_pkts\":0,"
	"\"rate_limited_pkts\":0,\"duplicated_pkts\":31,\"fastpath\":\"off\",\"destinations\":["
	"{\"name\":\"192.0.2.3\",\"address\":\"192.0.2.3\",\"port\":0,\"state\":\"unchecked\","
	"\"loop\":false,"
	"\"due_pkts\":0,\"sampled_out_pkts\":0,\"sent_pkts\":0,\"sent_bytes\":41,"
	"\"dropped\":{\"oversize\":0,\"no_route\":0,\"unreachable\":0,\"down\":0,\"no_buffer\":0,"
	"\"malformed\":0,\"truncated\":0,\"rejected\":0,\"loop\":0,\"queue_full\":0,"
	"\"other\":0}}]}]}";

static const uint8_t second_in_loop[] = {0, 1, 0};

/* Every number in its place, every key, in the promised order. */
static void number_each_place(struct running *running)
{
	struct counters *c = running->counters;
	struct counters_destination *second = &c->destinations[1];

	counter_add(&c->total.received_pkts, 1);
	counter_add(&c->total.matched_by_any_pkts, 2);
	counter_add(&c->total.unmatched_pkts, 3);
	counter_add(&c->total.malformed_pkts, 4);
	counter_add(&c->total.truncated_pkts, 5);
	counter_add(&c->total.originals_forwarded_pkts, 6);
	counter_add(&c->total.originals_dropped_pkts, UINT64_MAX);
	running->status.queue_waiting_pkts = 8;
	running->status.queue_dropped_kernel_pkts = 9;
	running->status.probes = (struct status_probes){33, 3};
	running->status.in_loop = second_in_loop;
	counter_add(&c->rules[0].matched_pkts, 11);
	counter_add(&c->rules[0].matched_bytes, 12);
	counter_add(&c->rules[0].sampled_out_pkts, 13);
	counter_add(&c->rules[0].rate_limited_pkts, 14);
	counter_add(&c->rules[0].duplicated_pkts, 15);
	counter_add(&c->rules[1].duplicated_pkts, 31);
	counter_add(&second->due_pkts, 21);
	counter_add(&second->sampled_out_pkts, 22);
	counter_add(&second->sent_pkts, 23);
	counter_add(&second->sent_bytes, 24);
	for (unsigned i = 0; i < REASON_COUNT; i++)
		counter_add(&second->dropped_pkts[i], 100 + i);
	counter_add(&c->destinations[2].sent_bytes, 41);
}

static void has_every_key_in_order(void **state)
{
	const int plain = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	struct running running;
	struct json_object *object;
	char *json;

	(void)state;
	run_config(&running, two_rules);
	number_each_place(&running);
	json = status_json(&running.status);
	assert_non_null(json);
	assert_int_equal(json[strlen(json) - 1], '\n');
	object = json_tokener_parse(json);
	assert_non_null(object);
	assert_string_equal(json_object_to_json_string_ext(object, plain), golden);
	json_object_put(object);
	free(json);
	stop_running(&running);
}

/* What people read of two samples. Freed by the caller. */
static char *view(struct running *earlier, struct running *later, double elapsed_s, bool colour)
{
	char *earlier_json = status_json(&earlier->status);
	char *later_json = status_json(&later->status);
	struct json_object *earlier_object = json_tokener_parse(earlier_json);
	struct json_object *later_object = json_tokener_parse(later_json);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_true(out && earlier_object && later_object);
	status_view_print(out, earlier_object, later_object, elapsed_s, colour);
	assert_int_equal(fclose(out), 0);
	json_object_put(earlier_object);
	json_object_put(later_object);
	free(earlier_json);
	free(later_json);
	return text;
}

static const char one_rule[] =
	"{ \"DuplicateSyslog\" : { \"SOURCEPORT\" : \"514\",\n"
	"    \"DESTINATION\" : [\"172.31.63.131/514\", \"172.31.62.1/514\"] } }";

/* 1,234,567 packets, of which the second destination lost ten. */
static void count_traffic(struct running *running)
{
	struct counters *c = running->counters;

	counter_add(&c->total.received_pkts, 1234567);
	counter_add(&c->total.matched_by_any_pkts, 1234567);
	counter_add(&c->total.originals_dropped_pkts, 1234567);
	counter_add(&c->rules[0].matched_pkts, 1234567);
	counter_add(&c->rules[0].matched_bytes, 246913400);
	counter_add(&c->rules[0].duplicated_pkts, 1234567);
	counter_add(&c->destinations[0].due_pkts, 1234567);
	counter_add(&c->destinations[0].sent_pkts, 1234567);
	counter_add(&c->destinations[0].sent_bytes, 246913400);
	counter_add(&c->destinations[1].due_pkts, 1234567);
	counter_add(&c->destinations[1].sent_pkts, 1234557);
	counter_add(&c->destinations[1].dropped_pkts[REASON_NO_ROUTE], 10);
}

/* A path may have any bytes but NUL. */
static void is_utf8_whatever_the_path_is(void **state)
{
	struct running running;
	struct json_object *object;
	char *json;

	(void)state;
	run_config(&running, two_rules);
	running.status.config_path = "/etc/\xff\xc3\xa4\xe2\x82.config";
	json = status_json(&running.status);
	object = json_tokener_parse(json);
	assert_string_equal(json_object_get_string(json_object_object_get(object, "config")),
			    "/etc/\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd.config");
	json_object_put(object);
	free(json);
	stop_running(&running);
}

static void shows_totals_and_rates(void **state)
{
	struct running earlier, later;
	char *text;

	(void)state;
	run_config(&earlier, one_rule);
	run_config(&later, one_rule);
	count_traffic(&earlier);
	count_traffic(&later);
	counter_add(&later.counters->total.received_pkts, 3000);
	counter_add(&later.counters->rules[0].matched_pkts, 3000);
	counter_add(&later.counters->rules[0].matched_bytes, 600000);
	counter_add(&later.counters->destinations[0].due_pkts, 3000);
	counter_add(&later.counters->destinations[0].sent_pkts, 3000);
	counter_add(&later.counters->destinations[0].sent_bytes, 600000);
	text = view(&earlier, &later, 2, false);
	assert_string_equal(
		text,
		"received 1,237,567 (1,500 packets/s)  duplicated 1,234,567  "
		"originals forwarded 0  originals dropped 1,234,567  waiting 0  kernel drops 0\n"
		"http 127.0.0.1:9514\n"
		"\n"
		"DuplicateSyslog  matched 1,237,567 (1,500 packets/s, 2.4 Mbit/s)  "
		"duplicated 1,234,567\n"
		"  DESTINATION        STATE            DUE       SENT  PACKETS/S    BIT RATE\n"
		"  172.31.63.131/514  unchecked  1,237,567  1,237,567      1,500  2.4 Mbit/s\n"
		"  172.31.62.1/514    unchecked  1,234,567  1,234,557          0     0 bit/s"
		"  no_route 10\n");
	free(text);
	stop_running(&earlier);
	stop_running(&later);
}

/* After a reload or a restart there is nothing to compare with. */
static void has_no_rate_for_what_began_anew(void **state)
{
	struct running earlier, later;
	char *text;

	(void)state;
	run_config(&earlier, one_rule);
	run_config(&later, two_rules);
	counter_add(&earlier.counters->total.received_pkts, 100);
	counter_add(&later.counters->total.received_pkts, 5);
	text = view(&earlier, &later, 1, false);
	assert_non_null(strstr(text, "received 5 (- packets/s)"));
	assert_non_null(strstr(text, "Flows  matched 0 (- packets/s, -)"));
	free(text);
	stop_running(&earlier);
	stop_running(&later);
}

static void colours_losses_only(void **state)
{
	struct running running;
	char *text;

	(void)state;
	run_config(&running, one_rule);
	text = view(&running, &running, 1, true);
	assert_null(strstr(text, "\033[31m"));
	free(text);
	count_traffic(&running);
	text = view(&running, &running, 1, true);
	assert_non_null(strstr(text, "\033[31m  no_route 10\033[0m"));
	free(text);
	text = view(&running, &running, 1, false);
	assert_null(strchr(text, '\033'));
	free(text);
	stop_running(&running);
}

/* What a daemon of another version may say, or anybody: not complete, and not of these types. */
static void bears_any_json(void **state)
{
	const char *texts[] = {
		"{}",
		"[]",
		"1",
		"{\"rules\":{}}",
		"{\"rules\":[1,null,{}]}",
		"{\"rules\":[{\"name\":1,\"destinations\":[{\"dropped\":[1]},3]}],\"queue\":2}",
	};
	char *text = NULL;
	size_t size = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct json_object *object = json_tokener_parse(texts[i]);
		FILE *out = open_memstream(&text, &size);

		assert_true(object && out);
		status_view_print(out, object, object, 1, true);
		assert_int_equal(fclose(out), 0);
		assert_int_equal(strncmp(text, "received 0", 10), 0);
		free(text);
		json_object_put(object);
	}
}

static void tells_the_state_of_destinations(void **state)
{
	struct running running;
	char *json;

	(void)state;
	run_config(&running, "{\"a\": {\"SOURCEPORT\": 9, \"DESTINATION\": ["
			     "{\"ADDRESS\": \"192.0.2.1\", \"PORT\": 1, \"CHECK\": \"icmp\"},"
			     "{\"ADDRESS\": \"192.0.2.2\", \"PORT\": 1, \"CHECK\": \"tcp/5\"},"
			     "\"logs.example/1\"]}}");
	running.is_up[1] = 0;
	json = status_json(&running.status);
	assert_non_null(json);
	assert_non_null(strstr(json, "\"state\": \"up\""));
	assert_non_null(strstr(json, "\"state\": \"down\""));
	assert_non_null(strstr(json, "\"state\": \"unresolved\""));
	free(json);
	stop_running(&running);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_the_state_of_destinations),
		cmocka_unit_test(has_every_key_in_order),
		cmocka_unit_test(is_utf8_whatever_the_path_is),
		cmocka_unit_test(shows_totals_and_rates),
		cmocka_unit_test(has_no_rate_for_what_began_anew),
		cmocka_unit_test(colours_losses_only),
		cmocka_unit_test(bears_any_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
