/* SPDX-License-Identifier: MIT */
/* Other people's firewall and NAT rules on this machine, and what they do to copies. */
#include "control/doctor.h"
#include "control/doctor_netfilter.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

const char *doctor_firewall_place(const struct json_object *object,
				  char place[static DOCTOR_PLACE_SIZE])
{
	const char *chain = json_object_object_get(object, "chain") ? "chain" : "name";

	snprintf(place, DOCTOR_PLACE_SIZE, "%s %s %s", doctor_text(object, "family"),
		 doctor_text(object, "table"), doctor_text(object, chain));
	return place;
}

/* Whether copies leave by a packet socket while the next hop's link-layer address is confirmed. */
static bool by_link(const struct doctor *doctor, const struct doctor_target *target)
{
	return doctor->config->settings.send == SEND_LINK && target->route.ethernet;
}

/* Adds the finding that a rule, or a chain's policy, does this to copies. */
static void say_fate(const struct doctor *doctor, const struct doctor_target *target,
		     const struct json_object *by, bool is_problem, const char *id,
		     const char *does, struct doctor_report *report)
{
	struct doctor_finding *finding = doctor_report_add(
		report, is_problem ? DOCTOR_PROBLEM : DOCTOR_WARNING, id, target->name,
		"%s: this machine's firewall %s copies", target->name, does);
	const char *which = by_link(doctor, target)
				    ? " With SEND link only those copies pass it that leave while "
				      "the next hop's link-layer address is not confirmed."
				    : "";
	char place[DOCTOR_PLACE_SIZE];

	doctor_firewall_place(by, place);
	if (json_object_object_get(by, "chain"))
		doctor_meaning(finding, "By the rule with handle %llu in chain %s.%s",
			       doctor_number(by, "handle"), place, which);
	else
		doctor_meaning(finding,
			       "The policy of chain %s is to drop, and no rule accepts them for "
			       "certain.%s",
			       place, which);
	doctor_mend(finding, "nft insert rule %s meta mark 0x%" PRIx32 " accept", place,
		    doctor->config->settings.mark);
}

/* What is known of copies to a destination. */
static struct doctor_packet copy_to(const struct doctor *doctor, const struct doctor_target *target)
{
	const struct config_destination *destination = target->destination;
	struct doctor_packet packet = {
		.path = DOCTOR_PATH_OUT,
		.family = target->address.family,
		.to = target->address,
		.port = target->port,
		.last_port = target->port,
		.device = target->device,
		.by_bridge = target->by_bridge,
		.mark = doctor->config->settings.mark,
	};

	if (destination->source == SOURCE_FIXED)
		packet.from = destination->source_address;
	else if (destination->source == SOURCE_APPLIANCE)
		packet.from = target->route.source;
	return packet;
}

/* Whether something was said already of the place of a twin. */
static bool is_said(const struct doctor_report *report, size_t from,
		    const struct doctor_target *target)
{
	for (size_t i = from; target->is_twin && i < report->count; i++) {
		if (strcmp(report->findings[i].about, target->name) == 0)
			return true;
	}
	return false;
}

/* Returns whether the ruleset was walked to its end. */
static bool check_target(const struct doctor *doctor, const struct doctor_target *target,
			 struct doctor_report *report)
{
	const struct doctor_packet packet = copy_to(doctor, target);
	const struct doctor_fate fate = doctor_netfilter_walk(doctor->netfilter, &packet);
	/* What leaves by the link passes no firewall: the rest are some. */
	const bool all = !by_link(doctor, target);
	const bool blocks = all && fate.blocked == DOCTOR_YES;
	const bool rewrites = all && fate.rewritten == DOCTOR_YES;

	if (fate.blocked != DOCTOR_NO)
		say_fate(doctor, target, fate.blocked_by, blocks,
			 blocks ? "firewall_blocks" : "firewall_may_block",
			 blocks ? "drops" : "may drop", report);
	if (fate.rewritten != DOCTOR_NO)
		say_fate(doctor, target, fate.rewritten_by, false,
			 rewrites ? "firewall_rewrites" : "firewall_may_rewrite",
			 rewrites ? "rewrites" : "may rewrite", report);
	return !fate.unfinished;
}

static void say_unfinished(struct doctor_report *report)
{
	struct doctor_finding *finding =
		doctor_report_add(report, DOCTOR_WARNING, "firewall_unfinished", NULL,
				  "this machine has more rules than can be followed here");

	doctor_meaning(finding, "Whether one of them drops copies is not known for each "
				"destination.");
	doctor_mend(finding, "nft list ruleset");
}

