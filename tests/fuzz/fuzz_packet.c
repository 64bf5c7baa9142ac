/* SPDX-License-Identifier: MIT */
/*
 * A packet from the network: parsed, rewritten for a destination, cut into fragments, and those
 * read as packets again. What must come out is computed slowly from the RFCs' words.
 */
#include "fuzz.h"
#include "naive.h"
#include "reassembly.h"

#include "core/fragment.h"

#include <sys/socket.h>

enum { WHOLE_MAX = 65575 };

/* An input begins with this; the packet follows. */
struct wish {
	uint8_t flags;
	uint8_t ttl;
	uint8_t port[2];
	uint8_t mtu[2];
	uint8_t identification[4];
	uint8_t address[16];
	uint8_t source[16];
};

enum { MEND_LENGTHS = 1, MEND_CHECKSUMS = 2, OTHER_SOURCE = 4, SMALL_MTU = 8 };

static uint8_t whole[WHOLE_MAX], piece[WHOLE_MAX];

static void put_be16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Lengths and checksums are hard to guess: half of the inputs have them right. */
static void mend(uint8_t *data, size_t size, uint8_t flags)
{
	size_t udp = size > 0 && data[0] >> 4 == 4 ? (size_t)(data[0] & 15) * 4 : 40;
	bool ipv4 = udp < 40 || (size > 0 && data[0] >> 4 == 4);
	struct packet packet;

	if (flags & MEND_LENGTHS && size >= udp + 8 && udp >= 20) {
		put_be16(data + (ipv4 ? 2 : 4), ipv4 ? size : size - 40);
		put_be16(data + udp + 4, size - udp);
	}
	if (!(flags & MEND_CHECKSUMS) || packet_parse(data, size, &packet) != PACKET_OK)
		return;
	if (ipv4)
		put_be16(data + 10, naive_ipv4_checksum(data, packet.udp_offset));
	put_be16(data + packet.udp_offset + 6,
		 ipv4 ? naive_udp_checksum(data + 12, 8, data + packet.udp_offset)
		      : naive_udp_checksum(data + 8, 32, data + packet.udp_offset));
}

static bool header_is_right(const uint8_t *ip, size_t header_bytes)
{
	return naive_finish(naive_add(0, ip, header_bytes)) == 0;
}

static bool datagram_is_right(const uint8_t *addresses, size_t addresses_bytes, const uint8_t *udp)
{
	size_t udp_bytes = naive_be16(udp + 4);
	uint32_t sum = naive_add(0, addresses, addresses_bytes) + 17 + (uint32_t)udp_bytes;

	return naive_finish(naive_add(sum, udp, udp_bytes)) == 0;
}

/* A receiver takes the copy exactly when it would have taken the packet. */
static void check_checksums(const uint8_t *before, const uint8_t *after,
			    const struct packet *packet)
{
	bool ipv4 = packet->destination.family == AF_INET;
	size_t udp = packet->udp_offset, at = ipv4 ? 12 : 8, bytes = ipv4 ? 8 : 32;
	bool was_right;

	if (ipv4) {
		was_right = header_is_right(before, udp);
		FUZZ_EXPECT(header_is_right(after, udp) == was_right);
		FUZZ_EXPECT(!was_right ||
			    naive_be16(after + 10) == naive_ipv4_checksum(after, udp));
	}
	if (naive_be16(before + udp + 6) == 0) {
		FUZZ_EXPECT(naive_be16(after + udp + 6) == 0);
		return;
	}
	FUZZ_EXPECT(naive_be16(after + udp + 6) != 0);
	was_right = datagram_is_right(before + at, bytes, before + udp);
	FUZZ_EXPECT(datagram_is_right(after + at, bytes, after + udp) == was_right);
	FUZZ_EXPECT(!was_right || naive_be16(after + udp + 6) ==
					  naive_udp_checksum(after + at, bytes, after + udp));
}

/* Nothing but what was asked for is another, and checksums. */
static void check_copy(const uint8_t *before, const uint8_t *after, const struct packet *packet,
		       const struct packet_target *target, uint8_t ttl)
{
	bool ipv4 = packet->destination.family == AF_INET;
	size_t udp = packet->udp_offset, address_bytes = ipv4 ? 4 : 16;
	uint8_t expected[PACKET_HEADERS_MAX];

	memcpy(expected, before, packet->headers_bytes);
	expected[ipv4 ? 8 : 7] = ttl;
	memcpy(expected + (ipv4 ? 16 : 24), target->address.bytes, address_bytes);
	if (target->source.family != AF_UNSPEC)
		memcpy(expected + (ipv4 ? 12 : 8), target->source.bytes, address_bytes);
	if (target->port_be != 0)
		memcpy(expected + udp + 2, &target->port_be, 2);
	if (ipv4)
		memcpy(expected + 10, after + 10, 2);
	memcpy(expected + udp + 6, after + udp + 6, 2);
	FUZZ_EXPECT(memcmp(expected, after, packet->headers_bytes) == 0);
	check_checksums(before, after, packet);
}

