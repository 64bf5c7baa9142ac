/* SPDX-License-Identifier: MIT */
/* Parsing and rewriting, against plain full computations over random packets. */
#include "core/checksum.h"
#include "core/packet.h"
#include "packet_sample.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { REWRITES = 1000000 };

/* The copy, made the slow way: bytes replaced, checksums computed from nothing. */
static void expect_copy(struct sample *s, const struct packet_target *target, uint8_t ttl)
{
	bool ipv4 = s->bytes[0] >> 4 == 4;
	bool had_checksum = naive_be16(s->bytes + s->udp + 6) != 0;

	memcpy(s->bytes + (ipv4 ? 16 : 24), target->address.bytes, ipv4 ? 4 : 16);
	if (target->source.family != AF_UNSPEC)
		memcpy(s->bytes + (ipv4 ? 12 : 8), target->source.bytes, ipv4 ? 4 : 16);
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

/* The one sum that comes to +0 stands for -0: its checksum is 0, as of any that comes to 0xffff. */
static void test_checksum_update_zeros(void **state)
{
	(void)state;
	assert_int_equal(checksum_update(0xffff, 0xffff, 0), 0);
	assert_int_equal(checksum_update(0xffff, 0xffff, 0xffff), 0);
	assert_int_equal(checksum_update(0, 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum_sum),
		cmocka_unit_test(test_checksum_update_zeros),
		cmocka_unit_test(test_rewrite_like_full_computation),
		cmocka_unit_test(test_rewrite_zero_checksum),
		cmocka_unit_test(test_corrupt_stays_corrupt),
		cmocka_unit_test(test_parse_survives_anything),
		cmocka_unit_test(test_malformed_ipv4),
		cmocka_unit_test(test_malformed_ipv6),
	};

	random_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
