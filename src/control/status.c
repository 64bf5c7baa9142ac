/* SPDX-License-Identifier: MIT */
#include "control/status.h"

#include "core/config_text.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Takes ownership of value, which is NULL where memory ran out. Returns whether it was added. */
static bool put(struct json_object *object, const char *key, struct json_object *value)
{
	if (!value)
		return false;
	if (json_object_object_add(object, key, value) < 0) {
		json_object_put(value);
		return false;
	}
	return true;
}

static bool put_number(struct json_object *object, const char *key, uint64_t number)
{
	return put(object, key, json_object_new_uint64(number));
}

static bool put_counter(struct json_object *object, const char *key, const counter *c)
{
	return put_number(object, key, counter_read(c));
}

static bool put_text(struct json_object *object, const char *key, const char *text)
{
	return put(object, key, json_object_new_string(text));
}

/* Any text, such as a path: what is not UTF-8 in it becomes U+FFFD, since JSON has nothing else. */
static bool put_any_text(struct json_object *object, const char *key, const char *text)
{
	static const char replacement[] = "\uFFFD";
	size_t left = strlen(text);
	char *clean = malloc(left * strlen(replacement) + 1), *end = clean;
	bool ok = clean != NULL;

	while (ok && left > 0) {
		size_t length = config_text_character(text, left), taken = length ? length : 1;

		end = mempcpy(end, length ? text : replacement,
			      length ? length : strlen(replacement));
		text += taken;
		left -= taken;
	}
	if (ok)
		*end = '\0';
	ok = ok && put_text(object, key, clean);
	free(clean);
	return ok;
}

/* As put, into an array. */
static bool append(struct json_object *array, struct json_object *value)
{
	if (!value)
		return false;
	if (json_object_array_add(array, value) < 0) {
		json_object_put(value);
		return false;
	}
	return true;
}

/* Returns object, or releases it and returns NULL where it is not complete. */
static struct json_object *complete(struct json_object *object, bool is_complete)
{
	if (is_complete)
		return object;
	json_object_put(object);
	return NULL;
}

static struct json_object *dropped_object(const counter dropped_pkts[static REASON_COUNT])
{
	struct json_object *object = json_object_new_object();
	bool ok = object != NULL;

	for (int reason = 0; ok && reason < REASON_COUNT; reason++)
		ok = put_counter(object, reason_name((enum reason)reason), &dropped_pkts[reason]);
	return complete(object, ok);
}

/* "unchecked" is honest: nobody has asked such a destination how it is. */
static const char *state_name(const struct config_destination *config, bool is_up)
{
	if (config->address.family == AF_UNSPEC)
		return "unresolved";
	if (config->check == CHECK_NONE)
		return "unchecked";
	return is_up ? "up" : "down";
}

static struct json_object *destination_object(const struct status *status, size_t index)
{
	const struct config_destination *config = status->ruleset->destinations[index].config;
	const struct counters_destination *counters = &status->counters->destinations[index];
	const bool is_up = status->is_up[index] != 0;
	const bool in_loop = status->in_loop && status->in_loop[index];
	struct json_object *object = json_object_new_object();
	char address[IP_TEXT_SIZE];

	return complete(
		object,
		object && put_text(object, "name", config->name) &&
			put_text(object, "address", ip_format(&config->address, address)) &&
			put_number(object, "port", config->port) &&
			put_text(object, "state", state_name(config, is_up)) &&
			put(object, "loop", json_object_new_boolean(in_loop)) &&
			put_counter(object, "due_pkts", &counters->due_pkts) &&
			put_counter(object, "sampled_out_pkts", &counters->sampled_out_pkts) &&
			put_counter(object, "sent_pkts", &counters->sent_pkts) &&
			put_counter(object, "sent_bytes", &counters->sent_bytes) &&
			put(object, "dropped", dropped_object(counters->dropped_pkts)));
}

static struct json_object *destinations_object(const struct status *status,
					       const struct ruleset_rule *rule)
{
	struct json_object *array = json_object_new_array();
	bool ok = array != NULL;

	for (size_t i = 0; ok && i < rule->config->destination_count; i++) {
		size_t index = rule->first_destination + i;

		ok = append(array, destination_object(status, index));
	}
	return complete(array, ok);
}

/* Whether the kernel serves the rule, and if not, why; or why none. */
static bool put_verdict(struct json_object *object, const struct status *status, size_t index)
{
	char text[FASTPATH_VERDICT_SIZE];

	if (!status->verdicts)
		return put_text(object, "fastpath", status->fastpath);
	return put_text(
		object, "fastpath",
		fastpath_verdict_format(status->ruleset, status->verdicts, (uint32_t)index, text));
}

static bool put_ports(struct json_object *object, const struct config_rule *rule)
{
	char *text = config_ports_text(rule);
	bool ok = text && put_text(object, "ports", text);

	free(text);
	return ok;
}

