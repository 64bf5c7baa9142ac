/* SPDX-License-Identifier: MIT */
#include "control/metrics.h"

#include "control/exposition.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A counter of a struct of counters, and where it stands there. */
struct family {
	const char *name;
	const char *help;
	size_t offset;
};

#define COUNT(families) (sizeof(families) / sizeof((families)[0]))

static const struct family totals[] = {
	{"received_packets_total",
	 "Packets that came in to be duplicated: matched + unmatched + malformed + truncated.",
	 offsetof(struct counters_total, received_pkts)},
	{"matched_packets_total",
	 "Packets that one rule or more applied to: originals forwarded + originals dropped.",
	 offsetof(struct counters_total, matched_by_any_pkts)},
	{"unmatched_packets_total",
	 "Packets that were taken in and then matched no rule; they went on, without copies.",
	 offsetof(struct counters_total, unmatched_pkts)},
	{"malformed_packets_total",
	 "Packets whose headers contradict themselves; they went on, without copies.",
	 offsetof(struct counters_total, malformed_pkts)},
	{"truncated_packets_total",
	 "Packets larger than the queue can carry; they went on, without copies.",
	 offsetof(struct counters_total, truncated_pkts)},
	{"originals_forwarded_packets_total",
	 "Matched packets that went on to where the client had sent them.",
	 offsetof(struct counters_total, originals_forwarded_pkts)},
	{"originals_dropped_packets_total",
	 "Matched packets that ended at the appliance, as ORIGINAL says.",
	 offsetof(struct counters_total, originals_dropped_pkts)},
};

static const struct family of_rules[] = {
	{"rule_matched_packets_total",
	 "Packets that the rule applied to: sampled out + rate limited + duplicated.",
	 offsetof(struct counters_rule, matched_pkts)},
	{"rule_matched_bytes_total",
	 "Bytes of the packets that the rule applied to, IP headers included.",
	 offsetof(struct counters_rule, matched_bytes)},
	{"rule_sampled_out_packets_total", "Matched packets that the rule's SAMPLE left out.",
	 offsetof(struct counters_rule, sampled_out_pkts)},
	{"rule_rate_limited_packets_total",
	 "Matched packets that were not duplicated because they exceeded the rule's RATELIMIT.",
	 offsetof(struct counters_rule, rate_limited_pkts)},
	{"rule_duplicated_packets_total",
	 "Matched packets of which copies were due to the rule's destinations.",
	 offsetof(struct counters_rule, duplicated_pkts)},
};

static const struct family of_destinations[] = {
	{"destination_due_packets_total",
	 "Copies that the destination should get: sent + dropped, for whatever reason.",
	 offsetof(struct counters_destination, due_pkts)},
	{"destination_sampled_out_packets_total",
	 "Packets that the destination's own SAMPLE left out.",
	 offsetof(struct counters_destination, sampled_out_pkts)},
	{"destination_sent_packets_total",
	 "Copies that left for the destination; one in fragments counts once.",
	 offsetof(struct counters_destination, sent_pkts)},
	{"destination_sent_bytes_total",
	 "Bytes of the copies that left for the destination, IP headers included.",
	 offsetof(struct counters_destination, sent_bytes)},
};

static uint64_t read_at(const void *counters, const struct family *family)
{
	return counter_read((const counter *)((const char *)counters + family->offset));
}

static void put_number(struct exposition *out, const char *name, enum exposition_type type,
		       const char *help, uint64_t value)
{
	exposition_family(out, name, type, help);
	exposition_begin(out);
	exposition_value(out, value);
}

static void put_gauge(struct exposition *out, const char *name, const char *help, uint64_t value)
{
	put_number(out, name, EXPOSITION_GAUGE, help, value);
}

/* A family that has nothing to say but its label. */
static void put_text(struct exposition *out, const char *name, const char *help, const char *label,
		     const char *text)
{
	exposition_family(out, name, EXPOSITION_GAUGE, help);
	exposition_begin(out);
	exposition_label(out, label, text);
	exposition_value(out, 1);
}

/* Without a reload, what runs is what was wanted, and there is no time to tell. */
static void put_reload(struct exposition *out, const struct status_reload *reload)
{
	put_gauge(out, "last_reload_success",
		  "0 when the last reload was refused and the former rules go on, else 1.",
		  !reload->report || reload->ok);
	exposition_family(out, "last_reload_timestamp_seconds", EXPOSITION_GAUGE,
			  "When the last reload was asked for, in seconds since 1970-01-01 UTC; "
			  "nothing before the first.");
	if (!reload->report)
		return;
	exposition_begin(out);
	exposition_value(out, (uint64_t)reload->at);
}

