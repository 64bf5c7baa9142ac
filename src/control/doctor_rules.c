/* SPDX-License-Identifier: MIT */
/* The loaded rules: there, as the configuration has them, and matching packets. */
#include "control/doctor.h"
#include "control/doctor_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE "trafficduplicator"
#define CHAIN "TRAFFICDUPLICATOR"

/* The administrator's own rules are made with what `rules` prints. */
static void mend_own_rules(const struct doctor *doctor, struct doctor_finding *finding)
{
	const char *path = doctor->options.config_path;
	const char *defragmentation =
		doctor->defragmentation == RULES_DEFRAGMENTATION_CT ? "ct" : "tproxy";

	if (doctor->way == RULES_WAY_NFT)
		doctor_mend(finding,
			    "trafficduplicator rules -c %s --defragmentation %s | nft -f -", path,
			    defragmentation);
	else
		doctor_mend(finding,
			    "trafficduplicator rules -c %s --way iptables --defragmentation %s | "
			    "nft -f - && for c in iptables-nft ip6tables-nft; do "
			    "trafficduplicator rules -c %s --format iptables | $c-restore "
			    "--noflush; $c -t raw -C PREROUTING -j " CHAIN
			    " 2>/dev/null || $c -t raw -A PREROUTING -j " CHAIN "; done",
			    path, defragmentation, path);
}

/* A reload brings up what is missing; a start does so too. */
static void mend_rules(const struct doctor *doctor, struct doctor_finding *finding)
{
	if (doctor->options.no_rules)
		mend_own_rules(doctor, finding);
	else if (doctor->status)
		doctor_mend_reload(doctor, finding);
	else
		doctor_mend(finding, "systemctl restart trafficduplicator");
}

/* The object in an entry of nft's list, where it is one of our table's of this kind; or NULL. */
static struct json_object *own_object(struct json_object *entry, const char *kind)
{
	struct json_object *object = json_object_object_get(entry, kind);
	const char *table = strcmp(kind, "table") == 0 ? "name" : "table";

	if (!object || strcmp(doctor_text(object, "family"), "inet") != 0 ||
	    strcmp(doctor_text(object, table), TABLE) != 0)
		return NULL;
	return object;
}

/* How many objects of this kind our table has. */
static size_t count_own(const struct json_object *list, const char *kind)
{
	size_t count = 0;

	for (size_t i = 0; i < doctor_length(list); i++)
		count += own_object(json_object_array_get_idx(list, i), kind) != NULL;
	return count;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(json_object_to_json_string(*(struct json_object *const *)a),
		      json_object_to_json_string(*(struct json_object *const *)b));
}

/*
 * Takes away, at every level, what does not belong to a rule's text: handles and counts. Puts the
 * elements of sets in order, which the kernel's hash tables give in any.
 */
static void normalise(struct json_object *object)
{
	for (size_t i = 0; i < doctor_length(object); i++)
		normalise(json_object_array_get_idx(object, i));
	if (!json_object_is_type(object, json_type_object))
		return;
	json_object_object_del(object, "handle");
	if (json_object_object_get(object, "counter"))
		json_object_object_add(object, "counter", NULL);
	json_object_object_foreach(object, key, value)
	{
		normalise(value);
		if ((strcmp(key, "elem") == 0 || strcmp(key, "set") == 0) &&
		    json_object_is_type(value, json_type_array))
			json_object_array_sort(value, compare_texts);
	}
}

/* Our table's objects of one kind, copied and normalised; the caller releases the array. */
static struct json_object *take_own(const struct json_object *list, const char *kind)
{
	struct json_object *taken = json_object_new_array();

	for (size_t i = 0; taken && i < doctor_length(list); i++) {
		struct json_object *object = own_object(json_object_array_get_idx(list, i), kind);
		struct json_object *copy = NULL;

		if (!object)
			continue;
		if (json_object_deep_copy(object, &copy, NULL) < 0 ||
		    json_object_array_add(taken, copy) < 0) {
			json_object_put(copy);
			continue;
		}
		normalise(copy);
	}
	return taken;
}

static bool contains(const struct json_object *array, struct json_object *object)
{
	for (size_t i = 0; i < doctor_length(array); i++) {
		if (json_object_equal(json_object_array_get_idx(array, i), object))
			return true;
	}
	return false;
}

/*
 * Whether each of our objects of one kind that is wanted is loaded, and, but for chains, no other.
 * Chains may be more: the rules script notes in empty ones what it has made.
 */
static bool same(const struct json_object *wanted_list, const struct json_object *loaded_list,
		 const char *kind)
{
	struct json_object *wanted = take_own(wanted_list, kind);
	struct json_object *loaded = take_own(loaded_list, kind);
	bool ok = strcmp(kind, "chain") == 0 || doctor_length(wanted) == doctor_length(loaded);

	for (size_t i = 0; ok && i < doctor_length(wanted); i++)
		ok = contains(loaded, json_object_array_get_idx(wanted, i));
	json_object_put(wanted);
	json_object_put(loaded);
	return ok;
}