/* Whether a statement of a rule translates addresses. */
static bool is_nat(const struct json_object *statement)
{
	static const char *const names[] = {"masquerade", "snat", "dnat", "redirect"};
	static const char *const targets[] = {"MASQUERADE", "SNAT", "DNAT", "REDIRECT", "NETMAP"};
	const char *target = doctor_text(json_object_object_get(statement, "xt"), "name");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (json_object_object_get_ex(statement, names[i], NULL))
			return true;
	}
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		if (strcmp(target, targets[i]) == 0)
			return true;
	}
	return false;
}

/* A rule that translates addresses, or NULL. */
static const struct json_object *find_nat(const struct json_object *rules)
{
	for (size_t i = 0; i < doctor_length(rules); i++) {
		const struct json_object *rule =
			json_object_object_get(json_object_array_get_idx(rules, i), "rule");
		const struct json_object *statements = json_object_object_get(rule, "expr");

		for (size_t j = 0; j < doctor_length(statements); j++) {
			if (is_nat(json_object_array_get_idx(statements, j)))
				return rule;
		}
	}
	return NULL;
}

/* Whether our own rules keep copies from being tracked, and so from NAT. */
static bool copies_are_untracked(const struct json_object *rules)
{
	for (size_t i = 0; i < doctor_length(rules); i++) {
		const struct json_object *rule =
			json_object_object_get(json_object_array_get_idx(rules, i), "rule");
		const struct json_object *statements = json_object_object_get(rule, "expr");

		if (!rule || strcmp(doctor_text(rule, "table"), "trafficduplicator") != 0 ||
		    strcmp(doctor_text(rule, "chain"), "copies") != 0)
			continue;
		for (size_t j = 0; j < doctor_length(statements); j++) {
			if (json_object_object_get_ex(json_object_array_get_idx(statements, j),
						      "notrack", NULL))
				return true;
		}
	}
	return false;
}

static void check_nat(const struct doctor *doctor, struct doctor_report *report)
{
	const struct json_object *rule = find_nat(doctor->rules);
	struct doctor_finding *finding;
	char place[DOCTOR_PLACE_SIZE];

	if (!rule) {
		doctor_report_add(report, DOCTOR_OK, "nat", NULL,
				  "nothing translates addresses on this machine");
		return;
	}
	doctor_firewall_place(rule, place);
	if (copies_are_untracked(doctor->rules)) {
		finding = doctor_report_add(report, DOCTOR_WARNING, "nat_present", NULL,
					    "chain %s translates addresses", place);
		doctor_meaning(finding, "Not those of copies, which are not tracked. But originals "
					"that match are not tracked either: one in transit that "
					"needs the translation goes on without it.");
		doctor_mend(finding,
			    "nft list chain %s # if originals need it, have clients address this "
			    "machine instead",
			    place);
		return;
	}
	finding = doctor_report_add(report, DOCTOR_PROBLEM, "nat_rewrites", NULL,
				    "chain %s may translate the addresses of copies", place);
	doctor_meaning(finding, "The rule of ours that keeps copies from it is not loaded: servers "
				"see this machine instead of the client.");
	doctor_mend(finding, "systemctl restart trafficduplicator");
}

/* The old iptables has rules of its own that nft does not show. */
static void check_legacy(struct doctor_report *report)
{
	static const char *const paths[] = {"/proc/net/ip_tables_names",
					    "/proc/net/ip6_tables_names"};
	static const char *const commands[] = {"iptables-legacy-save", "ip6tables-legacy-save"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		FILE *file = fopen(paths[i], "re");
		struct doctor_finding *finding;
		char table[64];

		if (!file)
			continue;
		if (fscanf(file, "%63s", table) == 1) {
			finding =
				doctor_report_add(report, DOCTOR_WARNING, "iptables_legacy", NULL,
						  "table %s of the old iptables is in use", table);
			doctor_meaning(finding, "Its rules apply too, and were not examined here.");
			doctor_mend(finding, "%s", commands[i]);
		}
		fclose(file);
	}
}

void doctor_check_firewall(const struct doctor *doctor, struct doctor_report *report)
{
	const size_t before = report->count;
	bool finished = true;

	if (!doctor->netfilter)
		return;
	for (size_t i = 0; i < doctor->target_count; i++) {
		const struct doctor_target *target = &doctor->targets[i];

		if (target->device[0] != '\0' && !is_said(report, before, target))
			finished &= check_target(doctor, target, report);
	}
	if (!finished)
		say_unfinished(report);
	else if (report->count == before)
		doctor_report_add(report, DOCTOR_OK, "firewall", NULL,
				  "no rule on this machine drops or rewrites copies");
	check_nat(doctor, report);
	check_legacy(report);
}
