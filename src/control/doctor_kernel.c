/* SPDX-License-Identifier: MIT */
/* What this kernel can do, asked as the rules script asks. */
#include "control/doctor.h"
#include "control/doctor_command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* In check mode nft has the kernel build the rule and throws it away: 0 where it does. */
static int kernel_takes(const char *rule)
{
	const char *const argv[] = {"nft", "-c", "-f", "-", NULL};
	char text[256];

	snprintf(text, sizeof(text),
		 "table inet trafficduplicator_probe {\n\tchain probe {\n\t\t%s\n\t}\n}\n", rule);
	return doctor_command(argv, text, NULL);
}

void doctor_kernel_find_way(struct doctor *doctor)
{
	doctor->knows_way = doctor->rules != NULL;
	doctor->way =
		kernel_takes("queue flags bypass to 0") == 0 ? RULES_WAY_NFT : RULES_WAY_IPTABLES;
	doctor->defragmentation = kernel_takes("meta l4proto udp tproxy ip to :1") == 0
					  ? RULES_DEFRAGMENTATION_TPROXY
					  : RULES_DEFRAGMENTATION_CT;
}

/* Returns whether the rules could be read. */
static bool check_nft(const struct doctor *doctor, struct doctor_report *report)
{
	const char *const argv[] = {"nft", "--version", NULL};
	struct doctor_finding *finding;

	if (doctor->rules)
		return true;
	if (doctor_command(argv, NULL, NULL) < 0) {
		finding = doctor_report_add(report, DOCTOR_PROBLEM, "nft_missing", NULL,
					    "nft is not installed");
		doctor_meaning(finding, "The rules that queue packets cannot be loaded.");
		doctor_mend(finding, "apt-get install nftables");
		return false;
	}
	finding = doctor_report_add(report, DOCTOR_PROBLEM, "nft_unreadable", NULL,
				    "nft cannot read the ruleset as JSON");
	doctor_meaning(finding, "The kernel lacks nftables, or nft was built without JSON. Neither "
				"rules nor firewall were examined.");
	doctor_mend(finding, "modprobe nf_tables && nft -j list ruleset");
	return false;
}

static void check_xt_queue(struct doctor_report *report)
{
	static const char probe[] =
		"for c in iptables-nft ip6tables-nft; do $c -t raw -A PREROUTING -j NFQUEUE "
		"--queue-num 0 --queue-bypass || exit; done";
	const char *const argv[] = {"iptables-nft", "--version", NULL};
	struct doctor_finding *finding;

	if (doctor_command_apart(probe, NULL, NULL) == 0) {
		doctor_report_add(report, DOCTOR_OK, "kernel_queue", NULL,
				  "packets can be queued by iptables-nft's NFQUEUE target (this "
				  "kernel has no nft queue statement)");
		return;
	}
	if (doctor_command(argv, NULL, NULL) < 0) {
		finding = doctor_report_add(
			report, DOCTOR_PROBLEM, "kernel_queue", NULL,
			"the kernel has no nft queue statement, and iptables-nft is not installed");
		doctor_mend(finding, "apt-get install iptables");
	} else {
		finding = doctor_report_add(
			report, DOCTOR_PROBLEM, "kernel_queue", NULL,
			"the kernel can queue packets neither by nft nor by iptables-nft");
		doctor_mend(finding, "modprobe nft_queue || modprobe xt_NFQUEUE");
	}
	doctor_meaning(finding, "No packet can reach the daemon.");
}

void doctor_check_kernel(const struct doctor *doctor, struct doctor_report *report)
{
	if (!check_nft(doctor, report))
		return;
	if (doctor->way == RULES_WAY_NFT)
		doctor_report_add(report, DOCTOR_OK, "kernel_queue", NULL,
				  "packets can be queued by nft's queue statement");
	else
		check_xt_queue(report);
	if (doctor->defragmentation == RULES_DEFRAGMENTATION_TPROXY)
		doctor_report_add(report, DOCTOR_OK, "kernel_defragmentation", NULL,
				  "fragments are put together by tproxy's part of the kernel");
	else
		doctor_report_add(report, DOCTOR_OK, "kernel_defragmentation", NULL,
				  "fragments are put together by connection tracking (this kernel "
				  "has no tproxy)");
}