/* What nft shows of the configuration's rules once they are loaded, in a namespace where nobody
 * else's are. NULL: cannot be found out here. */
static struct json_object *wanted_rules(const struct doctor *doctor,
					const struct rules_text_options *options)
{
	char *input = rules_text_nft(doctor->in_force, options), *output = NULL;
	struct json_object *answer = NULL, *list;

	if (input &&
	    doctor_command_apart("nft -f - && nft -j list table inet " TABLE, input, &output) == 0)
		answer = json_tokener_parse(output);
	list = json_object_get(json_object_object_get(answer, "nftables"));
	json_object_put(answer);
	free(output);
	free(input);
	return list;
}

static void check_same(const struct doctor *doctor, const struct rules_text_options *options,
		       struct doctor_report *report)
{
	struct json_object *wanted = wanted_rules(doctor, options);
	struct doctor_finding *finding;

	if (!wanted) {
		finding = doctor_report_add(
			report, DOCTOR_WARNING, "rules_not_compared", NULL,
			"the loaded rules could not be compared with the configuration's");
		doctor_meaning(finding,
			       "That needs CAP_SYS_ADMIN, for a network namespace of its own.");
		doctor_mend(finding, "sudo trafficduplicator doctor");
		return;
	}
	if (!same(wanted, doctor->rules, "set") || !same(wanted, doctor->rules, "map")) {
		finding = doctor_report_add(report, DOCTOR_PROBLEM, "rules_sets", NULL,
					    "the loaded sets are not those of the configuration");
		doctor_meaning(finding,
			       "Packets to some ports are not duplicated, or for nothing.");
		mend_rules(doctor, finding);
	} else if (!same(wanted, doctor->rules, "chain") || !same(wanted, doctor->rules, "rule")) {
		finding = doctor_report_add(report, DOCTOR_PROBLEM, "rules_changed", NULL,
					    "the loaded rules are not those of the configuration");
		doctor_meaning(finding, "Somebody flushed or changed table inet " TABLE ".");
		mend_rules(doctor, finding);
	} else {
		doctor_report_add(report, DOCTOR_OK, "rules", NULL,
				  "table inet " TABLE " is loaded, as the configuration has it");
	}
	json_object_put(wanted);
}

/* All that the table's counters have counted. */
static unsigned long long counted_pkts(const struct json_object *list)
{
	unsigned long long sum_pkts = 0;

	for (size_t i = 0; i < doctor_length(list); i++) {
		const struct json_object *rule =
			own_object(json_object_array_get_idx(list, i), "rule");
		const struct json_object *statements = json_object_object_get(rule, "expr");

		for (size_t j = 0; j < doctor_length(statements); j++)
			sum_pkts += doctor_number(
				json_object_object_get(json_object_array_get_idx(statements, j),
						       "counter"),
				"packets");
	}
	return sum_pkts;
}

/* Rules that were loaded anew, by a reload or for a name's new address, begin to count anew. */
static void say_nothing_counted(const struct doctor *doctor, struct doctor_report *report)
{
	const unsigned long long received = doctor_number(doctor->status, "received_pkts");
	struct doctor_finding *finding;

	if (received > 0) {
		doctor_report_add(report, DOCTOR_OK, "rules_count", NULL,
				  "no packet has matched since the rules were loaded anew; the "
				  "daemon had received %llu before",
				  received);
		return;
	}
	finding = doctor_report_add(report, DOCTOR_WARNING, "rules_count_nothing", NULL,
				    "no packet has matched since the rules were loaded");
	doctor_meaning(finding, "Clients do not send to these ports, their packets do not "
				"reach this machine, or something drops them before: on "
				"EC2 the security group of this machine.");
	doctor_mend(finding, "tcpdump -ni any udp");
}

static void check_counting(const struct doctor *doctor, struct doctor_report *report)
{
	const struct json_object *queue = json_object_object_get(doctor->status, "queue");
	unsigned long long counted = counted_pkts(doctor->rules), taken;
	struct doctor_finding *finding;

	if (counted == 0) {
		say_nothing_counted(doctor, report);
		return;
	}
	doctor_report_add(report, DOCTOR_OK, "rules_count", NULL, "packets that matched: %llu",
			  counted);
	taken = doctor_number(doctor->status, "received_pkts") +
		doctor_number(queue, "waiting_pkts") + doctor_number(queue, "dropped_kernel_pkts");
	if (!doctor->status || taken > 0)
		return;
	finding = doctor_report_add(report, DOCTOR_PROBLEM, "rules_do_not_queue", NULL,
				    "packets match, and none has reached the daemon");
	doctor_meaning(finding, "They are not put into its queue, or into another one.");
	if (doctor->options.no_rules)
		mend_own_rules(doctor, finding);
	else
		doctor_mend(finding, "systemctl restart trafficduplicator");
}