/* Fragments never come to us, since the kernel puts them together: whoever sends one is refused. */
static void check_as_input(const uint8_t *bytes, size_t length, bool ipv4)
{
	bool is_whole = ipv4 && (naive_be16(bytes + 6) & 0x3fff) == 0;
	struct packet packet;

	FUZZ_EXPECT(packet_parse(bytes, length, &packet) == PACKET_MALFORMED || is_whole);
}

/* Bytes of the IPv4 options that every fragment has to have (RFC 791 3.1); others: all others. */
static size_t copied_bytes(const uint8_t *header, size_t *others)
{
	size_t end = (size_t)(header[0] & 15) * 4, copied = 0;

	*others = 0;
	for (size_t at = 20; at < end && header[at] != 0;) {
		size_t length = header[at] == 1 ? 1 : header[at + 1];

		if (header[at] & 0x80)
			copied += length;
		else
			*others += length;
		at += length;
	}
	return copied;
}

static void check_options(const uint8_t *copy, const uint8_t *later)
{
	size_t others, first_others;

	FUZZ_EXPECT(copied_bytes(copy, &first_others) == copied_bytes(later, &others));
	FUZZ_EXPECT(others == 0);
}

/* Whether more fragments follow this one, by its own words. */
static bool says_more(const uint8_t *bytes, const struct packet *packet)
{
	bool ipv4 = packet->destination.family == AF_INET;

	return ipv4 ? (bytes[6] & 0x20) != 0 : (bytes[packet->unfragmentable_bytes + 3] & 1) != 0;
}

/* copy is the whole packet as it would leave in one piece. */
static void check_fragments(const struct packet *packet, const uint8_t *copy, uint32_t mtu,
			    uint32_t identification)
{
	bool ipv4 = packet->destination.family == AF_INET, more = true;
	uint32_t room = packet->headers_bytes + 8u + (ipv4 ? 0 : 8u);
	struct fragmenter fragmenter;
	struct fragment fragment;
	size_t have = 0;

	FUZZ_EXPECT(fragment_begin(&fragmenter, packet, copy, mtu, identification) ==
		    (mtu >= room));
	if (mtu < room)
		return;
	while (fragment_next(&fragmenter, piece, &fragment)) {
		size_t length = fragment.headers_bytes + fragment.payload_bytes;

		FUZZ_EXPECT(more && length <= mtu);
		FUZZ_EXPECT(fragment.headers_bytes <= FRAGMENT_HEADERS_MAX);
		memcpy(piece + fragment.headers_bytes, fragment.payload, fragment.payload_bytes);
		if (ipv4 && have > 0)
			check_options(copy, piece);
		have = reassembly_add(whole, have, piece, length);
		FUZZ_EXPECT(have > 0 && have <= packet->length_bytes);
		more = says_more(piece, packet);
		check_as_input(piece, length, ipv4);
	}
	FUZZ_EXPECT(!more && have == packet->length_bytes);
	/* Length, identification, flags and checksum of a fragment's header are its own. */
	memcpy(whole + (ipv4 ? 2 : 4), copy + (ipv4 ? 2 : 4), ipv4 ? 6 : 2);
	if (ipv4)
		memcpy(whole + 10, copy + 10, 2);
	FUZZ_EXPECT(memcmp(whole, copy, packet->length_bytes) == 0);
}

static void make_target(struct packet_target *target, const struct wish *wish, uint8_t family)
{
	struct ip_address address = {.family = family}, source = {.family = family};
	uint16_t port_be;

	memcpy(address.bytes, wish->address, ip_length_bytes(family));
	memcpy(source.bytes, wish->source, ip_length_bytes(family));
	memcpy(&port_be, wish->port, sizeof(port_be));
	packet_target_init(target, &address, port_be);
	if (wish->flags & OTHER_SOURCE)
		packet_target_set_source(target, &source);
}

static void try_packet(const struct wish *wish, uint8_t *data, size_t size)
{
	uint32_t mtu = naive_be16(wish->mtu), identification;
	struct packet_target target;
	struct packet packet;
	uint8_t *copy;

	if (packet_parse(data, size, &packet) != PACKET_OK)
		return;
	FUZZ_EXPECT(packet.length_bytes <= size && packet.headers_bytes <= packet.length_bytes);
	FUZZ_EXPECT(data[0] >> 4 == 6 || (naive_be16(data + 6) & 0x3fff) == 0);
	make_target(&target, wish, packet.destination.family);
	memcpy(&identification, wish->identification, sizeof(identification));
	if (wish->flags & SMALL_MTU)
		mtu = packet.headers_bytes + mtu % 512;
	copy = fuzz_copy(data, packet.length_bytes);
	packet_rewrite(&packet, &target, wish->ttl, copy);
	check_copy(data, copy, &packet, &target, wish->ttl);
	check_fragments(&packet, copy, mtu, identification);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wish wish;
	uint8_t *packet;

	if (size < sizeof(wish))
		return 0;
	memcpy(&wish, data, sizeof(wish));
	packet = fuzz_copy(data + sizeof(wish), size - sizeof(wish));
	mend(packet, size - sizeof(wish), wish.flags);
	try_packet(&wish, packet, size - sizeof(wish));
	free(packet);
	return 0;
}
