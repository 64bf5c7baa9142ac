/* SPDX-License-Identifier: MIT */
/* The kernel's queues: whose they are, and what did not fit into them. */
#include "control/doctor.h"
#include "datapath/queue_owner.h"
#include "datapath/queue_stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check_owner(const struct doctor *doctor, unsigned queue, uint32_t port_id,
			struct doctor_report *report)
{
	unsigned long long inode = queue_owner_inode(port_id);
	struct doctor_finding *finding;
	struct queue_owner owner;

	if (doctor->daemon_pid && queue_owner_has(doctor->daemon_pid, inode)) {
		doctor_report_add(report, DOCTOR_OK, "queue_bound", NULL,
				  "queue %u is served by the daemon", queue);
		return;
	}
	owner = queue_owner_find(inode);
	finding = doctor_report_add(report, DOCTOR_PROBLEM, "queue_taken", NULL,
				    "queue %u is held by %s (process %d), not by the daemon", queue,
				    owner.name, (int)owner.pid);
	doctor_meaning(
		finding,
		"A queue has one owner: the daemon cannot have it as long as the other does.");
	doctor_mend(finding, "ps -fp %d # end it, or give SETTINGS.QUEUE another number",
		    (int)owner.pid);
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
