/* SPDX-License-Identifier: MIT */
/* The state as Prometheus reads it: families, labels, escapes, and no series twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/metrics.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A configuration in force, with counters of its own. */
struct running {
	struct config *config;
	struct ruleset *ruleset;
	struct counters *counters;
	uint8_t *is_up;
	struct status status;
};

static void run_config(struct running *running, const char *text)
{
	struct config_errors errors = {0};

	running->config = config_parse(text, strlen(text), "t", &errors);
	if (!running->config)
		fail_msg("%s", errors.messages[0]);
	running->ruleset = ruleset_compile(running->config);
	assert_non_null(running->ruleset);
	running->counters =
		counters_create(running->ruleset->rule_count, running->ruleset->destination_count);
	running->is_up = malloc(running->ruleset->destination_count);
	assert_true(running->counters && running->is_up);
	memset(running->is_up, 1, running->ruleset->destination_count);
	running->status = (struct status){
		.uptime_s = 7,
		.started_at = 1700000000,
		.health = "ok",
		.http = "off",
		.config_path = "/etc/t.config",
		.ruleset = running->ruleset,
		.counters = running->counters,
		.is_up = running->is_up,
		.fastpath = "off",
	};
}

static void stop_running(struct running *running)
{
	free(running->is_up);
	counters_free(running->counters);
	ruleset_free(running->ruleset);
	config_free(running->config);
}

static void assert_line(const char *text, const char *line)
{
	char wanted[512];

	assert_true((size_t)snprintf(wanted, sizeof(wanted), "\ntrafficduplicator_%s\n", line) <
		    sizeof(wanted));
	if (!strstr(text, wanted))
		fail_msg("no line '%s' in:\n%s", line, text);
}

static const char two_rules[] =
	"{ \"Syslog\" : { \"SOURCEPORT\" : \"514\",\n"
	"    \"DESTINATION\" : [\"192.0.2.1/514\", \"2001:db8::7/1514\"] },\n"
	"  \"Flows\" : { \"SOURCEPORT\" : \"2055\", \"DESTINATION\" : [\"192.0.2.3\"] } }";

static void number_totals(struct running *running)
{
	struct counters_total *total = &running->counters->total;

	counter_add(&total->received_pkts, 1);
	counter_add(&total->matched_by_any_pkts, 2);
	counter_add(&total->unmatched_pkts, 3);
	counter_add(&total->malformed_pkts, 4);
	counter_add(&total->truncated_pkts, 5);
	counter_add(&total->originals_forwarded_pkts, 6);
	counter_add(&total->originals_dropped_pkts, UINT64_MAX);
	running->status.queue_waiting_pkts = 8;
	running->status.queue_dropped_kernel_pkts = 9;
	running->status.probes = (struct status_probes){33, 3};
}

