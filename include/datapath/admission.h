/* SPDX-License-Identifier: MIT */
/*
 * How a worker keeps packets away that its queue would have no room for: the program at the ingress
 * (datapath/fastpath.h) refuses them while the worker says that its queue is full. Which packets
 * come to which queue only the kernel knows (net/netfilter/x_tables: nfqueue_hash, by addresses);
 * so workers note down what they see.
 */
#ifndef TRAFFICDUPLICATOR_DATAPATH_ADMISSION_H
#define TRAFFICDUPLICATOR_DATAPATH_ADMISSION_H

#include "core/ip.h"

#include <stdint.h>

struct fastpath_state;

/* One worker's part. All zero: there is no such program, and nothing is noted. */
struct admission {
	uint8_t *worker_of_flow;
	uint8_t *queue_is_full;
	uint8_t number; /* the worker's, from 1 */
};

struct admission admission_of_worker(struct fastpath_state *state, unsigned index);

/* A packet between these addresses came to this worker. */
void admission_note(const struct admission *admission, const struct ip_address *source,
		    const struct ip_address *destination);

/*
 * How full the worker's queue is by now, in thousandths. Packets are refused from seven eighths on,
 * until it is no fuller than five: in between the worker has enough to do, and bursts up to nearly
 * the queue's length are still taken in whole.
 */
void admission_set_fill(const struct admission *admission, unsigned permille);

#endif