static void put_instance(struct exposition *out, const struct status *status)
{
	put_text(out, "build_info", "The version that runs.", "version", TRAFFICDUPLICATOR_VERSION);
	put_text(out, "config_info", "The configuration file.", "path", status->config_path);
	put_gauge(out, "start_time_seconds",
		  "When the daemon started, in seconds since 1970-01-01 UTC; its counters begin "
		  "there.",
		  (uint64_t)status->started_at);
	put_gauge(out, "healthy",
		  "1 while packets can be duplicated, else 0; /healthz has the reason.",
		  strcmp(status->health, "ok") == 0);
	put_reload(out, &status->last_reload);
	put_number(out, "rules_restored_total", EXPOSITION_COUNTER,
		   "How often the netfilter rules were put back after another program had taken "
		   "them away or changed them.",
		   status->rules_restored);
	put_gauge(out, "fastpath_enabled",
		  "1 when the configuration wants the fast path, by FASTPATH auto.",
		  strcmp(status->fastpath, "off") != 0);
	put_gauge(out, "fastpath_on",
		  "1 while the fast path is there; which rules it serves is told by rule.",
		  strcmp(status->fastpath, "on") == 0);
}

static void put_totals(struct exposition *out, const struct status *status)
{
	const struct counters_total *total = &status->counters->total;

	for (const struct family *family = totals; family < totals + COUNT(totals); family++)
		put_number(out, family->name, EXPOSITION_COUNTER, family->help,
			   read_at(total, family));
	put_gauge(out, "queue_waiting_packets", "Packets that wait in the kernel's queues now.",
		  status->queue_waiting_pkts);
	put_number(out, "queue_dropped_packets_total", EXPOSITION_COUNTER,
		   "Packets that the kernel could not queue because more came than are served; "
		   "WHENFULL says what became of the originals.",
		   status->queue_dropped_kernel_pkts);
}

static void put_probes(struct exposition *out, const struct status_probes *probes)
{
	put_number(out, "loop_probes_sent_packets_total", EXPOSITION_COUNTER,
		   "Packets sent to find out whether copies come back; in no other counter.",
		   probes->sent_pkts);
	put_number(out, "loop_probes_returned_packets_total", EXPOSITION_COUNTER,
		   "Those that came back, which proves a loop; received packets as all others.",
		   probes->returned_pkts);
}

static void begin_rule(struct exposition *out, const struct ruleset_rule *rule)
{
	exposition_begin(out);
	exposition_label(out, "rule", rule->config->name);
}

static void put_rule_infos(struct exposition *out, const struct status *status)
{
	exposition_family(out, "rule_info", EXPOSITION_GAUGE,
			  "1; the rule's SOURCEPORT and BALANCE.");
	for (size_t r = 0; r < status->ruleset->rule_count; r++) {
		const struct config_rule *config = status->ruleset->rules[r].config;
		char *ports = config_ports_text(config);

		if (!ports) {
			exposition_fail(out);
			return;
		}
		begin_rule(out, &status->ruleset->rules[r]);
		exposition_label(out, "ports", ports);
		exposition_label(out, "balance", balance_mode_name(config->balance));
		exposition_value(out, 1);
		free(ports);
	}
}

static void put_rule_states(struct exposition *out, const struct status *status)
{
	const struct ruleset *ruleset = status->ruleset;

	exposition_family(out, "rule_enabled", EXPOSITION_GAUGE,
			  "1 for a rule in force, 0 for one with ENABLED false.");
	for (size_t r = 0; r < ruleset->rule_count; r++) {
		begin_rule(out, &ruleset->rules[r]);
		exposition_value(out, ruleset->rules[r].config->enabled);
	}
	exposition_family(out, "rule_fastpath_on", EXPOSITION_GAUGE,
			  "1 while the kernel serves the rule's packets where they arrive, 0 while "
			  "they are queued.");
	for (size_t r = 0; r < ruleset->rule_count; r++) {
		begin_rule(out, &ruleset->rules[r]);
		exposition_value(out, status->verdicts &&
					      status->verdicts[r].reason == FASTPATH_IN_KERNEL);
	}
}

