/* SPDX-License-Identifier: MIT */
/* Parsing, rewriting and fragmenting, against plain full computations over random packets. */
#include "core/checksum.h"
#include "core/fragment.h"
#include "core/packet.h"
#include "naive.h"
#include "random.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { PACKET_MAX = 65575, REWRITES = 1000000, ROUND_TRIPS = 20000 };

/* A packet under construction, and where its parts are. */
struct sample {
	uint8_t bytes[PACKET_MAX];
	size_t length;
	size_t udp;
};

static void put_be16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_checksums(struct sample *s)
{
	uint8_t *ip = s->bytes;
	bool ipv4 = ip[0] >> 4 == 4;

	put_be16(s->bytes + s->udp + 6, ipv4 ? naive_udp_checksum(ip + 12, 8, ip + s->udp)
					     : naive_udp_checksum(ip + 8, 32, ip + s->udp));
	if (ipv4)
		put_be16(ip + 10, naive_ipv4_checksum(ip, (size_t)(ip[0] & 15) * 4));
}

static void put_udp(struct sample *s, size_t udp, size_t payload)
{
	s->udp = udp;
	s->length = udp + 8 + payload;
	put_be16(s->bytes + udp + 4, 8 + payload);
	/* What a random header may say, but not a port of 0. */
	s->bytes[udp + 2] |= 1;
}

/* Options that are sound: NOPs, a record route, a router alert, a stream id, in any order. */
static size_t put_ipv4_options(uint8_t *at, size_t room)
{
	static const uint8_t alert[] = {0x94, 4, 0, 0}, stream[] = {0x88, 4, 1, 2},
			     record[] = {7, 7, 4, 0, 0, 0, 0},
			     timestamp[] = {0x44, 8, 5, 0, 0, 0, 0, 0};
	static const struct {
		const uint8_t *bytes;
		size_t length;
	} all[] = {
		{alert, 4}, {stream, 4}, {record, 7}, {timestamp, 8}, {(const uint8_t *)"\1", 1}};
	size_t used = 0;

	memset(at, 0, room);
	for (unsigned i = 0; i < 5; i++) {
		unsigned which = random_below(5);

		if (used + all[which].length > room)
			break;
		memcpy(at + used, all[which].bytes, all[which].length);
		used += all[which].length;
	}
	return room;
}

static void make_ipv4(struct sample *s, size_t payload)
{
	size_t header = 20;

	random_bytes(s->bytes, 20);
	if (random_below(3) == 0)
		header += put_ipv4_options(s->bytes + 20, 4 * (1 + random_below(10)));
	random_bytes(s->bytes + header, 8 + payload);
	s->bytes[0] = (uint8_t)(0x40 | header / 4);
	put_be16(s->bytes + 2, header + 8 + payload);
	put_be16(s->bytes + 6, random_below(2) ? 0x4000 : 0);
	s->bytes[9] = IPPROTO_UDP;
	s->bytes[12] = (uint8_t)(1 + random_below(126));
	put_udp(s, header, payload);
	put_checksums(s);
}

/* One extension header of 8 to 32 bytes; returns where the next one begins. */
static size_t put_extension(struct sample *s, size_t at, size_t *next_header, uint8_t type)
{
	unsigned units = random_below(4);

	random_bytes(s->bytes + at, 8 + units * 8);
	s->bytes[*next_header] = type;
	s->bytes[at + 1] = (uint8_t)units;
	if (type == IPPROTO_ROUTING)
		s->bytes[at + 3] = 0; /* no segments left */
	*next_header = at;
	return at + 8 + units * 8;
}

static void make_ipv6(struct sample *s, size_t payload)
{
	size_t at = 40, next_header = 6;

	random_bytes(s->bytes, 40);
	s->bytes[0] = (uint8_t)(0x60 | (s->bytes[0] & 15));
	s->bytes[8] = 0x20;
	if (random_below(4) == 0)
		at = put_extension(s, at, &next_header, IPPROTO_HOPOPTS);
	if (random_below(4) == 0)
		at = put_extension(s, at, &next_header, IPPROTO_DSTOPTS);
	if (random_below(4) == 0)
		at = put_extension(s, at, &next_header, IPPROTO_ROUTING);
	if (random_below(4) == 0)
		at = put_extension(s, at, &next_header, IPPROTO_DSTOPTS);
	s->bytes[next_header] = IPPROTO_UDP;
	random_bytes(s->bytes + at, 8 + payload);
	put_be16(s->bytes + 4, at - 40 + 8 + payload);
	put_udp(s, at, payload);
	put_checksums(s);
}

