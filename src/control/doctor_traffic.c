/* SPDX-License-Identifier: MIT */
/* What the daemon has counted since it started. */
#include "control/doctor.h"

#include <string.h>

struct advice {
	const char *reason;
	const char *meaning;
	const char *mend;
};

/* One per reason that a destination's drops can have; see core/reason.h. */
static const struct advice advices[] = {
	{"oversize",
	 "Larger than the MTU of the way: the rule says OVERSIZE: drop, or the MTU had just "
	 "shrunk.",
	 "trafficduplicator check; ip link # OVERSIZE \"fragment\", or a larger mtu"},
	{"no_route", "There was no route to the destination.", "ip route get ADDRESS"},
	{"unreachable", "A route said that it cannot be reached.", "ip route get ADDRESS"},
	{"down", "Its health check said that it was down, or its name had no address.",
	 "journalctl -u trafficduplicator # when, and why"},
	{"no_buffer",
	 "The network card's queue or a send buffer was full, or a rule at its egress drops them.",
	 "tc -s qdisc; ip -s link; nft list ruleset netdev # a faster link, or fewer copies"},
	{"malformed", "The packet contradicted itself.", "tcpdump -ni any -v udp"},
	{"truncated", "Larger than NFQUEUE can carry.", "tcpdump -ni any udp and greater 60000"},
	{"rejected", "This machine's own firewall refused them.", "nft list ruleset"},
	{"loop", "Their TTL was used up: two appliances may send to each other.",
	 "traceroute ADDRESS"},
};

static const struct advice *find_advice(const char *reason)
{
	static const struct advice other = {NULL, "The kernel had another error.",
					    "set SETTINGS.LOGLEVEL to \"debug\"; dmesg"};

	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		if (strcmp(advices[i].reason, reason) == 0)
			return &advices[i];
	}
	return &other;
}

static void say_dropped(const struct json_object *destination, const char *reason,
			unsigned long long dropped_pkts, struct doctor_report *report)
{
	const struct advice *advice = find_advice(reason);
	const char *name = doctor_text(destination, "name");
	struct doctor_finding *finding =
		doctor_report_add(report, DOCTOR_WARNING, "copies_dropped", name,
				  "%s: %llu of %llu copies were dropped as %s", name, dropped_pkts,
				  doctor_number(destination, "due_pkts"), reason);

	doctor_meaning(finding, "%s", advice->meaning);
	doctor_mend(finding, "%s", advice->mend);
}

static void check_dropped(struct json_object *destination, struct doctor_report *report)
{
	struct json_object *dropped = json_object_object_get(destination, "dropped");

	if (!json_object_is_type(dropped, json_type_object))
		return;
	json_object_object_foreach(dropped, reason, count)
	{
		if (json_object_get_uint64(count) > 0)
			say_dropped(destination, reason, json_object_get_uint64(count), report);
	}
}

static void check_state(const struct json_object *destination, struct doctor_report *report)
{
	const char *name = doctor_text(destination, "name");
	struct doctor_finding *finding;

	if (strcmp(doctor_text(destination, "state"), "down") != 0)
		return;
	finding = doctor_report_add(report, DOCTOR_PROBLEM, "destination_down", name,
				    "%s: its health check says that it is down", name);
	doctor_meaning(finding, "It gets no copies until two checks in a row succeed.");
	doctor_mend(finding, "ping %s # or what CHECK asks for",
		    doctor_text(destination, "address"));
}

static void check_loop(const struct json_object *destination, struct doctor_report *report)
{
	const char *name = doctor_text(destination, "name");
	struct doctor_finding *finding;

	if (!json_object_get_boolean(json_object_object_get(destination, "loop")))
		return;
	finding = doctor_report_add(report, DOCTOR_PROBLEM, "destination_loop", name,
				    "%s: copies come back from there: a loop", name);
	doctor_meaning(finding,
		       "Each packet gets one copy all the same, and the others are dropped "
		       "as loop; but two packets that are alike get one as well.");
	doctor_mend(finding,
		    "on %s: trafficduplicator status # one of the two must not send to the other",
		    doctor_text(destination, "address"));
}

/* Nothing matches a rule that is disabled, as it should be; its destinations are not missed. */
static bool is_disabled(const struct doctor *doctor, const char *name)
{
	for (size_t i = 0; doctor->in_force && i < doctor->in_force->rule_count; i++) {
		const struct config_rule *rule = &doctor->in_force->rules[i];

		if (strcmp(rule->name, name) == 0)
			return !rule->enabled;
	}
	return false;
}

static void check_rule(const struct doctor *doctor, const struct json_object *rule,
		       struct doctor_report *report)
{
	const struct json_object *destinations = json_object_object_get(rule, "destinations");
	const char *name = doctor_text(rule, "name");
	bool is_enabled = !is_disabled(doctor, name);
	unsigned long long limited_pkts = doctor_number(rule, "rate_limited_pkts");
	struct doctor_finding *finding;

	if (doctor_number(rule, "matched_pkts") == 0 && is_enabled) {
		finding = doctor_report_add(
			report, DOCTOR_WARNING, "rule_idle", name,
			"rule %s: no packet has matched since the daemon started", name);
		doctor_meaning(finding, "Nobody sends to its ports, or not as its other keys ask.");
		doctor_mend(finding, "trafficduplicator explain SRC DST/PORT; tcpdump -ni any udp");
	}
	if (limited_pkts > 0) {
		finding = doctor_report_add(report, DOCTOR_WARNING, "rule_limited", name,
					    "rule %s: %llu packets were above its RATELIMIT", name,
					    limited_pkts);
		doctor_meaning(finding, "They were not copied, as the rule says.");
		doctor_mend(finding, "raise RATELIMIT in the configuration");
	}
	for (size_t i = 0; i < doctor_length(destinations); i++) {
		struct json_object *destination = json_object_array_get_idx(destinations, i);

		if (is_enabled)
			check_state(destination, report);
		check_loop(destination, report);
		check_dropped(destination, report);
	}
}

static void check_losses(const struct doctor *doctor, struct doctor_report *report)
{
	static const struct {
		const char *key, *id, *title, *meaning;
	} losses[] = {
		{"malformed_pkts", "malformed", "malformed packets were not copied",
		 "Headers that contradict themselves, or a source that no host can have."},
		{"truncated_pkts", "truncated", "packets were too large to be copied",
		 "NFQUEUE carries 65,531 bytes at most."},
	};

	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		unsigned long long pkts = doctor_number(doctor->status, losses[i].key);
		struct doctor_finding *finding;

		if (pkts == 0)
			continue;
		finding = doctor_report_add(report, DOCTOR_WARNING, losses[i].id, NULL, "%llu %s",
					    pkts, losses[i].title);
		doctor_meaning(finding, "%s", losses[i].meaning);
		doctor_mend(finding, "tcpdump -ni any -v udp");
	}
}

void doctor_check_traffic(const struct doctor *doctor, struct doctor_report *report)
{
	const struct json_object *rules = json_object_object_get(doctor->status, "rules");
	const size_t before = report->count;

	check_losses(doctor, report);
	for (size_t i = 0; i < doctor_length(rules); i++)
		check_rule(doctor, json_object_array_get_idx(rules, i), report);
	if (report->count == before)
		doctor_report_add(report, DOCTOR_OK, "traffic", NULL,
				  "every rule has matched, and no copy was dropped: received %llu",
				  doctor_number(doctor->status, "received_pkts"));
}
