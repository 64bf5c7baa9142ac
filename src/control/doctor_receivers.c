/* SPDX-License-Identifier: MIT */
/* What keeps copies from being logged once they have arrived: to be checked at the receivers. */
#include "control/doctor.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Each port that copies go to, once: "514, 2055". The caller frees it; NULL: out of memory. */
static char *list_ports(const struct doctor *doctor, const char *separator)
{
	uint8_t listed[(UINT16_MAX + 1) / 8] = {0};
	char *list = NULL;
	size_t size;
	FILE *out = open_memstream(&list, &size);
	bool any = false;

	if (!out)
		return NULL;
	for (size_t i = 0; i < doctor->target_count; i++) {
		const uint16_t port = doctor->targets[i].port;
		const uint8_t bit = (uint8_t)(1u << port % 8);

		if (listed[port / 8] & bit)
			continue;
		listed[port / 8] |= bit;
		fprintf(out, "%s%u", any ? separator : "", port);
		any = true;
	}
	if (fclose(out) == 0)
		return list;
	free(list);
	return NULL;
}

static struct doctor_finding *add(struct doctor_report *report, const char *id, const char *title,
				  const char *meaning, const char *command)
{
	struct doctor_finding *finding =
		doctor_report_add(report, DOCTOR_CHECK, id, NULL, "%s", title);

	doctor_meaning(finding, "%s", meaning);
	if (command)
		doctor_mend(finding, "%s", command);
	return finding;
}

/* What concerns the ports. */
static void check_ports(const struct doctor *doctor, struct doctor_report *report)
{
	char *arriving = list_ports(doctor, " or port ");
	char *listening = list_ports(doctor, " or sport = ");
	struct doctor_finding *finding;

	if (!arriving || !listening) {
		report->out_of_memory = true;
		goto out;
	}
	finding = add(report, "receiver_arrival", "on each receiver: do copies arrive?",
		      "If they do and are not logged, it is one of the following. If not, it is "
		      "something between.",
		      NULL);
	doctor_mend(finding, "tcpdump -ni any 'udp and (port %s)'", arriving);
	finding = add(report, "receiver_listens",
		      "on each receiver: does a program listen on the port?",
		      "It must be bound to the address that copies go to, or to any.", NULL);
	doctor_mend(finding, "ss -lunp '( sport = %s )'", listening);
out:
	free(arriving);
	free(listening);
}

static bool sends_as_client(const struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->target_count; i++) {
		if (doctor->targets[i].destination->source == SOURCE_CLIENT)
			return true;
	}
	return false;
}

void doctor_check_receivers(const struct doctor *doctor, struct doctor_report *report)
{
	if (doctor->target_count == 0)
		return;
	check_ports(doctor, report);
	if (!sends_as_client(doctor))
		return;
	add(report, "receiver_rp_filter", "on each receiver: is the reverse path filter strict?",
	    "1 drops copies from clients that it would reach by another interface, or by none; 0 "
	    "and 2 are right.",
	    "sysctl -a -r 'conf.(all|default|eth0).rp_filter' # then: sysctl -w "
	    "net.ipv4.conf.all.rp_filter=2");
	add(report, "receiver_route_back",
	    "on each receiver: is there a route back to the clients?",
	    "Without one even the loose reverse path filter drops their packets.",
	    "ip route get CLIENT");
	add(report, "receiver_firewall",
	    "around each receiver: do firewall and security group let the clients' addresses in?",
	    "Copies arrive from the clients' addresses, not from this machine's.",
	    doctor_cloud_is_ec2(doctor->options.sysfs)
		    ? "aws ec2 authorize-security-group-ingress --group-id sg-... --protocol udp "
		      "--port PORT --cidr CLIENTS"
		    : "nft list ruleset; iptables-save");
}
