/* SPDX-License-Identifier: MIT */
/* What a worker does with one packet: copies to send, counters to move, a verdict to give. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_SERVE_H
#define TRAFFICDUPLICATOR_DATAPATH_SERVE_H

#include "core/netview.h"
#include "core/nfq_wire.h"
#include "core/ruleset.h"
#include "core/selection.h"
#include "datapath/admission.h"
#include "datapath/counters.h"
#include "datapath/loopguard.h"
#include "datapath/tx.h"

#include <stdbool.h>
#include <stdint.h>

/* All that a worker works by, published as one. selection and counters are the worker's own. */
struct serve_orders {
	const struct ruleset *ruleset;
	const struct netview *netview;
	const uint8_t *is_up; /* per destination: whether its health lets it have copies */
	bool send_link;	      /* straight to the next hop, where it is resolved */
	struct loop_orders loops;
	struct selection *selection;
	struct counters *counters;
};

/*
 * Serves one packet. Copies are gathered in tx, which must be flushed before message's bytes go
 * away. now_ns is of a monotonic clock. Returns whether the original goes on; what cannot be
 * duplicated always does.
 */
bool serve_packet(struct tx *tx, const struct admission *admission,
		  const struct serve_orders *orders, uint64_t now_ns,
		  const struct nfq_wire_message *message);

#endif
