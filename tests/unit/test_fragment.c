/* SPDX-License-Identifier: MIT */
/* Fragmenting: what comes out, put together again as a receiver does, is the copy. */
#include "core/fragment.h"
#include "packet_sample.h"
#include "reassembly.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ROUND_TRIPS = 20000 };

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
		have = reassembly_add(whole, have, piece, length);
		assert_int_not_equal(have, 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fragments_make_the_whole),
		cmocka_unit_test(test_later_fragments_keep_copied_options_only),
	};

	random_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
