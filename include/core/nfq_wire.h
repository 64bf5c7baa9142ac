/* SPDX-License-Identifier: MIT */
/* The NFQUEUE netlink messages of a packet's way (linux/netfilter/nfnetlink_queue.h). */
#ifndef TRAFFICDUPLICATOR_CORE_NFQ_WIRE_H
#define TRAFFICDUPLICATOR_CORE_NFQ_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a verdict message. */
#define NFQ_WIRE_VERDICT_BYTES 32
/* Bytes that the kernel may put around a payload: headers and all attributes that we ask for. */
#define NFQ_WIRE_OVERHEAD_BYTES 1024
/* Largest payload that fits in an attribute, whose length field has 16 bits. */
#define NFQ_WIRE_PAYLOAD_MAX (0xffff - 4)

enum nfq_wire_kind {
	NFQ_WIRE_PACKET,
	NFQ_WIRE_ERROR, /* the kernel refused an earlier message of ours */
	NFQ_WIRE_OTHER, /* nothing for us, or not understood */
};

struct nfq_wire_message {
	uint32_t packet_id;	/* host byte order */
	const uint8_t *payload; /* into the parsed bytes; from the IP header on */
	uint32_t payload_bytes;
	bool truncated;	      /* the kernel had more bytes than it could hand over */
	uint32_t interface;   /* index of the one it arrived on */
	uint32_t bridge_port; /* index of the bridge's port that it arrived on; 0: no bridge */
	int error;	      /* NFQ_WIRE_ERROR: a positive errno */
};

/* Parses one netlink datagram. *message is set as the returned kind needs. */
enum nfq_wire_kind nfq_wire_parse(const void *bytes, size_t length,
				  struct nfq_wire_message *message);

/*
 * Writes a batch verdict for all packets of the queue up to and including last_packet_id that have
 * none yet. No acknowledgement is asked for.
 */
void nfq_wire_batch_verdict(uint8_t out[static NFQ_WIRE_VERDICT_BYTES], uint16_t queue,
			    uint32_t last_packet_id, bool accept);

#endif
