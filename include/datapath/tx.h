/* SPDX-License-Identifier: MIT */
/*
 * Sends copies: gathers messages and hands them to raw sockets, many at a time. There is one socket
 * per IP family, and one of the link layer (packet(7)), which asks neither routes nor firewall, and
 * takes half the time. A copy has the same bytes either way, but for an IPv4 identification of 0,
 * which the IP socket replaces. Counts every copy's fate. Used by one thread.
 */
#ifndef TRAFFICDUPLICATOR_DATAPATH_TX_H
#define TRAFFICDUPLICATOR_DATAPATH_TX_H

#include "core/ip.h"
#include "datapath/counters.h"

#include <linux/if_packet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tx;

/* A message: one datagram, or one fragment of a copy. */
struct tx_message {
	const struct ip_address *to;
	/* The next hop; NULL: by the kernel's routes. Must stay until tx_flush. */
	const struct sockaddr_ll *link;
	const uint8_t *headers; /* in room from tx_room */
	size_t headers_bytes;
	const uint8_t *payload; /* must stay until tx_flush */
	size_t payload_bytes;
	struct counters_destination *counters; /* must stay until tx_flush */
	uint32_t copy_bytes;		       /* of the whole copy */
	bool last; /* of this copy; fragments of one copy come in a row */
};

/* Opens the sockets. Packets will carry mark. Needs CAP_NET_RAW and CAP_NET_ADMIN. 0 or -errno. */
int tx_open(struct tx **tx, uint32_t mark);
void tx_close(struct tx *tx);

/* Room for the headers of one message, valid until tx_flush. May flush what was gathered. At most
 * FRAGMENT_HEADERS_MAX bytes. */
uint8_t *tx_room(struct tx *tx, size_t bytes);

/* Takes one message. What it points to must stay until tx_flush, but for *message itself. */
void tx_add(struct tx *tx, const struct tx_message *message);

/*
 * Sends all that was gathered. One destination that fails never holds up another: a message that
 * the kernel refuses is counted as dropped with its reason, and the next one sent. Only full
 * buffers are tried again, and not for long.
 */
void tx_flush(struct tx *tx);

#endif
