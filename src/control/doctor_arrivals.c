/* SPDX-License-Identifier: MIT */
/* Other people's rules, and what they do to clients' packets: ahead of ours and behind them. */
#include "control/doctor.h"
#include "control/doctor_netfilter.h"

#include <stdio.h>
#include <sys/socket.h>

/* Priorities of our chain at prerouting, and of the one that iptables queues in. */
enum { PRIORITY_NFT = -301, PRIORITY_RAW = -300 };

/* Most rules and chains that are told of. */
#define TOLD_MAX 64

/* What was found so far. */
struct arrivals {
	const struct doctor *doctor;
	struct doctor_report *report;
	const struct json_object *told[TOLD_MAX]; /* each is told of once */
	size_t told_count;
	bool unfinished;
};

/* Whether a rule or chain has not been told of; notes that it has. */
static bool is_new(struct arrivals *arrivals, const struct json_object *by)
{
	for (size_t i = 0; i < arrivals->told_count; i++) {
		if (arrivals->told[i] == by)
			return false;
	}
	if (arrivals->told_count == TOLD_MAX)
		return false;
	arrivals->told[arrivals->told_count++] = by;
	return true;
}

/* Where it is done, and how such packets are let through. */
static void say_where(const struct json_object *by, const struct port_range *ports,
		      const char *result, struct doctor_finding *finding)
{
	char place[DOCTOR_PLACE_SIZE];

	doctor_firewall_place(by, place);
	if (json_object_object_get(by, "chain"))
		doctor_meaning(finding, "By the rule with handle %llu in chain %s. %s",
			       doctor_number(by, "handle"), place, result);
	else
		doctor_meaning(finding, "By the policy of chain %s. %s", place, result);
	if (ports->first == ports->last)
		doctor_mend(finding, "nft insert rule %s udp dport %u accept", place, ports->first);
	else
		doctor_mend(finding, "nft insert rule %s udp dport %u-%u accept", place,
			    ports->first, ports->last);
}

static void check_ahead(struct arrivals *arrivals, const struct config_rule *rule,
			const struct port_range *ports, struct doctor_packet *packet)
{
	struct doctor_finding *finding;
	struct doctor_fate fate;
	bool sure;

	packet->path = DOCTOR_PATH_ARRIVAL;
	fate = doctor_netfilter_walk(arrivals->doctor->netfilter, packet);
	arrivals->unfinished |= fate.unfinished;
	sure = fate.blocked == DOCTOR_YES;
	if (fate.blocked == DOCTOR_NO || !is_new(arrivals, fate.blocked_by))
		return;
	finding = doctor_report_add(
		arrivals->report, sure ? DOCTOR_PROBLEM : DOCTOR_WARNING,
		sure ? "arrivals_dropped" : "arrivals_may_be_dropped", rule->name,
		"rule %s: packets to port %u %s before they are duplicated", rule->name,
		ports->first, sure ? "are dropped" : "may be dropped");
	say_where(fate.blocked_by, ports, "That comes ahead of our own chain.", finding);
}

/* Only what is certain: that some addresses are not forwarded is what firewalls are for. */
static void check_transit(struct arrivals *arrivals, const struct config_rule *rule,
			  const struct port_range *ports, struct doctor_packet *packet)
{
	struct doctor_finding *finding;
	struct doctor_fate fate;

	if (rule->original == ORIGINAL_DROP)
		return;
	packet->path = DOCTOR_PATH_FORWARD;
	fate = doctor_netfilter_walk(arrivals->doctor->netfilter, packet);
	arrivals->unfinished |= fate.unfinished;
	if (fate.blocked != DOCTOR_YES || !is_new(arrivals, fate.blocked_by))
		return;
	finding = doctor_report_add(
		arrivals->report, DOCTOR_WARNING, "originals_dropped", rule->name,
		"rule %s: originals in transit to port %u are dropped", rule->name, ports->first);
	say_where(fate.blocked_by, ports,
		  "They are duplicated all the same; those addressed to this machine are not "
		  "concerned.",
		  finding);
}

static bool takes(const struct config_rule *rule, uint8_t family)
{
	for (size_t i = 0; i < rule->destination_count; i++) {
		if (config_destination_takes(&rule->destinations[i], family))
			return true;
	}
	return false;
}

static void check_rule(struct arrivals *arrivals, const struct config_rule *rule, uint8_t family)
{
	struct doctor_packet packet = {
		.family = family,
		.own_priority =
			arrivals->doctor->way == RULES_WAY_IPTABLES ? PRIORITY_RAW : PRIORITY_NFT,
	};

	for (size_t i = 0; takes(rule, family) && i < rule->port_count; i++) {
		packet.port = rule->ports[i].first;
		packet.last_port = rule->ports[i].last;
		check_ahead(arrivals, rule, &rule->ports[i], &packet);
		check_transit(arrivals, rule, &rule->ports[i], &packet);
	}
}

static void say_unfinished(struct doctor_report *report)
{
	struct doctor_finding *finding =
		doctor_report_add(report, DOCTOR_WARNING, "arrivals_unfinished", NULL,
				  "this machine has more rules than can be followed here");

	doctor_meaning(finding, "Whether one of them drops clients' packets is not known for each "
				"port.");
	doctor_mend(finding, "nft list ruleset");
}

void doctor_check_arrivals(const struct doctor *doctor, struct doctor_report *report)
{
	struct arrivals arrivals = {.doctor = doctor, .report = report};
	const size_t before = report->count;

	if (!doctor->netfilter || !doctor->knows_way)
		return;
	for (size_t i = 0; i < doctor->config->rule_count; i++) {
		const struct config_rule *rule = &doctor->config->rules[i];

		if (!rule->enabled)
			continue;
		check_rule(&arrivals, rule, AF_INET);
		check_rule(&arrivals, rule, AF_INET6);
	}
	if (arrivals.unfinished)
		say_unfinished(report);
	else if (report->count == before)
		doctor_report_add(report, DOCTOR_OK, "arrivals", NULL,
				  "no rule drops clients' packets before they are duplicated, or "
				  "originals in transit");
}
