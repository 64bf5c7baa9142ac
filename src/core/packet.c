/* SPDX-License-Identifier: MIT */
#include "core/packet.h"

#include "core/checksum.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum {
	IPV4_HEADER_MIN_BYTES = 20,
	IPV6_HEADER_BYTES = 40,
	UDP_HEADER_BYTES = 8,
	/* Offsets into the IPv4 header (RFC 791 3.1). */
	IPV4_TOTAL_LENGTH = 2,
	IPV4_FRAGMENT = 6,
	IPV4_TTL = 8,
	IPV4_PROTOCOL = 9,
	IPV4_CHECKSUM = 10,
	IPV4_SOURCE = 12,
	IPV4_DESTINATION = 16,
	/* Offsets into the IPv6 header (RFC 8200 3). */
	IPV6_PAYLOAD_LENGTH = 4,
	IPV6_NEXT_HEADER = 6,
	IPV6_HOP_LIMIT = 7,
	IPV6_SOURCE = 8,
	IPV6_DESTINATION = 24,
	/* Offsets into the UDP header (RFC 768). */
	UDP_DESTINATION_PORT = 2,
	UDP_LENGTH = 4,
	UDP_CHECKSUM = 6,
};

static uint16_t load_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Two bytes as they stand in memory: network byte order, and the order of checksum sums. */
static uint16_t load_raw16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static void store_raw16(uint8_t *at, uint16_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void load_address(struct ip_address *out, uint8_t family, const uint8_t *at)
{
	*out = (struct ip_address){.family = family};
	memcpy(out->bytes, at, ip_length_bytes(family));
}

/* An address whose family is not known yet is all zeros, and so is its sum. */
static uint32_t address_sum(const struct ip_address *address)
{
	return checksum_fold(checksum_sum(address->bytes, sizeof(address->bytes)));
}

void packet_target_init(struct packet_target *target, const struct ip_address *address,
			uint16_t port_be)
{
	*target = (struct packet_target){
		.address = *address, .port_be = port_be, .address_sum = address_sum(address)};
}

void packet_target_set_source(struct packet_target *target, const struct ip_address *source)
{
	target->source = *source;
	target->source_sum = address_sum(source);
}

bool packet_source_is_sound(const struct ip_address *source)
{
	switch (ip_kind(source)) {
	case IP_UNSPECIFIED:
	case IP_LOOPBACK:
	case IP_MULTICAST:
	case IP_BROADCAST:
		return false;
	default:
		return true;
	}
}

/* The UDP header, and what the parts of a packet have in common once it is found. */
static enum packet_status parse_udp(struct packet *packet, uint8_t family, size_t source_offset,
				    size_t destination_offset)
{
	const uint8_t *data = packet->data;
	const uint8_t *udp = data + packet->udp_offset;
	uint32_t udp_bytes;

	packet->headers_bytes = (uint16_t)(packet->udp_offset + UDP_HEADER_BYTES);
	if (packet->headers_bytes > packet->length_bytes ||
	    packet->headers_bytes > PACKET_HEADERS_MAX)
		return PACKET_MALFORMED;
	udp_bytes = load_be16(udp + UDP_LENGTH);
	if (udp_bytes < UDP_HEADER_BYTES || packet->udp_offset + udp_bytes > packet->length_bytes)
		return PACKET_MALFORMED;

	packet->source_port_be = load_raw16(udp);
	packet->destination_port_be = load_raw16(udp + UDP_DESTINATION_PORT);
	load_address(&packet->source, family, data + source_offset);
	load_address(&packet->destination, family, data + destination_offset);
	packet->source_sum = address_sum(&packet->source);
	packet->destination_sum = address_sum(&packet->destination);

	return packet_source_is_sound(&packet->source) ? PACKET_OK : PACKET_MALFORMED;
}

/*
 * Whether the options are sound and hold no source route with hops left: in such a packet the
 * destination is the next hop only, and the UDP checksum covers another address.
 */
static bool ipv4_options_usable(const uint8_t *option, size_t length)
{
	enum { END = 0, NO_OPERATION = 1, LOOSE_SOURCE_ROUTE = 0x83, STRICT_SOURCE_ROUTE = 0x89 };

	while (length > 0 && option[0] != END) {
		size_t option_bytes = 1;

		if (option[0] != NO_OPERATION) {
			if (length < 2 || option[1] < 2 || option[1] > length)
				return false;
			option_bytes = option[1];
		}
		if (option[0] == LOOSE_SOURCE_ROUTE || option[0] == STRICT_SOURCE_ROUTE) {
			/* The pointer counts from 1 and passes the length when all is done. */
			if (option_bytes < 3 || option[2] <= option_bytes)
				return false;
		}
		option += option_bytes;
		length -= option_bytes;
	}
	return true;
}

static enum packet_status parse_ipv4(const uint8_t *data, size_t available, struct packet *packet)
{
	size_t header_bytes;

	if (available < IPV4_HEADER_MIN_BYTES)
		return PACKET_MALFORMED;
	header_bytes = (size_t)(data[0] & 0x0f) * 4;
	packet->length_bytes = load_be16(data + IPV4_TOTAL_LENGTH);
	if (header_bytes < IPV4_HEADER_MIN_BYTES || packet->length_bytes < header_bytes ||
	    packet->length_bytes > available)
		return PACKET_MALFORMED;
	/* More Fragments or an offset (RFC 791 3.1); DF and the reserved bit may be anything. */
	if ((load_be16(data + IPV4_FRAGMENT) & 0x3fff) != 0)
		return PACKET_MALFORMED;
	if (data[IPV4_PROTOCOL] != IPPROTO_UDP)
		return PACKET_NOT_UDP;
	if (!ipv4_options_usable(data + IPV4_HEADER_MIN_BYTES,
				 header_bytes - IPV4_HEADER_MIN_BYTES))
		return PACKET_MALFORMED;

	packet->udp_offset = (uint16_t)header_bytes;
	packet->unfragmentable_bytes = (uint16_t)header_bytes;
	packet->next_header_offset = IPV4_PROTOCOL;
	return parse_udp(packet, AF_INET, IPV4_SOURCE, IPV4_DESTINATION);
}

/* A walk along IPv6 extension headers. */
struct extension_walk {
	uint8_t next_header;
	uint32_t offset;	     /* of the header that next_header names */
	uint32_t next_header_offset; /* of the byte that names it */
};

/*
 * Steps over one extension header. Returns false on one that makes the packet malformed.
 * *unfragmentable is set when the header must come before a Fragment header (RFC 8200 4.5).
 */
static bool step_extension(const struct packet *packet, struct extension_walk *walk,
			   bool *unfragmentable)
{
	enum { ROUTING_SEGMENTS_LEFT = 3 };
	const uint8_t *header = packet->data + walk->offset;

	/* Defragmentation takes Fragment headers away, atomic ones (RFC 6946) too. */
	if (walk->next_header == IPPROTO_FRAGMENT || walk->offset + 8 > packet->length_bytes)
		return false;
	if (walk->next_header == IPPROTO_ROUTING && header[ROUTING_SEGMENTS_LEFT] != 0)
		return false;
	*unfragmentable = walk->next_header != IPPROTO_DSTOPTS;
	walk->next_header = header[0];
	walk->next_header_offset = walk->offset;
	walk->offset += 8 + (uint32_t)header[1] * 8;
	return walk->offset <= packet->length_bytes && walk->offset <= PACKET_HEADERS_MAX;
}

static bool is_extension(uint8_t next_header)
{
	return next_header == IPPROTO_HOPOPTS || next_header == IPPROTO_ROUTING ||
	       next_header == IPPROTO_FRAGMENT || next_header == IPPROTO_DSTOPTS;
}

static enum packet_status parse_ipv6(const uint8_t *data, size_t available, struct packet *packet)
{
	struct extension_walk walk = {.offset = IPV6_HEADER_BYTES,
				      .next_header_offset = IPV6_NEXT_HEADER};
	bool unfragmentable;

	if (available < IPV6_HEADER_BYTES)
		return PACKET_MALFORMED;
	packet->length_bytes = IPV6_HEADER_BYTES + (uint32_t)load_be16(data + IPV6_PAYLOAD_LENGTH);
	if (packet->length_bytes > available)
		return PACKET_MALFORMED;

	walk.next_header = data[IPV6_NEXT_HEADER];
	packet->unfragmentable_bytes = IPV6_HEADER_BYTES;
	packet->next_header_offset = IPV6_NEXT_HEADER;
	for (unsigned steps = 0; is_extension(walk.next_header); steps++) {
		if (steps == PACKET_EXTENSIONS_MAX ||
		    !step_extension(packet, &walk, &unfragmentable))
			return PACKET_MALFORMED;
		if (unfragmentable) {
			packet->unfragmentable_bytes = (uint16_t)walk.offset;
			packet->next_header_offset = (uint16_t)walk.next_header_offset;
		}
	}
	if (walk.next_header != IPPROTO_UDP)
		return PACKET_NOT_UDP;
	packet->udp_offset = (uint16_t)walk.offset;
	return parse_udp(packet, AF_INET6, IPV6_SOURCE, IPV6_DESTINATION);
}

enum packet_status packet_parse(const uint8_t *data, size_t available, struct packet *packet)
{
	packet->data = data;
	if (available == 0)
		return PACKET_MALFORMED;
	switch (data[0] >> 4) {
	case 4:
		return parse_ipv4(data, available, packet);
	case 6:
		return parse_ipv6(data, available, packet);
	default:
		return PACKET_MALFORMED;
	}
}

uint8_t packet_ttl(const struct packet *packet)
{
	return packet->data[packet->destination.family == AF_INET ? IPV4_TTL : IPV6_HOP_LIMIT];
}

/* Sums of the addresses that a checksum covered, and of those that it will cover. */
struct address_sums {
	uint32_t old, new;
};

/* Addresses and TTL of an IPv4 header, and its checksum. */
static void rewrite_ipv4(const struct packet_target *target, const struct address_sums *sums,
			 uint8_t ttl, uint8_t *headers)
{
	uint32_t old_sum = sums->old + load_raw16(headers + IPV4_TTL);
	uint32_t new_sum = sums->new;

	if (target->source.family != AF_UNSPEC)
		memcpy(headers + IPV4_SOURCE, target->source.bytes, 4);
	headers[IPV4_TTL] = ttl;
	new_sum += load_raw16(headers + IPV4_TTL); /* TTL and protocol share a word */
	memcpy(headers + IPV4_DESTINATION, target->address.bytes, 4);
	store_raw16(headers + IPV4_CHECKSUM,
		    checksum_update(load_raw16(headers + IPV4_CHECKSUM), old_sum, new_sum));
}

void packet_rewrite(const struct packet *packet, const struct packet_target *target, uint8_t ttl,
		    uint8_t *headers)
{
	uint16_t port_be = target->port_be != 0 ? target->port_be : packet->destination_port_be;
	uint8_t *udp = headers + packet->udp_offset;
	bool new_source = target->source.family != AF_UNSPEC;
	struct address_sums sums = {
		packet->destination_sum + (new_source ? packet->source_sum : 0),
		target->address_sum + (new_source ? target->source_sum : 0),
	};
	uint16_t checksum_be;

	memcpy(headers, packet->data, packet->headers_bytes);
	if (packet->destination.family == AF_INET) {
		rewrite_ipv4(target, &sums, ttl, headers);
	} else {
		headers[IPV6_HOP_LIMIT] = ttl;
		if (new_source)
			memcpy(headers + IPV6_SOURCE, target->source.bytes, 16);
		memcpy(headers + IPV6_DESTINATION, target->address.bytes, 16);
	}

	store_raw16(udp + UDP_DESTINATION_PORT, port_be);
	checksum_be = load_raw16(udp + UDP_CHECKSUM);
	if (checksum_be == 0)
		return; /* none was made, and none is due (RFC 768; RFC 6935 for IPv6) */
	checksum_be = checksum_update(checksum_be, sums.old + packet->destination_port_be,
				      sums.new + port_be);
	store_raw16(udp + UDP_CHECKSUM, checksum_be != 0 ? checksum_be : 0xffff);
}
