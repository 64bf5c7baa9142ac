/* SPDX-License-Identifier: MIT */
/* The kernel's queues: whose they are, and what did not fit into them. */
#include "control/doctor.h"
#include "datapath/queue_stats.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The inode of the netfilter netlink socket with this port in this namespace (af_netlink.c,
 * netlink_native_seq_show); 0: none. */
static unsigned long long socket_inode(uint32_t port_id)
{
	FILE *file = fopen("/proc/net/netlink", "re");
	unsigned long long inode, found = 0;
	char line[256];

	if (!file)
		return 0;
	while (!found && fgets(line, sizeof(line), file)) {
		unsigned protocol;
		uint32_t port;

		if (sscanf(line, "%*s %u %" SCNu32 " %*s %*s %*s %*s %*s %*s %llu", &protocol,
			   &port, &inode) == 3 &&
		    protocol == NETLINK_NETFILTER && port == port_id)
			found = inode;
	}
	fclose(file);
	return found;
}

/* Whether one of the process's descriptors is this socket. */
static bool owns_socket(pid_t pid, unsigned long long inode)
{
	char folder_path[32], wanted[48], target[48];
	struct dirent *entry;
	bool owns = false;
	DIR *folder;

	snprintf(folder_path, sizeof(folder_path), "/proc/%d/fd", (int)pid);
	snprintf(wanted, sizeof(wanted), "socket:[%llu]", inode);
	folder = opendir(folder_path);
	if (!folder)
		return false;
	while (!owns && (entry = readdir(folder))) {
		ssize_t length =
			readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);

		if (length <= 0)
			continue;
		target[length] = '\0';
		owns = strcmp(target, wanted) == 0;
	}
	closedir(folder);
	return owns;
}

/* Some process that has the socket; 0: none that can be seen. */
static pid_t find_owner(unsigned long long inode)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	pid_t owner = 0;

	if (!folder)
		return 0;
	while (!owner && (entry = readdir(folder))) {
		pid_t pid = (pid_t)atoi(entry->d_name);

		if (pid > 0 && owns_socket(pid, inode))
			owner = pid;
	}
	closedir(folder);
	return owner;
}

static void read_name(pid_t pid, char name[static 32])
{
	char path[32];
	FILE *file;

	strcpy(name, "?");
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(name, 32, file))
		name[strcspn(name, "\n")] = '\0';
	fclose(file);
}

static void check_owner(const struct doctor *doctor, unsigned queue, uint32_t port_id,
			struct doctor_report *report)
{
	unsigned long long inode = socket_inode(port_id);
	struct doctor_finding *finding;
	char name[32];
	pid_t owner;

	if (doctor->daemon_pid && owns_socket(doctor->daemon_pid, inode)) {
		doctor_report_add(report, DOCTOR_OK, "queue_bound", NULL,
				  "queue %u is served by the daemon", queue);
		return;
	}
	owner = inode ? find_owner(inode) : 0;
	read_name(owner, name);
	finding = doctor_report_add(report, DOCTOR_PROBLEM, "queue_taken", NULL,
				    "queue %u is held by %s (process %d), not by the daemon", queue,
				    name, (int)owner);
	doctor_meaning(
		finding,
		"A queue has one owner: the daemon cannot have it as long as the other does.");
	doctor_mend(finding, "ps -fp %d # end it, or give SETTINGS.QUEUE another number",
		    (int)owner);
}

static void check_numbers(const struct doctor *doctor, unsigned queue,
			  const struct queue_stats *stats, struct doctor_report *report)
{
	const uint32_t length_pkts = doctor->in_force->settings.queue_length_pkts;
	const uint64_t dropped_pkts = (uint64_t)stats->dropped_full_pkts + stats->dropped_user_pkts;
	struct doctor_finding *finding;

	if (dropped_pkts > 0) {
		finding = doctor_report_add(report, DOCTOR_WARNING, "queue_dropped", NULL,
					    "queue %u: the kernel dropped %" PRIu64
					    " packets since the daemon started",
					    queue, dropped_pkts);
		doctor_meaning(finding,
			       "More arrived than was served: %" PRIu32
			       " found the queue full, %" PRIu32
			       " the socket's buffer. One busy client fills one queue.",
			       stats->dropped_full_pkts, stats->dropped_user_pkts);
		doctor_mend(finding,
			    "trafficduplicator status # still growing: more CPUs, or a larger "
			    "SETTINGS.QUEUELENGTH (now %" PRIu32 ")",
			    length_pkts);
	}
	if (stats->waiting_pkts > length_pkts / 2) {
		finding = doctor_report_add(report, DOCTOR_PROBLEM, "queue_stuck", NULL,
					    "queue %u: %" PRIu32 " of %" PRIu32 " packets wait",
					    queue, stats->waiting_pkts, length_pkts);
		doctor_meaning(finding, "The daemon hangs, or cannot keep up.");
		doctor_mend(finding, "systemctl restart trafficduplicator");
	}
}

static void check_one(const struct doctor *doctor, int fd, unsigned queue,
		      struct doctor_report *report)
{
	struct queue_stats stats;
	struct doctor_finding *finding;
	int error = queue_stats_read(fd, (uint16_t)queue, &stats);

	if (error == 0) {
		check_owner(doctor, queue, stats.port_id, report);
		check_numbers(doctor, queue, &stats, report);
		return;
	}
	if (error != -ENOENT) {
		finding = doctor_report_add(report, DOCTOR_WARNING, "queue_unreadable", NULL,
					    "queue %u cannot be examined: %s", queue,
					    strerror(-error));
		doctor_meaning(finding, "What was dropped in it is not known.");
		doctor_mend(finding, "cat /proc/net/netfilter/nfnetlink_queue");
		return;
	}
	finding = doctor_report_add(report, DOCTOR_PROBLEM, "queue_not_bound", NULL,
				    "nobody serves queue %u", queue);
	doctor_meaning(finding, "Packets for it go on without copies.");
	doctor_mend(finding, "systemctl restart trafficduplicator");
}

void doctor_check_queue(const struct doctor *doctor, struct doctor_report *report)
{
	const struct config_settings *settings = &doctor->in_force->settings;
	unsigned workers = config_workers(settings, doctor_daemon_cpus(doctor));
	int fd = queue_stats_open();

	if (fd < 0) {
		struct doctor_finding *finding = doctor_report_add(
			report, fd == -ENOENT ? DOCTOR_PROBLEM : DOCTOR_WARNING, "queue_unreadable",
			NULL, "the kernel's queues cannot be examined: %s", strerror(-fd));

		doctor_meaning(finding, "%s",
			       fd == -ENOENT
				       ? "The kernel has no NFQUEUE: no packet reaches the daemon."
				       : "What was dropped in them is not known.");
		doctor_mend(finding, "%s",
			    fd == -ENOENT ? "modprobe nfnetlink_queue"
					  : "sudo trafficduplicator doctor");
		return;
	}
	for (unsigned i = 0; i < workers; i++)
		check_one(doctor, fd, settings->queue + i, report);
	close(fd);
}