static void make(struct sample *s, bool ipv4, size_t payload)
{
	if (ipv4)
		make_ipv4(s, payload);
	else
		make_ipv6(s, payload);
}

static void random_target(struct packet_target *target, bool ipv4)
{
	struct ip_address address = {.family = ipv4 ? AF_INET : AF_INET6};

	random_bytes(address.bytes, ipv4 ? 4 : 16);
	/* Words of all ones and all zeros are where one's complement has its two zeros. */
	if (random_below(4) == 0)
		memset(address.bytes, random_below(2) ? 0xff : 0, ipv4 ? 4 : 16);
	packet_target_init(target, &address,
			   random_below(4) == 0 ? 0 : htons((uint16_t)(1 + random_below(65535))));
}

/* The copy, made the slow way: bytes replaced, checksums computed from nothing. */
static void expect_copy(struct sample *s, const struct packet_target *target, uint8_t ttl)
{
	bool ipv4 = s->bytes[0] >> 4 == 4;
	bool had_checksum = naive_be16(s->bytes + s->udp + 6) != 0;

	memcpy(s->bytes + (ipv4 ? 16 : 24), target->address.bytes, ipv4 ? 4 : 16);
	if (target->port_be != 0)
		memcpy(s->bytes + s->udp + 2, &target->port_be, 2);
	s->bytes[ipv4 ? 8 : 7] = ttl;
	put_checksums(s);
	if (!had_checksum)
		put_be16(s->bytes + s->udp + 6, 0);
}

static void check_rewrite(struct sample *s, struct sample *expected)
{
	uint8_t headers[PACKET_HEADERS_MAX];
	struct packet_target target;
	struct packet packet;
	uint8_t ttl = (uint8_t)(1 + random_below(255));

	assert_int_equal(packet_parse(s->bytes, s->length, &packet), PACKET_OK);
	assert_int_equal(packet.length_bytes, s->length);
	assert_int_equal(packet.udp_offset, s->udp);
	random_target(&target, s->bytes[0] >> 4 == 4);
	packet_rewrite(&packet, &target, ttl, headers);

	memcpy(expected->bytes, s->bytes, s->length);
	expected->length = s->length;
	expected->udp = s->udp;
	expect_copy(expected, &target, ttl);
	assert_memory_equal(headers, expected->bytes, packet.headers_bytes);
}

static void test_rewrite_like_full_computation(void **state)
{
	static struct sample s, expected;

	(void)state;
	for (unsigned i = 0; i < REWRITES; i++) {
		make(&s, random_below(2), random_below(40));
		if (random_below(8) == 0)
			put_be16(s.bytes + s.udp + 6, 0);
		check_rewrite(&s, &expected);
	}
}

/* Payloads chosen so that the copy's checksum comes out as 0, which UDP sends as 0xffff. */
static void test_rewrite_zero_checksum(void **state)
{
	struct ip_address address = {.family = AF_INET, .bytes = {10, 1, 2, 3}};
	uint8_t headers[PACKET_HEADERS_MAX];
	struct packet_target target;
	static struct sample s, copy;
	struct packet packet;

	(void)state;
	packet_target_init(&target, &address, htons(515));
	for (unsigned i = 0; i < 1000; i++) {
		make_ipv4(&s, 2 + 2 * random_below(20));
		put_be16(s.bytes + s.udp + 8, 0);
		copy = s;
		expect_copy(&copy, &target, s.bytes[8]);
		/* A word with the checksum's own value makes the sum come to 0xffff. */
		memcpy(s.bytes + s.udp + 8, copy.bytes + s.udp + 6, 2);
		put_checksums(&s);
		assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_OK);
		packet_rewrite(&packet, &target, s.bytes[8], headers);
		assert_int_equal(naive_be16(headers + s.udp + 6), 0xffff);
	}
}

static void test_corrupt_stays_corrupt(void **state)
{
	uint8_t headers[PACKET_HEADERS_MAX];
	struct packet_target target;
	static struct sample s;
	struct packet packet;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		bool ipv4 = random_below(2);
		uint16_t error = (uint16_t)(1 + random_below(0xfffe));
		uint32_t sum, right;

		make(&s, ipv4, random_below(40));
		right = naive_be16(s.bytes + s.udp + 6);
		put_be16(s.bytes + s.udp + 6, naive_finish(0xffff - right + error));
		if (naive_be16(s.bytes + s.udp + 6) == 0)
			continue; /* says that there is no checksum */
		assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_OK);
		random_target(&target, ipv4);
		packet_rewrite(&packet, &target, 64, headers);
		memcpy(s.bytes, headers, packet.headers_bytes);
		sum = ipv4 ? naive_udp_checksum(s.bytes + 12, 8, s.bytes + s.udp)
			   : naive_udp_checksum(s.bytes + 8, 32, s.bytes + s.udp);
		assert_int_not_equal(naive_be16(headers + s.udp + 6), sum);
	}
}