static void number_rules_and_destinations(struct running *running)
{
	struct counters *c = running->counters;
	struct counters_destination *second = &c->destinations[1];

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

static const char *const numbered[] = {
	"received_packets_total 1",
	"matched_packets_total 2",
	"unmatched_packets_total 3",
	"malformed_packets_total 4",
	"truncated_packets_total 5",
	"originals_forwarded_packets_total 6",
	"originals_dropped_packets_total 18446744073709551615",
	"queue_waiting_packets 8",
	"queue_dropped_packets_total 9",
	"loop_probes_sent_packets_total 33",
	"loop_probes_returned_packets_total 3",
	"rule_matched_packets_total{rule=\"Syslog\"} 11",
	"rule_matched_bytes_total{rule=\"Syslog\"} 12",
	"rule_sampled_out_packets_total{rule=\"Syslog\"} 13",
	"rule_rate_limited_packets_total{rule=\"Syslog\"} 14",
	"rule_duplicated_packets_total{rule=\"Syslog\"} 15",
	"rule_duplicated_packets_total{rule=\"Flows\"} 31",
	"destination_due_packets_total{rule=\"Syslog\",destination=\"192.0.2.1/514\"} 0",
	"destination_due_packets_total{rule=\"Syslog\",destination=\"2001:db8::7/1514\"} 21",
	"destination_sampled_out_packets_total{rule=\"Syslog\",destination=\"2001:db8::7/1514\"} "
	"22",
	"destination_sent_packets_total{rule=\"Syslog\",destination=\"2001:db8::7/1514\"} 23",
	"destination_sent_bytes_total{rule=\"Syslog\",destination=\"2001:db8::7/1514\"} 24",
	"destination_sent_bytes_total{rule=\"Flows\",destination=\"192.0.2.3\"} 41",
	"destination_info{rule=\"Syslog\",destination=\"2001:db8::7/1514\","
	"address=\"2001:db8::7\",port=\"1514\",check=\"none\"} 1",
	"destination_info{rule=\"Flows\",destination=\"192.0.2.3\",address=\"192.0.2.3\","
	"check=\"none\"} 1",
	"rule_info{rule=\"Syslog\",ports=\"514\",balance=\"all\"} 1",
	"start_time_seconds 1700000000",
	"healthy 1",
	"last_reload_success 1",
	"build_info{version=\"" TRAFFICDUPLICATOR_VERSION "\"} 1",
	"config_info{path=\"/etc/t.config\"} 1",
};

static void has_every_number_in_its_place(void **state)
{
	struct running running;
	char *text, line[256];

	(void)state;
	run_config(&running, two_rules);
	number_totals(&running);
	number_rules_and_destinations(&running);
	text = metrics_text(&running.status);
	assert_non_null(text);
	for (size_t i = 0; i < sizeof(numbered) / sizeof(numbered[0]); i++)
		assert_line(text, numbered[i]);
	for (unsigned i = 0; i < REASON_COUNT; i++) {
		snprintf(line, sizeof(line),
			 "destination_dropped_packets_total{rule=\"Syslog\","
			 "destination=\"2001:db8::7/1514\",reason=\"%s\"} %u",
			 reason_name(i), 100 + i);
		assert_line(text, line);
	}
	free(text);
	stop_running(&running);
}

/* The families one by one, each with its samples together, and every line's end. */
static void has_its_families_in_one_piece(void **state)
{
	struct running running;
	char *text, *at, *end, family[128] = "";
	const char *type;
	bool is_counter;

	(void)state;
	run_config(&running, two_rules);
	text = metrics_text(&running.status);
	assert_non_null(text);
	assert_int_equal(text[strlen(text) - 1], '\n');
	for (at = text; *at; at = end + 1) {
		end = strchr(at, '\n');
		if (sscanf(at, "# HELP %127s", family) == 1) {
			assert_int_equal(strncmp(end + 1, "# TYPE ", 7), 0);
			assert_int_equal(strncmp(end + 8, family, strlen(family)), 0);
			is_counter = strcmp(family + strlen(family) - 6, "_total") == 0;
			type = is_counter ? " counter\n" : " gauge\n";
			assert_int_equal(strncmp(end + 8 + strlen(family), type, strlen(type)), 0);
		} else if (*at != '#') {
			assert_int_equal(strncmp(at, family, strlen(family)), 0);
			assert_non_null(strchr("{ ", at[strlen(family)]));
		}
	}
	free(text);
	stop_running(&running);
}

static void tells_health_and_the_last_reload(void **state)
{
	char *text, report[] = "t:1: a comma is missing\n";
	struct running running;

	(void)state;
	run_config(&running, two_rules);
	text = metrics_text(&running.status);
	assert_null(strstr(text, "\ntrafficduplicator_last_reload_timestamp_seconds"));
	free(text);
	running.status.health = "no worker";
	running.status.last_reload =
		(struct status_reload){.at = 1700000001, .ok = false, .report = report};
	text = metrics_text(&running.status);
	assert_line(text, "healthy 0");
	assert_line(text, "last_reload_success 0");
	assert_line(text, "last_reload_timestamp_seconds 1700000001");
	free(text);
	running.status.last_reload.ok = true;
	text = metrics_text(&running.status);
	assert_line(text, "last_reload_success 1");
	free(text);
	stop_running(&running);
}

static void tells_the_fast_path(void **state)
{
	struct fastpath_verdict verdicts[] = {{.reason = FASTPATH_IN_KERNEL},
					      {.reason = FASTPATH_INTERFACE}};
	struct running running;
	char *text;

	(void)state;
	run_config(&running, two_rules);
	text = metrics_text(&running.status);
	assert_line(text, "fastpath_enabled 0");
	assert_line(text, "fastpath_on 0");
	assert_line(text, "rule_fastpath_on{rule=\"Syslog\"} 0");
	free(text);
	running.status.fastpath = "unavailable: no kernel";
	text = metrics_text(&running.status);
	assert_line(text, "fastpath_enabled 1");
	assert_line(text, "fastpath_on 0");
	free(text);
	running.status.fastpath = "on";
	running.status.verdicts = verdicts;
	text = metrics_text(&running.status);
	assert_line(text, "fastpath_enabled 1");
	assert_line(text, "fastpath_on 1");
	assert_line(text, "rule_fastpath_on{rule=\"Syslog\"} 1");
	assert_line(text, "rule_fastpath_on{rule=\"Flows\"} 0");
	free(text);
	stop_running(&running);
}

/* Of those with a CHECK and of host names; of others nothing is known. */
static void tells_which_destinations_are_up(void **state)
{
	struct running running;
	char *text;

	(void)state;
	run_config(&running, "{\"a\": {\"SOURCEPORT\": 9, \"ENABLED\": false, \"DESTINATION\": ["
			     "{\"ADDRESS\": \"192.0.2.1\", \"PORT\": 1, \"CHECK\": \"icmp\"},"
			     "{\"ADDRESS\": \"192.0.2.2\", \"PORT\": 1, \"CHECK\": \"tcp/5\"},"
			     "\"192.0.2.3/1\", \"logs.example/1\"]}}");
	running.is_up[1] = 0;
	running.status.in_loop = (const uint8_t[]){0, 1, 0, 0};
	text = metrics_text(&running.status);
	assert_non_null(text);
	assert_line(text, "destination_up{rule=\"a\",destination=\"192.0.2.1/1\"} 1");
	assert_line(text, "destination_up{rule=\"a\",destination=\"192.0.2.2/1\"} 0");
	assert_line(text, "destination_up{rule=\"a\",destination=\"logs.example/1\"} 0");
	assert_null(strstr(text, "destination_up{rule=\"a\",destination=\"192.0.2.3/1\"}"));
	assert_line(text, "destination_loop{rule=\"a\",destination=\"192.0.2.1/1\"} 0");
	assert_line(text, "destination_loop{rule=\"a\",destination=\"192.0.2.2/1\"} 1");
	assert_line(text, "destination_info{rule=\"a\",destination=\"192.0.2.2/1\","
			  "address=\"192.0.2.2\",port=\"1\",check=\"tcp/5\"} 1");
	assert_line(text, "rule_enabled{rule=\"a\"} 0");
	free(text);
	stop_running(&running);
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Cuts the text into its series, without values, and sorts them. Returns their number. */
static size_t sort_series(char *text, char **series, size_t room)
{
	size_t count = 0;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (*line == '#')
			continue;
		assert_true(count < room);
		*strrchr(line, ' ') = '\0';
		series[count++] = line;
	}
	qsort(series, count, sizeof(*series), by_text);
	return count;
}

/* Names that differ only in what is escaped, and the same destination under many rules. */
static void has_no_series_twice(void **state)
{
	char *series[1024], *text;
	struct running running;
	size_t count;

	(void)state;
	run_config(&running,
		   "{\"a\": {\"SOURCEPORT\": 1, \"DESTINATION\": [\"192.0.2.1/1\","
		   "  {\"ADDRESS\": \"192.0.2.2\", \"PORT\": 1, \"NAME\": \"\\\",reason=\\\"x\"},"
		   "  {\"ADDRESS\": \"192.0.2.3\", \"PORT\": 1, \"NAME\": \"192.0.2.2/1\"}]},"
		   " \"a\\\\\": {\"SOURCEPORT\": 2, \"DESTINATION\": [\"192.0.2.1/1\"]},"
		   " \"a\\\"\": {\"SOURCEPORT\": 3, \"DESTINATION\": [\"192.0.2.1/1\"]},"
		   " \"a\\\\\\\"\": {\"SOURCEPORT\": 4, \"DESTINATION\": [\"192.0.2.1/1\"]},"
		   " \"\\u00e4 \\ud83d\\ude00\": {\"SOURCEPORT\": 5, \"DESTINATION\": "
		   "[\"192.0.2.1/1\"]}}");
	text = metrics_text(&running.status);
	assert_non_null(text);
	assert_line(text, "rule_enabled{rule=\"a\\\\\"} 1");
	assert_line(text, "rule_enabled{rule=\"a\\\"\"} 1");
	assert_line(text, "rule_enabled{rule=\"a\\\\\\\"\"} 1");
	assert_line(text, "rule_enabled{rule=\"\xc3\xa4 \xf0\x9f\x98\x80\"} 1");
	count = sort_series(text, series, sizeof(series) / sizeof(series[0]));
	assert_true(count > 7 * 16);
	for (size_t i = 1; i < count; i++)
		assert_string_not_equal(series[i - 1], series[i]);
	free(text);
	stop_running(&running);
}

/* A path may be any bytes; Prometheus would refuse the whole text for one that is not UTF-8. */
static void is_always_utf8(void **state)
{
	struct running running;
	char *text;

	(void)state;
	run_config(&running, two_rules);
	running.status.config_path = "/\xff\xc3\xa4\xc3/\xed\xa0\x80\n\"\\";
	text = metrics_text(&running.status);
	assert_line(text, "config_info{path=\"/\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd/\xef\xbf\xbd\xef"
			  "\xbf\xbd\xef\xbf\xbd\\n\\\"\\\\\"} 1");
	free(text);
	stop_running(&running);
}

enum { MANY_RULES = 100, DESTINATIONS = 64 };

/* A configuration of many rules with 64 destinations each; freed by the caller. */
static char *many_rules(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (int r = 0; r < MANY_RULES; r++) {
		fprintf(out, "%s\"Rule %d\": {\"SOURCEPORT\": %d, \"DESTINATION\": [",
			r ? "," : "{", r, 1000 + r);
		for (int d = 0; d < DESTINATIONS; d++)
			fprintf(out, "%s\"10.%d.%d.1/514\"", d ? "," : "", r % 256, d);
		fprintf(out, "]}");
	}
	fprintf(out, "}");
	assert_int_equal(fclose(out), 0);
	return text;
}

/* As much as the header promises, whatever the number of rules. */
static void needs_two_kib_for_each_destination(void **state)
{
	char *config = many_rules(), *text;
	struct running running;
	size_t lines = 0;

	(void)state;
	run_config(&running, config);
	text = metrics_text(&running.status);
	assert_non_null(text);
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_in_range(lines, MANY_RULES * DESTINATIONS * 17, MANY_RULES * DESTINATIONS * 18);
	assert_in_range(strlen(text), 0, MANY_RULES * DESTINATIONS * 2048);
	free(text);
	free(config);
	stop_running(&running);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_every_number_in_its_place),
		cmocka_unit_test(has_its_families_in_one_piece),
		cmocka_unit_test(tells_health_and_the_last_reload),
		cmocka_unit_test(tells_the_fast_path),
		cmocka_unit_test(tells_which_destinations_are_up),
		cmocka_unit_test(has_no_series_twice),
		cmocka_unit_test(is_always_utf8),
		cmocka_unit_test(needs_two_kib_for_each_destination),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
