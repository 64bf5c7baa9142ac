/* SPDX-License-Identifier: MIT */
/*
 * Probes: packets by which a duplicator finds out whether its copies come back to it. A probe is
 * made like the copies of a destination, so that others' rules and routers treat it as one of them;
 * a duplicator on the way copies it as it copies everything. Its UDP checksum is wrong on purpose,
 * and stays wrong however often it is brought up to date (RFC 1624): no host hands it to a program.
 * Who sent it knows it by a nonce that nobody else can guess; who did not may ask itself the same
 * question.
 */
#ifndef TRAFFICDUPLICATOR_CORE_PROBE_H
#define TRAFFICDUPLICATOR_CORE_PROBE_H

#include "core/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The UDP payload, all of it text: words for people who wonder what it is, a letter for the number,
 * and the nonce. */
#define PROBE_PAYLOAD_BYTES 72
#define PROBE_NONCE_BYTES 24 /* 96 random bits as hexadecimal digits */
#define PROBE_NUMBER_MAX 25
/* IPv6 header, UDP header and payload. */
#define PROBE_PACKET_MAX (40 + 8 + PROBE_PAYLOAD_BYTES)

struct probe_mark {
	uint8_t number; /* at most PROBE_NUMBER_MAX */
	uint8_t nonce[PROBE_NONCE_BYTES];
};

struct probe {
	struct ip_address source, destination; /* of one family */
	uint16_t source_port_be, destination_port_be;
	uint8_t ttl;
	/* Its checksum is right: it also passes NAT and firewalls that drop what has a wrong one.
	 * But where there is no loop, a collector takes it for a message. */
	bool is_sound;
	struct probe_mark mark;
};

/* Writes the whole IP packet; returns its length. */
size_t probe_write(const struct probe *probe, uint8_t out[static PROBE_PACKET_MAX]);

/* Whether a packet has a probe's size and its words; then *mark is what it says. Whose it is, and
 * whether it is a true one, the caller knows by the mark. */
bool probe_read(const struct packet *packet, struct probe_mark *mark);

#endif
