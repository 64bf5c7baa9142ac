/* SPDX-License-Identifier: MIT */
/* One NFQUEUE: a burst of packets in, one batch of verdicts out. Used by one thread at a time. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_QUEUE_H
#define TRAFFICDUPLICATOR_DATAPATH_QUEUE_H

#include "core/config.h"
#include "core/nfq_wire.h"

#include <stdbool.h>
#include <stdint.h>

/* Most packets that one queue_receive takes. */
#define QUEUE_BURST_MAX 64

struct queue;

/*
 * Binds the queue with this number: packets are copied whole, at most length_pkts wait, and beyond
 * that the kernel drops originals or lets them pass as when_full says. Returns 0, -EPERM when
 * another process has the queue or CAP_NET_ADMIN is missing, or another -errno.
 *
 * With WHEN_FULL_FORWARD the length is kept in bytes, as length_pkts packets of an ordinary size:
 * only what the socket's buffer refuses leaves a gap in the packet ids, and so can be counted;
 * what the queue's own limit lets pass leaves no trace (net/netfilter/nfnetlink_queue.c,
 * __nfqnl_enqueue_packet).
 */
int queue_open(struct queue **queue, uint16_t number, uint32_t length_pkts,
	       enum when_full when_full);

/*
 * The same for a queue that is bound already, by the socket fd, which another process has left to
 * this one: a queue belongs to the socket's netlink port, whoever holds it, and what came meanwhile
 * waits there. Takes fd over unless it fails. Returns 0 or -errno.
 */
int queue_inherit(struct queue **queue, int fd, uint16_t number, uint32_t length_pkts,
		  enum when_full when_full);

/*
 * Binds it anew, as queue_open did, where the kernel has it bound no more. Whether it has then is
 * to be seen in queue_stats.h: an answer would come among the packets. May be called while another
 * thread uses the queue. Returns 0 or -errno of sending.
 */
int queue_bind_again(const struct queue *queue);

/* Unbinds; the kernel drops what still waits. */
void queue_close(struct queue *queue);

/* Has all that waits go on to where it was going. */
void queue_let_go(struct queue *queue);

/* The socket, which stays the queue's. */
int queue_descriptor(const struct queue *queue);
/* Its netlink port, by which the kernel knows whose a queue is. */
uint32_t queue_port_id(const struct queue *queue);

uint16_t queue_number(const struct queue *queue);

/*
 * Receives what waits, at most QUEUE_BURST_MAX messages; when nothing does, waits for a packet, for
 * wake_fd to become readable, or for timeout_ms. Returns the number of messages or -errno.
 */
int queue_receive(struct queue *queue, int wake_fd, int timeout_ms);

/* Message i of the last queue_receive; valid until the next. */
enum nfq_wire_kind queue_message(const struct queue *queue, int i,
				 struct nfq_wire_message *message);

/*
 * How full the queue is, in thousandths of what the kernel lets wait: of its length, as far as that
 * can be told from the memory that the waiting take up, or of the socket's buffer, whichever is
 * fuller. To be asked after the verdicts of a burst; costs a system call only where the burst was
 * as large as can be.
 */
unsigned queue_fill_permille(const struct queue *queue);

/* Decides on the original of a packet. Packets are decided in the order in which they came. */
void queue_decide(struct queue *queue, uint32_t packet_id, bool accept);

/* Sends the verdicts of all that was decided, in one system call. Returns 0 or -errno. */
int queue_send_verdicts(struct queue *queue);

#endif
