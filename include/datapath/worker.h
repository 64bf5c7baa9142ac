/* SPDX-License-Identifier: MIT */
/* One thread that takes packets from one queue and sends their copies. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_WORKER_H
#define TRAFFICDUPLICATOR_DATAPATH_WORKER_H

#include "core/config.h"
#include "datapath/counters.h"
#include "datapath/legacy.h"
#include "datapath/serve.h"

#include <stdbool.h>
#include <stdint.h>

struct queue;
struct worker;

/*
 * Opens queue and raw sockets. Packets that arrive from now on wait in the queue. cpu is the one
 * that the thread will be pinned to. left is the queue that another process has left, or NULL; its
 * descriptor becomes -1 when it is taken over. Returns 0 or -errno as queue_open and tx_open do.
 */
int worker_open(struct worker **worker, const struct config_settings *settings, unsigned index,
		unsigned cpu, struct legacy_queue *left);

const struct queue *worker_queue(const struct worker *worker);

/* Has the worker say how full its queue is, from its next burst on. Once. */
void worker_use_admission(struct worker *worker, const struct admission *admission);

/* Starts the thread. Returns 0 or -errno. */
int worker_start(struct worker *worker, const struct serve_orders *orders);

/*
 * Gives new orders, which must stay until the next call or worker_stop. On return the worker has
 * let go of the former ones.
 */
void worker_publish(struct worker *worker, const struct serve_orders *orders);

/*
 * Has the worker add its counters to *sum between two bursts, so that their equations hold, and
 * waits for that. A worker that has not come to the end of a burst after three seconds is read as
 * it is, and not waited for again until it stirs; one that has ended is read as it is. From one
 * thread at a time.
 */
void worker_read(struct worker *worker, struct counters *sum);

/* queue_bind_again and queue_port_id of its queue. */
int worker_bind_again(const struct worker *worker);
uint32_t worker_port_id(const struct worker *worker);

/* Packets that the kernel numbered but did not hand over, by the gaps in their ids. */
uint64_t worker_missed_pkts(const struct worker *worker);
/* The id of the last packet that was handed over. */
uint32_t worker_last_packet_id(const struct worker *worker);
/* Goes up at least once a second while the thread is alive. */
uint64_t worker_beats(const struct worker *worker);

/* Serves what still waits in the queue, then ends the thread. Harmless when not started. */
void worker_stop(struct worker *worker);
/* Ends the thread after the burst in hand; what waits goes on waiting. Harmless when not started.
 */
void worker_leave(struct worker *worker);
/* Closes queue and sockets. A worker that was never started lets what waits go first. */
void worker_close(struct worker *worker);

#endif
