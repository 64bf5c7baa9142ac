/* SPDX-License-Identifier: MIT */
/*
 * Frames that the generator sends: whole Ethernet frames, built once, with complete checksums.
 *
 * Every payload carries a mark, so that the latency receiver can tell probes from the rest with a
 * filter in the kernel, and so that a contender's copy can be compared with what was sent.
 */
#ifndef BENCH_FRAMES_H
#define BENCH_FRAMES_H

#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_HEADERS_BYTES = 14 + 20 + 8, /* Ethernet, IPv4 without options, UDP */
	FRAME_MAX_BYTES = FRAME_HEADERS_BYTES + 1472,
	PAYLOAD_MIN_BYTES = 64,
	MARK_BYTES = 4,
	STAMP_DIGITS = 16,
};

/* At MARK_OFFSET of the payload: four letters, then the time sent as hexadecimal digits. */
#define MARK_OFFSET 28
#define MARK_PLAIN "tdbN"
#define MARK_PROBE "tdbP"

enum payload_kind {
	PAYLOAD_NETFLOW, /* a NetFlow version 5 header; what follows is letters */
	PAYLOAD_SYSLOG,	 /* RFC 3164, one line of letters */
};

/* What all frames of a generator have in common. Addresses and ports in network byte order. */
struct frame_plan {
	uint8_t source_mac[6];
	uint8_t destination_mac[6];
	uint32_t first_client_be;
	uint32_t destination_be;
	uint16_t destination_port_be;
	size_t payload_bytes; /* PAYLOAD_MIN_BYTES to 1472 */
	enum payload_kind kind;
};

struct frame {
	size_t bytes;
	uint8_t data[FRAME_MAX_BYTES];
};

/* Builds the frame of the client with this number: its own address and source port. */
void frame_build(struct frame *frame, const struct frame_plan *plan, uint32_t client);

/* Makes a probe of a frame, sent at time_ns, and brings its UDP checksum up to date. */
void frame_stamp(struct frame *frame, uint64_t time_ns);

#endif