static struct json_object *rule_object(const struct status *status, size_t index)
{
	const struct ruleset_rule *rule = &status->ruleset->rules[index];
	const struct counters_rule *counters = &status->counters->rules[index];
	struct json_object *object = json_object_new_object();

	return complete(
		object,
		object && put_text(object, "name", rule->config->name) &&
			put(object, "enabled", json_object_new_boolean(rule->config->enabled)) &&
			put_ports(object, rule->config) &&
			put_text(object, "balance", balance_mode_name(rule->config->balance)) &&
			put_counter(object, "matched_pkts", &counters->matched_pkts) &&
			put_counter(object, "matched_bytes", &counters->matched_bytes) &&
			put_counter(object, "sampled_out_pkts", &counters->sampled_out_pkts) &&
			put_counter(object, "rate_limited_pkts", &counters->rate_limited_pkts) &&
			put_counter(object, "duplicated_pkts", &counters->duplicated_pkts) &&
			put_verdict(object, status, index) &&
			put(object, "destinations", destinations_object(status, rule)));
}

static struct json_object *rules_object(const struct status *status)
{
	struct json_object *array = json_object_new_array();
	bool ok = array != NULL;

	for (size_t i = 0; ok && i < status->ruleset->rule_count; i++)
		ok = append(array, rule_object(status, i));
	return complete(array, ok);
}

static struct json_object *originals_object(const struct counters_total *total)
{
	struct json_object *object = json_object_new_object();

	return complete(
		object,
		object && put_counter(object, "forwarded_pkts", &total->originals_forwarded_pkts) &&
			put_counter(object, "dropped_pkts", &total->originals_dropped_pkts));
}

static struct json_object *queue_object(const struct status *status)
{
	struct json_object *object = json_object_new_object();

	return complete(object,
			object && put_number(object, "waiting_pkts", status->queue_waiting_pkts) &&
				put_number(object, "dropped_kernel_pkts",
					   status->queue_dropped_kernel_pkts));
}

static struct json_object *probes_object(const struct status_probes *probes)
{
	struct json_object *object = json_object_new_object();

	return complete(object, object && put_number(object, "sent_pkts", probes->sent_pkts) &&
					put_number(object, "returned_pkts", probes->returned_pkts));
}

/* RFC 3339, in UTC. */
static bool put_time(struct json_object *object, const char *key, time_t when)
{
	char text[sizeof "2026-01-01T00:00:00Z" + 8];
	struct tm parts;

	if (!gmtime_r(&when, &parts) ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		return false;
	return put_text(object, key, text);
}

static bool put_last_reload(struct json_object *object, const struct status_reload *reload)
{
	const char key[] = "last_reload";
	struct json_object *member;

	if (!reload->report)
		return json_object_object_add(object, key, NULL) == 0;
	member = json_object_new_object();
	return put(
		object, key,
		complete(member, member && put_time(member, "at", reload->at) &&
					 put(member, "ok", json_object_new_boolean(reload->ok)) &&
					 put_any_text(member, "report", reload->report)));
}

static bool put_everything(struct json_object *object, const struct status *status)
{
	const struct counters_total *total = &status->counters->total;

	return put_text(object, "version", TRAFFICDUPLICATOR_VERSION) &&
	       put_number(object, "uptime_s", status->uptime_s) &&
	       put_number(object, "uptime_ms", status->uptime_ms) &&
	       put_time(object, "started_at", status->started_at) &&
	       put_any_text(object, "config", status->config_path) &&
	       put_text(object, "fastpath", status->fastpath) &&
	       put_text(object, "health", status->health) &&
	       put_text(object, "http", status->http) &&
	       put_last_reload(object, &status->last_reload) &&
	       put_number(object, "rules_restored", status->rules_restored) &&
	       put_counter(object, "received_pkts", &total->received_pkts) &&
	       put_counter(object, "matched_by_any_pkts", &total->matched_by_any_pkts) &&
	       put_counter(object, "unmatched_pkts", &total->unmatched_pkts) &&
	       put_counter(object, "malformed_pkts", &total->malformed_pkts) &&
	       put_counter(object, "truncated_pkts", &total->truncated_pkts) &&
	       put(object, "originals", originals_object(total)) &&
	       put(object, "queue", queue_object(status)) &&
	       put(object, "loop_probes", probes_object(&status->probes)) &&
	       put(object, "rules", rules_object(status));
}

char *status_json(const struct status *status)
{
	const int style =
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
	struct json_object *object = json_object_new_object();
	const char *text;
	char *json = NULL;

	if (object && put_everything(object, status)) {
		text = json_object_to_json_string_ext(object, style);
		if (!text || asprintf(&json, "%s\n", text) < 0)
			json = NULL;
	}
	json_object_put(object);
	return json;
}
