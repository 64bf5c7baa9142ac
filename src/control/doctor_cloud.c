/* SPDX-License-Identifier: MIT */
/* The cloud around this machine: Amazon EC2. */
#include "control/doctor.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DMI_SIZE 128

/* Reads a DMI text, "" where there is none. */
static void read_dmi(const char *sysfs, const char *name, char text[static DMI_SIZE])
{
	char path[512];
	FILE *file;

	text[0] = '\0';
	snprintf(path, sizeof(path), "%s/class/dmi/id/%s", sysfs, name);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(text, DMI_SIZE, file))
		text[strcspn(text, "\n")] = '\0';
	fclose(file);
}

/* Nitro says "Amazon EC2" as vendor; Xen has it only as the beginning of its UUID
 * (docs.aws.amazon.com, "Detect whether a host is an EC2 instance"). */
bool doctor_cloud_is_ec2(const char *sysfs)
{
	static const char *const vendors[] = {"sys_vendor", "board_vendor", "bios_vendor"};
	char text[DMI_SIZE];

	for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++) {
		read_dmi(sysfs, vendors[i], text);
		if (strcmp(text, "Amazon EC2") == 0)
			return true;
	}
	read_dmi(sysfs, "product_uuid", text);
	return strncasecmp(text, "ec2", 3) == 0;
}

static void check_source_destination(const char *sysfs, struct doctor_report *report)
{
	struct doctor_finding *finding;
	char instance[DMI_SIZE];

	read_dmi(sysfs, "board_asset_tag", instance);
	if (strncmp(instance, "i-", 2) != 0)
		strcpy(instance, "i-...");
	finding = doctor_report_add(
		report, DOCTOR_CHECK, "ec2_source_check", NULL,
		"this is an EC2 instance: its source/destination check must be off");
	doctor_meaning(finding,
		       "Copies carry the clients' addresses, and the check drops all that do not "
		       "carry this instance's. It cannot be seen from here. With several network "
		       "interfaces: modify-network-interface-attribute for each.");
	doctor_mend(finding,
		    "aws ec2 modify-instance-attribute --instance-id %s --no-source-dest-check",
		    instance);
}

bool doctor_cloud_allowance(struct doctor_report *report, const char *interface,
			    const char *counter, unsigned long long value)
{
	static const char suffix[] = "_allowance_exceeded";
	const size_t length = strlen(counter), suffix_length = sizeof(suffix) - 1;
	struct doctor_finding *finding;

	if (length < suffix_length || strcmp(counter + length - suffix_length, suffix) != 0)
		return false;
	if (value == 0)
		return true;
	finding = doctor_report_add(report, DOCTOR_WARNING, "allowance_exceeded", interface,
				    "%s: %s is %llu", interface, counter, value);
	doctor_meaning(finding, "EC2 dropped or delayed packets beyond what this instance type may "
				"send and receive. N destinations are N+1 times the packets.");
	doctor_mend(finding, "ethtool -S %s | grep %s # still growing: a larger instance type",
		    interface, suffix + 1);
	return true;
}

/* How many counters the driver has; 0: none, or no such interface. */
static uint32_t count_counters(int fd, const char *interface)
{
	/* The kernel writes one number behind the struct for each set that was asked for. */
	_Alignas(struct ethtool_sset_info)
		uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)] = {0};
	struct ethtool_sset_info *info = (void *)room;
	struct ifreq request = {.ifr_data = (void *)info};
	uint32_t count;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	info->cmd = ETHTOOL_GSSET_INFO;
	info->sset_mask = UINT64_C(1) << ETH_SS_STATS;
	if (ioctl(fd, SIOCETHTOOL, &request) < 0 || info->sset_mask == 0)
		return 0;
	memcpy(&count, room + sizeof(*info), sizeof(count));
	return count;
}

/* The kernel writes as many names and values as there are by then, whatever was asked for
 * (net/ethtool/ioctl.c, ethtool_get_strings): room for counters that have come since. */
#define MORE_COUNTERS 4096

/* Reads the counters' names and values. Returns how many, 0 where that fails. */
static uint32_t read_counters(int fd, const char *interface, uint32_t room,
			      struct ethtool_gstrings *names, struct ethtool_stats *values)
{
	struct ifreq request = {.ifr_data = (void *)names};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_STATS;
	names->len = room;
	if (ioctl(fd, SIOCETHTOOL, &request) < 0)
		return 0;
	values->cmd = ETHTOOL_GSTATS;
	values->n_stats = room;
	request.ifr_data = (void *)values;
	if (ioctl(fd, SIOCETHTOOL, &request) < 0)
		return 0;
	/* Where the two differ, values no longer stand beside their names. */
	return names->len == values->n_stats && names->len <= room ? names->len : 0;
}

/* Returns whether the adapter has allowances. */
static bool check_counters(int fd, const char *interface, struct doctor_report *report)
{
	const uint32_t counted = count_counters(fd, interface);
	const size_t room = (size_t)counted + MORE_COUNTERS;
	struct ethtool_gstrings *names;
	struct ethtool_stats *values;
	char name[ETH_GSTRING_LEN + 1] = "";
	bool any = false;
	uint32_t count;

	if (counted == 0)
		return false;
	names = calloc(1, sizeof(*names) + room * ETH_GSTRING_LEN);
	values = calloc(1, sizeof(*values) + room * sizeof(uint64_t));
	count = names && values ? read_counters(fd, interface, (uint32_t)room, names, values) : 0;
	for (uint32_t i = 0; i < count; i++) {
		memcpy(name, names->data + (size_t)i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
		any |= doctor_cloud_allowance(report, interface, name, values->data[i]);
	}
	free(names);
	free(values);
	return any;
}

void doctor_check_cloud(const struct doctor *doctor, struct doctor_report *report)
{
	const bool is_ec2 = doctor_cloud_is_ec2(doctor->options.sysfs);
	struct if_nameindex *names = if_nameindex();
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const size_t before = report->count;
	bool has_allowances = false;

	if (!is_ec2)
		doctor_report_add(report, DOCTOR_OK, "cloud", NULL, "this is no EC2 instance");
	else
		check_source_destination(doctor->options.sysfs, report);
	for (struct if_nameindex *at = names; fd >= 0 && at && at->if_index; at++)
		has_allowances |= check_counters(fd, at->if_name, report);
	if (has_allowances && report->count == before + 1)
		doctor_report_add(
			report, DOCTOR_OK, "allowance", NULL,
			"the instance's packet and bandwidth allowances were never exceeded");
	if (fd >= 0)
		close(fd);
	if (names)
		if_freenameindex(names);
}