/* Any change of any header byte must give a sound packet or none, and never read beyond it. */
static void test_parse_survives_anything(void **state)
{
	static struct sample s;

	(void)state;
	for (unsigned i = 0; i < 500000; i++) {
		struct packet packet;
		uint8_t *exact;
		size_t length;

		make(&s, random_below(2), random_below(20));
		for (unsigned n = random_below(4); n > 0; n--)
			s.bytes[random_below((uint32_t)s.udp + 8)] = (uint8_t)random_u64();
		length = random_below(3) ? s.length : random_below((uint32_t)s.length + 1);
		exact = malloc(length + 1); /* so that ASan sees the end */
		assert_non_null(exact);
		memcpy(exact + 1, s.bytes, length);
		if (packet_parse(exact + 1, length, &packet) == PACKET_OK) {
			assert_true(packet.length_bytes <= length);
			assert_true(packet.headers_bytes <= packet.length_bytes);
			assert_true(packet.headers_bytes <= PACKET_HEADERS_MAX);
			assert_int_equal(packet.headers_bytes, packet.udp_offset + 8);
			assert_true(naive_be16(exact + 1 + packet.udp_offset + 4) <=
				    packet.length_bytes - packet.udp_offset);
		}
		free(exact);
	}
}

/* Cases by name: each takes a sound packet and breaks one thing. */
static void break_version(struct sample *s)
{
	s->bytes[0] = (uint8_t)(0x50 | (s->bytes[0] & 15));
}

static void break_header_length(struct sample *s)
{
	s->bytes[0] = 0x44;
}

static void break_total_length_long(struct sample *s)
{
	put_be16(s->bytes + 2, s->length + 1);
}

static void break_total_length_short(struct sample *s)
{
	put_be16(s->bytes + 2, 19);
}

static void break_more_fragments(struct sample *s)
{
	put_be16(s->bytes + 6, 0x2000);
}

static void break_fragment_offset(struct sample *s)
{
	put_be16(s->bytes + 6, 1);
}

static void break_udp_length_7(struct sample *s)
{
	put_be16(s->bytes + s->udp + 4, 7);
}

static void break_udp_length_long(struct sample *s)
{
	put_be16(s->bytes + s->udp + 4, s->length - s->udp + 1);
}

static void break_source_zero(struct sample *s)
{
	memset(s->bytes + 12, 0, 4);
}

static void break_source_this_network(struct sample *s)
{
	s->bytes[12] = 0;
}

static void break_source_loopback(struct sample *s)
{
	s->bytes[12] = 127;
}

static void break_source_multicast(struct sample *s)
{
	s->bytes[12] = 224;
}

static void break_source_broadcast(struct sample *s)
{
	memset(s->bytes + 12, 0xff, 4);
}

/* Rebuilds the packet with these four bytes as its options. */
static void set_option(struct sample *s, const uint8_t option[4])
{
	make_ipv4(s, 10);
	memmove(s->bytes + 24, s->bytes + s->udp, 18);
	memcpy(s->bytes + 20, option, 4);
	s->bytes[0] = 0x46;
	put_be16(s->bytes + 2, 42);
	s->udp = 24;
	s->length = 42;
}

static void break_option_length_0(struct sample *s)
{
	set_option(s, (const uint8_t[]){7, 0, 0, 0});
}

static void break_option_too_long(struct sample *s)
{
	set_option(s, (const uint8_t[]){7, 5, 4, 0});
}

static void break_option_cut(struct sample *s)
{
	set_option(s, (const uint8_t[]){1, 1, 1, 7});
}

static void break_loose_source_route(struct sample *s)
{
	set_option(s, (const uint8_t[]){0x83, 4, 4, 0});
}

static void break_strict_source_route(struct sample *s)
{
	set_option(s, (const uint8_t[]){0x89, 4, 4, 0});
}

