/* SPDX-License-Identifier: MIT */
/* All workers as one: what control starts, feeds with rules, reads and stops. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_DATAPATH_H
#define TRAFFICDUPLICATOR_DATAPATH_DATAPATH_H

#include "core/config.h"
#include "datapath/counters.h"
#include "datapath/generation.h"
#include "datapath/legacy.h"

#include <stdbool.h>
#include <stdint.h>

struct datapath;
struct fastpath;

/* What went wrong while opening: a complete message for the user. */
#define DATAPATH_ERROR_BYTES 256

/*
 * Opens a queue and raw sockets for each of worker_count workers. Nothing is served yet, so that
 * privileges can be given up in between. Queues of theirs that are in the legacy (all zero: there
 * is none) go on with what waits in them. Returns 0 or -errno with *error written.
 */
int datapath_open(struct datapath **datapath, const struct config_settings *settings,
		  unsigned worker_count, struct legacy *legacy,
		  char error[static DATAPATH_ERROR_BYTES]);

/* Has what waits in queues that nobody has taken over go on uncopied, and closes them. */
void datapath_let_go(struct legacy *legacy);

/*
 * Has a fast path, which the caller keeps, take part from now on: it is given what the workers are
 * given, and what it counts is counted with theirs. Where workers are at work already, the next
 * datapath_publish must be of another ruleset, which may be a new one of the same config.
 */
void datapath_use_fastpath(struct datapath *datapath, struct fastpath *fastpath);

/*
 * Gives the workers all that they are to work by; the first call starts them. On return no worker
 * uses the former basis any more, so that the caller may free it. A rule or destination that has
 * the same name as before goes on with its counters, and with the same ruleset all else goes on
 * too. Returns 0 or -errno; on an error the workers go on as before,
 * or, where it was the first call, none is running.
 */
int datapath_publish(struct datapath *datapath, const struct generation_basis *basis);

/*
 * All counters of the present ruleset, of all workers together; freed by the caller with
 * counters_free. NULL when memory runs out.
 */
struct counters *datapath_read(const struct datapath *datapath);

/*
 * How many copies have been sent to each destination of the present ruleset, as far as can be seen
 * without disturbing anybody; sent_pkts has room for all. Cheap enough for many times a second.
 */
void datapath_read_sent(const struct datapath *datapath, uint64_t *sent_pkts);
/* Packets received so far, in the same way. 0 before the first datapath_publish. */
uint64_t datapath_received_pkts(const struct datapath *datapath);

struct datapath_queue_totals {
	uint64_t waiting_pkts;
	uint64_t dropped_kernel_pkts; /* or let pass unduplicated, as WHENFULL says */
};

/* What the kernel says of the queues. Called often enough, at least once in 2^32 drops. */
struct datapath_queue_totals datapath_queue_totals(struct datapath *datapath);

/* A queue that we had bound, and that is not ours any more. */
struct datapath_queue_loss {
	unsigned queue;
	uint32_t port_id; /* netlink port of the process that has it; 0: none has */
	bool is_mended;	  /* it is ours again */
};

/*
 * Looks whether all queues are still ours, and binds anew what nobody has. Returns false when all
 * are; else *loss is one that is not, or else one that was not until now. Cheap.
 */
bool datapath_find_loss(struct datapath *datapath, struct datapath_queue_loss *loss);

unsigned datapath_worker_count(const struct datapath *datapath);

/* Whether every worker's thread has shown life since the last call. */
bool datapath_alive(struct datapath *datapath);

/* Adds what others have counted for the ruleset in force, and what the kernel dropped meanwhile. */
void datapath_add(struct datapath *datapath, const struct counters *counters,
		  uint64_t dropped_pkts);

/* The queues' sockets, which stay the datapath's. Returns how many there are. */
size_t datapath_descriptors(const struct datapath *datapath, int fds[static CONFIG_WORKERS_MAX]);

/*
 * Ends the workers after the bursts in hand, and says what is left: what waits in the queues goes
 * on waiting, for whoever has another descriptor of their sockets. After this only
 * datapath_read and datapath_close.
 */
void datapath_leave(struct datapath *datapath, struct legacy *legacy);

/* Serves what still waits in the queues, ends the workers, closes everything. */
void datapath_close(struct datapath *datapath);

#endif
