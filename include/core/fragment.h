/* SPDX-License-Identifier: MIT */
/* Cuts a copy that is larger than the way out's MTU into IP fragments (RFC 791 3.2, RFC 8200 4.5).
 */
#ifndef TRAFFICDUPLICATOR_CORE_FRAGMENT_H
#define TRAFFICDUPLICATOR_CORE_FRAGMENT_H

#include "core/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room that a fragment's headers need: all headers of the packet and an IPv6 Fragment header. */
#define FRAGMENT_HEADERS_MAX (PACKET_HEADERS_MAX + 8)

struct fragmenter {
	const struct packet *packet;
	const uint8_t *headers;	     /* the copy's, as packet_rewrite made them */
	uint32_t offset_bytes;	     /* of the next fragment within the fragmentable part */
	uint32_t fragmentable_bytes; /* all that follows the unfragmentable part */
	uint32_t mtu_bytes;
	uint32_t identification;
	uint8_t later_header[60]; /* IPv4: header of all fragments but the first */
	uint8_t later_header_bytes;
};

/* One fragment: headers written by fragment_next, and a part of the packet's payload. */
struct fragment {
	size_t headers_bytes;
	const uint8_t *payload; /* points into the packet */
	size_t payload_bytes;
};

/*
 * Begins. headers is the rewritten headers of the copy; packet and headers must outlive the
 * fragmenter. identification is in host byte order, and must differ between copies that the same
 * receiver could mix up; it must not be 0, for which the kernel would choose another for each
 * fragment. IPv4 takes its low 16 bits. Returns false where mtu_bytes cannot hold the headers and
 * eight bytes of payload.
 */
bool fragment_begin(struct fragmenter *fragmenter, const struct packet *packet,
		    const uint8_t *headers, uint32_t mtu_bytes, uint32_t identification);

/*
 * Writes the next fragment's headers, FRAGMENT_HEADERS_MAX bytes at most, and describes it. Returns
 * false when there is none left. IPv4 fragments carry no DF, since a router further on may have
 * to cut them again; options without the copied flag stand in the first fragment only.
 */
bool fragment_next(struct fragmenter *fragmenter, uint8_t *headers, struct fragment *fragment);

#endif
