/* SPDX-License-Identifier: MIT */
/* What the kernel itself counts of our queues: /proc/net/netfilter/nfnetlink_queue. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_QUEUE_STATS_H
#define TRAFFICDUPLICATOR_DATAPATH_QUEUE_STATS_H

#include <stdint.h>

/* One queue's line (net/netfilter/nfnetlink_queue.c, seq_show). Kernel counters have 32 bits. */
struct queue_stats {
	uint32_t port_id; /* netlink port of the process that owns the queue */
	uint32_t waiting_pkts;
	uint32_t dropped_full_pkts; /* the queue was at its length */
	uint32_t dropped_user_pkts; /* the socket's receive buffer was full */
	uint32_t last_packet_id;
};

/*
 * Opens the file. Only root may; a daemon without root's rights takes the one that its service
 * manager opened for it as standard input. Returns a descriptor or -errno.
 */
int queue_stats_open(void);

/*
 * Reads one queue's numbers. Returns 0, -ENOENT when no such queue is bound, or -errno.
 */
int queue_stats_read(int fd, uint16_t queue, struct queue_stats *stats);

#endif