static void test_malformed_ipv4(void **state)
{
	static void (*const cases[])(struct sample *) = {
		break_version,
		break_header_length,
		break_total_length_long,
		break_total_length_short,
		break_more_fragments,
		break_fragment_offset,
		break_udp_length_7,
		break_udp_length_long,
		break_source_zero,
		break_source_this_network,
		break_source_loopback,
		break_source_multicast,
		break_source_broadcast,
		break_option_length_0,
		break_option_too_long,
		break_option_cut,
		break_loose_source_route,
		break_strict_source_route,
	};
	static struct sample s;
	struct packet packet;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		make_ipv4(&s, 10);
		cases[i](&s);
		if (packet_parse(s.bytes, s.length, &packet) != PACKET_MALFORMED)
			fail_msg("case %zu was taken", i);
	}
	/* A source route that has been followed to its end is history, not an order. */
	set_option(&s, (const uint8_t[]){0x83, 3, 4, 1});
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_OK);
	/* UDP may be shorter than the IP payload (RFC 768 does not forbid it). */
	make_ipv4(&s, 10);
	put_be16(s.bytes + s.udp + 4, 12);
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_OK);
	assert_int_equal(packet.length_bytes, s.length);
	s.bytes[9] = IPPROTO_TCP;
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_NOT_UDP);
}

/* An IPv6 packet whose payload begins with count extension headers of type. */
static void make_extended(struct sample *s, uint8_t type, unsigned count)
{
	size_t at = 40, next_header = 6;

	make_ipv6(s, 10);
	for (unsigned i = 0; i < count; i++)
		at = put_extension(s, at, &next_header, type);
	s->bytes[next_header] = IPPROTO_UDP;
	put_be16(s->bytes + 4, at - 40 + 18);
	put_udp(s, at, 10);
}

static void test_malformed_ipv6(void **state)
{
	static struct sample s;
	struct packet packet;

	(void)state;
	make_extended(&s, IPPROTO_DSTOPTS, PACKET_EXTENSIONS_MAX);
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_OK);
	make_extended(&s, IPPROTO_DSTOPTS, PACKET_EXTENSIONS_MAX + 1);
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_MALFORMED);
	make_extended(&s, IPPROTO_FRAGMENT, 1);
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_MALFORMED);
	make_extended(&s, IPPROTO_ROUTING, 1);
	s.bytes[43] = 1; /* a segment left */
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_MALFORMED);
	make_extended(&s, IPPROTO_HOPOPTS, 1);
	s.bytes[41] = 255; /* longer than the packet */
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_MALFORMED);

	make_extended(&s, IPPROTO_UDP, 0);
	put_be16(s.bytes + 4, s.length - 40 + 1);
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_MALFORMED);
	put_be16(s.bytes + 4, 0); /* a jumbogram, or nothing */
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_MALFORMED);
	make_extended(&s, IPPROTO_UDP, 0);
	memset(s.bytes + 8, 0, 16);
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_MALFORMED);
	s.bytes[23] = 1; /* ::1 */
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_MALFORMED);
	s.bytes[8] = 0xff;
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_MALFORMED);
}

/* What a receiver does with IPv4 fragments (RFC 791 3.2), which must come in order here. */
static size_t reassemble_ipv4(uint8_t *whole, size_t have, const uint8_t *piece, size_t length)
{
	size_t header = (size_t)(piece[0] & 15) * 4;
	size_t offset = (size_t)(naive_be16(piece + 6) & 0x1fff) * 8;
	size_t first_header = have == 0 ? header : (size_t)(whole[0] & 15) * 4;

	assert_int_equal(naive_be16(piece + 2), length);
	assert_int_equal(naive_be16(piece + 10), naive_ipv4_checksum(piece, header));
	assert_int_equal(naive_be16(piece + 6) & 0xc000, 0);
	if (have == 0)
		memcpy(whole, piece, header);
	assert_int_equal(have == 0 ? 0 : have - first_header, offset);
	memcpy(whole + first_header + offset, piece + header, length - header);
	return first_header + offset + length - header;
}

/* The same for IPv6 (RFC 8200 4.5): the Fragment header goes, and what it hid comes back. */
static size_t reassemble_ipv6(uint8_t *whole, size_t have, const uint8_t *piece, size_t length)
{
	size_t next_header = 6, at = 40, offset;

	while (piece[next_header] != IPPROTO_FRAGMENT) {
		next_header = at;
		at += 8 + (size_t)piece[at + 1] * 8;
	}
	assert_int_equal(naive_be16(piece + 4) + 40, length);
	offset = naive_be16(piece + at + 2) & 0xfff8u;
	if (have == 0) {
		memcpy(whole, piece, at);
		whole[next_header] = piece[at];
		have = at;
	}
	assert_int_equal(have - at, offset);
	memcpy(whole + have, piece + at + 8, length - at - 8);
	return have + length - at - 8;
}

