/* SPDX-License-Identifier: MIT */
/*
 * One UDP datagram as the kernel hands it over at prerouting: parsed once, then rewritten once per
 * destination. Pure: works on bytes, never allocates.
 */
#ifndef TRAFFICDUPLICATOR_CORE_PACKET_H
#define TRAFFICDUPLICATOR_CORE_PACKET_H

#include "core/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Longest chain of headers that is taken, from the IP header to the end of the UDP header. IPv4
 * needs 68 bytes at most; IPv6 extension headers may be longer than this, but no real sender's are
 * (RFC 8504 5.3 lets a host limit them).
 */
#define PACKET_HEADERS_MAX 512
/* Most IPv6 extension headers that are walked (RFC 8504 5.3 suggests a limit of this kind). */
#define PACKET_EXTENSIONS_MAX 8

enum packet_status {
	PACKET_OK,
	PACKET_NOT_UDP,	  /* sound as far as it was read, but no UDP inside */
	PACKET_MALFORMED, /* headers that contradict themselves, or that no collector could answer
			   */
};

struct packet {
	const uint8_t *data;	       /* first byte of the IP header; not owned */
	uint32_t length_bytes;	       /* of the IP datagram, from its header's length field */
	uint16_t headers_bytes;	       /* IP header, options or extension headers, UDP header */
	uint16_t udp_offset;	       /* of the UDP header */
	uint16_t unfragmentable_bytes; /* IPv6: headers in front of a Fragment header (RFC
					  8200 4.5); IPv4: the IP header */
	uint16_t next_header_offset;   /* IPv6: the next-header byte at the end of that part */
	uint16_t source_port_be;
	uint16_t destination_port_be;
	uint32_t source_sum;	  /* one's complement sum of the source address, folded */
	uint32_t destination_sum; /* the same of the destination address */
	struct ip_address source;
	struct ip_address destination;
};

/* Where a copy goes. Prepared once per destination, used for every packet. */
struct packet_target {
	struct ip_address address;
	uint32_t address_sum;	  /* from packet_target_init */
	uint16_t port_be;	  /* 0: keep the packet's own */
	struct ip_address source; /* family AF_UNSPEC: keep the client's */
	uint32_t source_sum;
};

/* Fills *target, to keep the client's address. port_be is in network byte order, 0 to keep each
 * packet's own port. */
void packet_target_init(struct packet_target *target, const struct ip_address *address,
			uint16_t port_be);

/* Makes copies for target come from another address, which must be of its family. */
void packet_target_set_source(struct packet_target *target, const struct ip_address *source);

/*
 * Parses the datagram in data[0..available). On PACKET_OK every field of *packet is set and every
 * header lies within the datagram. Checks, so that no damaged copy can leave:
 *  - IPv4: version, header length, total length, options' lengths (RFC 791 3.1);
 *  - IPv6: version, payload length, chain of extension headers (RFC 8200 4);
 *  - UDP length: at least 8 and at most what the IP datagram holds (RFC 768). It may be less;
 *  - not a fragment: defragmentation comes before us;
 *  - a source that a host can have: not 0/8, 127/8, multicast, broadcast, ::, ::1, since the kernel
 *    or any router would fill in another one or drop the copy;
 *  - no source route that is still to be followed: such a packet's destination is a stopover.
 */
enum packet_status packet_parse(const uint8_t *data, size_t available, struct packet *packet);

/* Whether packet_parse takes packets from this address: the last but one of its checks. */
bool packet_source_is_sound(const struct ip_address *source);

/* TTL or hop limit of the packet. */
uint8_t packet_ttl(const struct packet *packet);

/*
 * Writes the packet's headers (packet->headers_bytes of them) as the copy for target has them: with
 * target's address and port, its source if it has one, the given TTL, and both checksums brought up
 * to date by RFC 1624, so that a packet that arrived corrupt stays detectably corrupt. A UDP
 * checksum of 0 (none, RFC 768) stays 0; one that comes out as 0 becomes 0xffff. The target must be
 * of the packet's family.
 */
void packet_rewrite(const struct packet *packet, const struct packet_target *target, uint8_t ttl,
		    uint8_t *headers);

#endif