/* What `iptables-nft -S` shows of our chain once it is loaded; NULL: cannot be found out here. */
static char *wanted_chain(const struct doctor *doctor, const struct rules_text_options *options,
			  const char *command)
{
	char *input = rules_text_iptables(doctor->in_force, options), *output = NULL;
	char shell[128];

	snprintf(shell, sizeof(shell), "%s-restore --noflush && %s -t raw -S " CHAIN, command,
		 command);
	if (input)
		doctor_command_apart(shell, input, &output);
	free(input);
	return output;
}

static bool is_named(const struct json_object *entry, const char *kind, const char *family,
		     const char *table)
{
	const struct json_object *object = json_object_object_get(entry, kind);

	return object && strcmp(doctor_text(object, "family"), family) == 0 &&
	       strcmp(doctor_text(object, "name"), table) == 0;
}

/* Only asked where it is there: iptables-nft makes a table that it is asked about. */
static char *loaded_raw(const struct doctor *doctor, const char *family, const char *command,
			const char *chain)
{
	const char *const argv[] = {command, "-t", "raw", "-S", chain, NULL};
	char *output = NULL;

	for (size_t i = 0; i < doctor_length(doctor->rules); i++) {
		if (is_named(json_object_array_get_idx(doctor->rules, i), "table", family, "raw")) {
			doctor_command(argv, NULL, &output);
			break;
		}
	}
	return output;
}

static void say_chain(const struct doctor *doctor, struct doctor_report *report, const char *id,
		      const char *command, const char *title)
{
	struct doctor_finding *finding =
		doctor_report_add(report, DOCTOR_PROBLEM, id, command, "%s: %s", command, title);

	doctor_meaning(finding, "Packets match, and are not put into the queue.");
	mend_rules(doctor, finding);
}

/* Our chain of table raw, and the jump to it. */
static void check_chain(const struct doctor *doctor, const struct rules_text_options *options,
			const char *family, const char *command, struct doctor_report *report)
{
	char *wanted = wanted_chain(doctor, options, command);
	char *loaded = loaded_raw(doctor, family, command, CHAIN);
	char *prerouting = loaded_raw(doctor, family, command, "PREROUTING");
	const char *jump = prerouting ? strstr(prerouting, "-j " CHAIN "\n") : NULL;

	if (!loaded)
		say_chain(doctor, report, "raw_chain", command,
			  "chain " CHAIN " of table raw is missing");
	else if (wanted && strcmp(wanted, loaded) != 0)
		say_chain(doctor, report, "raw_chain", command,
			  "chain " CHAIN " of table raw is not that of the configuration");
	else if (!jump)
		say_chain(doctor, report, "raw_jump", command,
			  "nothing in raw PREROUTING leads to " CHAIN);
	else
		doctor_report_add(report, DOCTOR_OK, "raw_chain", command,
				  "%s: raw PREROUTING leads to chain " CHAIN ", as it should",
				  command);
	free(wanted);
	free(loaded);
	free(prerouting);
}

/* Whether any rule of this machine queues packets. */
static bool any_queues(const struct doctor *doctor)
{
	for (size_t i = 0; i < doctor_length(doctor->rules); i++) {
		const struct json_object *rule =
			json_object_object_get(json_object_array_get_idx(doctor->rules, i), "rule");
		const struct json_object *statements = json_object_object_get(rule, "expr");

		for (size_t j = 0; j < doctor_length(statements); j++) {
			const struct json_object *statement =
				json_object_array_get_idx(statements, j);
			const struct json_object *xt = json_object_object_get(statement, "xt");

			if (json_object_object_get_ex(statement, "queue", NULL) ||
			    strcmp(doctor_text(xt, "name"), "NFQUEUE") == 0)
				return true;
		}
	}
	return false;
}

static void say_missing(const struct doctor *doctor, struct doctor_report *report)
{
	struct doctor_finding *finding;

	if (doctor->options.no_rules && any_queues(doctor)) {
		doctor_report_add(report, DOCTOR_OK, "rules_own", NULL,
				  "the administrator's own rules queue packets");
		return;
	}
	finding = doctor_report_add(report, DOCTOR_PROBLEM, "rules_missing", NULL,
				    "table inet " TABLE " is not loaded");
	doctor_meaning(finding, "%s",
		       doctor->options.no_rules
			       ? "No packet is matched. With --no-rules the administrator loads "
				 "the rules."
			       : "No packet is matched. The daemon loads the rules at its start; a "
				 "firewall service that flushes all rules after it takes them "
				 "away.");
	mend_rules(doctor, finding);
}

void doctor_check_rules(const struct doctor *doctor, struct doctor_report *report)
{
	const struct rules_text_options options = {
		.way = doctor->way,
		.defragmentation = doctor->defragmentation,
		.cpu_count = doctor_daemon_cpus(doctor),
	};

	if (!doctor->knows_way)
		return;
	if (count_own(doctor->rules, "table") == 0) {
		say_missing(doctor, report);
		return;
	}
	check_same(doctor, &options, report);
	if (doctor->way == RULES_WAY_IPTABLES) {
		check_chain(doctor, &options, "ip", "iptables-nft", report);
		check_chain(doctor, &options, "ip6", "ip6tables-nft", report);
	}
	check_counting(doctor, report);
}