static void check_round_trip(struct sample *s, uint32_t mtu)
{
	static uint8_t whole[PACKET_MAX], piece[PACKET_MAX];
	bool ipv4 = s->bytes[0] >> 4 == 4;
	uint8_t headers[PACKET_HEADERS_MAX];
	struct packet_target target;
	struct fragmenter fragmenter;
	struct fragment fragment;
	struct packet packet;
	size_t have = 0;

	assert_int_equal(packet_parse(s->bytes, s->length, &packet), PACKET_OK);
	random_target(&target, ipv4);
	packet_rewrite(&packet, &target, 64, headers);
	if (!fragment_begin(&fragmenter, &packet, headers, mtu, 0x12345678)) {
		assert_true(mtu < packet.headers_bytes + 16u);
		return;
	}
	while (fragment_next(&fragmenter, piece, &fragment)) {
		size_t length = fragment.headers_bytes + fragment.payload_bytes;
		bool more;

		assert_true(fragment.headers_bytes <= FRAGMENT_HEADERS_MAX);
		assert_true(length <= mtu);
		memcpy(piece + fragment.headers_bytes, fragment.payload, fragment.payload_bytes);
		have = ipv4 ? reassemble_ipv4(whole, have, piece, length)
			    : reassemble_ipv6(whole, have, piece, length);
		if (ipv4) {
			assert_int_equal(naive_be16(piece + 4), 0x5678);
			more = piece[6] & 0x20;
			assert_int_equal(more, have < s->length);
		}
	}
	memcpy(s->bytes, headers, packet.headers_bytes);
	assert_int_equal(have, s->length);
	if (ipv4) { /* length, identification, flags and checksum are the fragments' own */
		memcpy(whole + 2, s->bytes + 2, 6);
		memcpy(whole + 10, s->bytes + 10, 2);
	} else {
		memcpy(whole + 4, s->bytes + 4, 2);
	}
	assert_memory_equal(whole, s->bytes, s->length);
}

static void test_fragments_make_the_whole(void **state)
{
	static struct sample s;

	(void)state;
	for (unsigned i = 0; i < ROUND_TRIPS; i++) {
		bool ipv4 = random_below(2);
		uint32_t least = ipv4 ? 68 : 1280;
		size_t most = random_below(20) ? 4000 : 65000;

		make(&s, ipv4, random_below((uint32_t)most));
		check_round_trip(&s, least + random_below(random_below(2) ? 20 : 9000));
	}
}

static void test_later_fragments_keep_copied_options_only(void **state)
{
	/* record route (not copied), router alert (copied), NOP (not copied) */
	static const uint8_t options[12] = {7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 1};
	uint8_t headers[PACKET_HEADERS_MAX], piece[FRAGMENT_HEADERS_MAX];
	struct fragmenter fragmenter;
	struct fragment fragment;
	static struct sample s;
	struct packet packet;

	(void)state;
	do
		make_ipv4(&s, 3000);
	while (s.udp != 32);
	memcpy(s.bytes + 20, options, sizeof(options));
	put_be16(s.bytes + 6, 0x4000);
	assert_int_equal(packet_parse(s.bytes, s.length, &packet), PACKET_OK);
	memcpy(headers, s.bytes, packet.headers_bytes);
	assert_true(fragment_begin(&fragmenter, &packet, headers, 1500, 1));
	assert_true(fragment_next(&fragmenter, piece, &fragment));
	assert_memory_equal(piece + 20, options, sizeof(options));
	assert_true(fragment_next(&fragmenter, piece, &fragment));
	assert_int_equal(piece[0], 0x46);
	assert_memory_equal(piece + 20, "\x94\4\0\0", 4);
}

static void test_checksum_sum(void **state)
{
	uint8_t bytes[300];

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		size_t length = random_below(sizeof(bytes));
		uint16_t ours;

		random_bytes(bytes, length);
		ours = (uint16_t)~checksum_fold(checksum_sum(bytes, length));
		assert_int_equal(ntohs(ours), naive_finish(naive_add(0, bytes, length)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum_sum),
		cmocka_unit_test(test_rewrite_like_full_computation),
		cmocka_unit_test(test_rewrite_zero_checksum),
		cmocka_unit_test(test_corrupt_stays_corrupt),
		cmocka_unit_test(test_parse_survives_anything),
		cmocka_unit_test(test_malformed_ipv4),
		cmocka_unit_test(test_malformed_ipv6),
		cmocka_unit_test(test_fragments_make_the_whole),
		cmocka_unit_test(test_later_fragments_keep_copied_options_only),
	};

	random_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