static void put_rule_counters(struct exposition *out, const struct status *status)
{
	for (size_t f = 0; f < COUNT(of_rules); f++) {
		exposition_family(out, of_rules[f].name, EXPOSITION_COUNTER, of_rules[f].help);
		for (size_t r = 0; r < status->ruleset->rule_count; r++) {
			begin_rule(out, &status->ruleset->rules[r]);
			exposition_value(out, read_at(&status->counters->rules[r], &of_rules[f]));
		}
	}
}

static void begin_destination(struct exposition *out, const struct status *status, size_t index)
{
	const struct ruleset_destination *destination = &status->ruleset->destinations[index];

	begin_rule(out, &status->ruleset->rules[destination->rule]);
	exposition_label(out, "destination", destination->config->name);
}

/* Where a destination is. One that keeps the packet's own port has no label for it. */
static void put_destination_infos(struct exposition *out, const struct status *status)
{
	char address[IP_TEXT_SIZE], text[32];

	exposition_family(out, "destination_info", EXPOSITION_GAUGE,
			  "1; address and port of the destination, where it has them, and its "
			  "CHECK.");
	for (size_t d = 0; d < status->ruleset->destination_count; d++) {
		const struct config_destination *config = status->ruleset->destinations[d].config;

		begin_destination(out, status, d);
		exposition_label(out, "address", ip_format(&config->address, address));
		snprintf(text, sizeof(text), "%u", config->port);
		if (config->port)
			exposition_label(out, "port", text);
		snprintf(text, sizeof(text), "%s/%u", check_kind_name(config->check),
			 config->check_port);
		exposition_label(out, "check",
				 config->check == CHECK_TCP ? text
							    : check_kind_name(config->check));
		exposition_value(out, 1);
	}
}

/* Of an address that nobody checks, nobody knows. */
static void put_destination_ups(struct exposition *out, const struct status *status)
{
	exposition_family(out, "destination_up", EXPOSITION_GAUGE,
			  "0 while the destination's CHECK fails or its host name has no address; "
			  "an address without CHECK is not here.");
	for (size_t d = 0; d < status->ruleset->destination_count; d++) {
		const struct config_destination *config = status->ruleset->destinations[d].config;

		if (config->check == CHECK_NONE && !config->host)
			continue;
		begin_destination(out, status, d);
		exposition_value(out, config->address.family != AF_UNSPEC && status->is_up[d] != 0);
	}
}

static void put_destination_loops(struct exposition *out, const struct status *status)
{
	exposition_family(out, "destination_loop", EXPOSITION_GAUGE,
			  "1 while copies to the destination come back, else 0.");
	for (size_t d = 0; d < status->ruleset->destination_count; d++) {
		begin_destination(out, status, d);
		exposition_value(out, status->in_loop && status->in_loop[d]);
	}
}

static void put_destination_counters(struct exposition *out, const struct status *status)
{
	for (size_t f = 0; f < COUNT(of_destinations); f++) {
		const struct family *family = &of_destinations[f];

		exposition_family(out, family->name, EXPOSITION_COUNTER, family->help);
		for (size_t d = 0; d < status->ruleset->destination_count; d++) {
			begin_destination(out, status, d);
			exposition_value(out, read_at(&status->counters->destinations[d], family));
		}
	}
}

/* Every reason from the start, so that the first drop is an increase from 0. */
static void put_destination_drops(struct exposition *out, const struct status *status)
{
	exposition_family(out, "destination_dropped_packets_total", EXPOSITION_COUNTER,
			  "Copies that did not leave for the destination, by reason.");
	for (size_t d = 0; d < status->ruleset->destination_count; d++) {
		for (unsigned reason = 0; reason < REASON_COUNT; reason++) {
			begin_destination(out, status, d);
			exposition_label(out, "reason", reason_name(reason));
			exposition_value(
				out,
				counter_read(
					&status->counters->destinations[d].dropped_pkts[reason]));
		}
	}
}

char *metrics_text(const struct status *status)
{
	struct exposition *out = exposition_create();

	if (!out)
		return NULL;
	put_instance(out, status);
	put_totals(out, status);
	put_probes(out, &status->probes);
	put_rule_infos(out, status);
	put_rule_states(out, status);
	put_rule_counters(out, status);
	put_destination_infos(out, status);
	put_destination_ups(out, status);
	put_destination_loops(out, status);
	put_destination_counters(out, status);
	put_destination_drops(out, status);
	return exposition_finish(out);
}
