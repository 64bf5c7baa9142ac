/* SPDX-License-Identifier: MIT */
/*
 * ICMP echo of both families over raw sockets that see nothing but echo replies. A reply is known
 * by its source address and by what only the one who was asked has seen: identifier, sequence
 * number and a random token.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_PING_H
#define TRAFFICDUPLICATOR_CONTROL_PING_H

#include "core/ip.h"

#include <event2/event.h>
#include <stdint.h>

struct ping;

/* Chosen anew for each request; as they stand in the packet. */
struct ping_stamp {
	uint16_t id_be;
	uint16_t sequence_be;
	uint8_t token[16];
};

/* Called on the loop for each echo reply to this process; it may answer to nothing that was asked:
 * compare stamps. */
typedef void ping_replied(void *context, const struct ip_address *source,
			  const struct ping_stamp *stamp);

/*
 * Opens both sockets, which takes CAP_NET_RAW and, for the mark, CAP_NET_ADMIN. Returns 0 or
 * -errno. A machine without IPv6 is no error.
 */
int ping_open(struct ping **ping, struct event_base *base, uint32_t mark, ping_replied *replied,
	      void *context);
void ping_close(struct ping *ping);

/* Sends a request with a new stamp, and never waits. Returns 0 or -errno. */
int ping_send(struct ping *ping, const struct ip_address *destination, struct ping_stamp *stamp);

#endif
