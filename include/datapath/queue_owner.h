/* SPDX-License-Identifier: MIT */
/* Which process has a queue. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_QUEUE_OWNER_H
#define TRAFFICDUPLICATOR_DATAPATH_QUEUE_OWNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The inode of the netfilter netlink socket with this port in this network namespace (af_netlink.c,
 * netlink_native_seq_show), as queue_stats has it; 0: none. */
unsigned long long queue_owner_inode(uint32_t port_id);

/* Whether one of the process's descriptors is this socket, as far as it may be seen. */
bool queue_owner_has(pid_t pid, unsigned long long inode);

#define QUEUE_OWNER_NAME_BYTES 32

struct queue_owner {
	pid_t pid;			   /* 0: none that can be seen from here */
	char name[QUEUE_OWNER_NAME_BYTES]; /* "?" where it has none */
};

/* Some process that has the socket. Looks through all processes: not for the way of a packet. */
struct queue_owner queue_owner_find(unsigned long long inode);

/* Who has a netlink port, in words for behind "queue 7514 belongs to ". Looks through all
 * processes. Returns text. */
#define QUEUE_OWNER_TEXT_BYTES 128
const char *queue_owner_describe(uint32_t port_id, char text[static QUEUE_OWNER_TEXT_BYTES]);

#endif
