/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ip.h"
#include "core/reason.h"
#include "random.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static struct ip_address address(const char *text)
{
	struct ip_address result;

	if (!ip_parse(text, strlen(text), &result))
		fail_msg("%s is an address", text);
	return result;
}

static void parses_addresses_of_both_families(void **state)
{
	static const uint8_t v4[16] = {192, 0, 2, 10};
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
	struct ip_address parsed;

	(void)state;
	parsed = address("192.0.2.10");
	assert_int_equal(parsed.family, AF_INET);
	assert_memory_equal(parsed.bytes, v4, sizeof v4);
	parsed = address("2001:db8::7");
	assert_int_equal(parsed.family, AF_INET6);
	assert_memory_equal(parsed.bytes, v6, sizeof v6);
}

static void reads_no_further_than_length(void **state)
{
	struct ip_address parsed;

	(void)state;
	assert_true(ip_parse("10.0.0.1/514", 8, &parsed));
	assert_true(ip_equal(&parsed, &(struct ip_address){AF_INET, {10, 0, 0, 1}}));
	assert_false(ip_parse("10.0.0.1/514", 12, &parsed));
}

static void refuses_what_is_no_address(void **state)
{
	static const char *const texts[] = {"",
					    "1",
					    "1.2.3",
					    "1.2.3.4.5",
					    "256.1.1.1",
					    "1.2.3.04",
					    "01.2.3.4",
					    " 1.2.3.4",
					    "1.2.3.4 ",
					    "1.2.3.4/24",
					    "1.2.3.-4",
					    "0x7f.0.0.1",
					    "::1%lo",
					    "fe80::1%eth0",
					    "[::1]",
					    ":",
					    ":::",
					    "1::2::3",
					    "1:2:3:4:5:6:7",
					    "1:2:3:4:5:6:7:8:9",
					    "12345::",
					    "::g",
					    "localhost",
					    "::ffff:1.2.3",
					    "1.2.3.4\n",
					    "2001:db8::7/514",
					    "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
	struct ip_address untouched = {AF_INET, {1, 2, 3, 4}}, parsed = untouched;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (ip_parse(texts[i], strlen(texts[i]), &parsed))
			fail_msg("\"%s\" is no address", texts[i]);
		assert_true(ip_equal(&parsed, &untouched));
	}
	assert_false(ip_parse("10.0.0.1\0x", 10, &parsed));
	assert_false(ip_parse("10.0.0.1\0", 9, &parsed));
}

static void formats_as_usual(void **state)
{
	static const char *const pairs[][2] = {
		{"192.0.2.10", "192.0.2.10"},
		{"2001:DB8:0:0:0:0:0:7", "2001:db8::7"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"0::0", "::"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	char text[IP_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct ip_address parsed = address(pairs[i][0]);

		assert_ptr_equal(ip_format(&parsed, text), text);
		assert_string_equal(text, pairs[i][1]);
	}
}

static void equals_by_value(void **state)
{
	struct ip_address a = address("::1:2"), b = address("0::1:2"), c = address("::1:3");
	struct ip_address v4 = address("32.1.13.184"), v6 = address("2001:db8::");

	(void)state;
	assert_true(ip_equal(&a, &b));
	assert_false(ip_equal(&a, &c));
	/* The same leading bytes, but another family. */
	assert_false(ip_equal(&v4, &v6));
	assert_int_equal(ip_length_bytes(v4.family), 4);
	assert_int_equal(ip_length_bytes(v6.family), 16);
}

static void tells_kinds(void **state)
{
	static const struct {
		const char *text;
		enum ip_kind kind;
		const char *name;
	} cases[] = {
		{"10.0.0.1", IP_UNICAST, "unicast"},
		{"126.255.255.255", IP_UNICAST, "unicast"},
		{"128.0.0.0", IP_UNICAST, "unicast"},
		{"169.254.1.1", IP_UNICAST, "unicast"},
		{"223.255.255.255", IP_UNICAST, "unicast"},
		{"0.0.0.0", IP_UNSPECIFIED, "unspecified"},
		{"0.255.255.255", IP_UNSPECIFIED, "unspecified"},
		{"1.0.0.0", IP_UNICAST, "unicast"},
		{"127.0.0.1", IP_LOOPBACK, "loopback"},
		{"127.255.255.255", IP_LOOPBACK, "loopback"},
		{"224.0.0.0", IP_MULTICAST, "multicast"},
		{"239.255.255.255", IP_MULTICAST, "multicast"},
		{"240.0.0.0", IP_RESERVED, "reserved"},
		{"255.255.255.254", IP_RESERVED, "reserved"},
		{"255.255.255.255", IP_BROADCAST, "broadcast"},
		{"::", IP_UNSPECIFIED, "unspecified"},
		{"::1", IP_LOOPBACK, "loopback"},
		{"::2", IP_UNICAST, "unicast"},
		{"2001:db8::7", IP_UNICAST, "unicast"},
		{"fd00::1", IP_UNICAST, "unicast"},
		{"::ffff:10.0.0.1", IP_RESERVED, "reserved"},
		{"fe7f::1", IP_UNICAST, "unicast"},
		{"fe80::1", IP_LINK_LOCAL, "link-local"},
		{"febf:ffff::1", IP_LINK_LOCAL, "link-local"},
		{"fec0::1", IP_UNICAST, "unicast"},
		{"ff02::1", IP_MULTICAST, "multicast"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ip_address parsed = address(cases[i].text);

		if (ip_kind(&parsed) != cases[i].kind)
			fail_msg("%s is %s", cases[i].text, cases[i].name);
		assert_string_equal(ip_kind_name(cases[i].kind), cases[i].name);
	}
}

static void knows_directed_broadcasts(void **state)
{
	static const struct {
		const char *address, *own;
		uint8_t prefix_bits;
		bool is_broadcast;
	} cases[] = {
		{"10.1.2.255", "10.1.2.3", 24, true},
		{"10.1.2.254", "10.1.2.3", 24, false},
		{"10.1.3.255", "10.1.2.3", 24, false},
		{"10.1.3.255", "10.1.2.3", 23, true},
		{"10.255.255.255", "10.1.2.3", 8, true},
		{"10.1.2.3", "10.1.2.2", 30, true},
		{"10.1.2.3", "10.1.2.2", 31, false},
		{"10.1.2.3", "10.1.2.3", 32, false},
		{"2001:db8::ffff", "2001:db8::1", 112, false},
		{"10.1.2.255", "2001:db8::1", 24, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ip_address target = address(cases[i].address);
		struct ip_interface_address own = {address(cases[i].own), cases[i].prefix_bits};

		if (ip_is_directed_broadcast(&target, &own) != cases[i].is_broadcast)
			fail_msg("%s in %s/%u", cases[i].address, cases[i].own,
				 cases[i].prefix_bits);
	}
}

static void parses_and_formats_networks(void **state)
{
	static const struct {
		const char *text;
		uint8_t bits;
		const char *formatted;
	} cases[] = {
		{"0.0.0.0/0", 0, "0.0.0.0/0"},
		{"10.0.0.0/8", 8, "10.0.0.0/8"},
		{"10.1.2.0/23", 23, "10.1.2.0/23"},
		{"10.1.2.128/25", 25, "10.1.2.128/25"},
		{"10.1.2.3/32", 32, "10.1.2.3"},
		{"10.1.2.3", 32, "10.1.2.3"},
		{"::/0", 0, "::/0"},
		{"2001:DB8::/32", 32, "2001:db8::/32"},
		{"2001:db8:0:fe00::/55", 55, "2001:db8:0:fe00::/55"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", 127,
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"},
		{"::1/128", 128, "::1"},
		{"::1", 128, "::1"},
	};
	char text[IP_PREFIX_TEXT_SIZE];
	struct ip_prefix prefix;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (!ip_prefix_parse(cases[i].text, strlen(cases[i].text), &prefix))
			fail_msg("%s is a network", cases[i].text);
		assert_int_equal(prefix.bits, cases[i].bits);
		assert_ptr_equal(ip_prefix_format(&prefix, text), text);
		assert_string_equal(text, cases[i].formatted);
	}
	assert_true(ip_prefix_parse("10.0.0.0/80", 10, &prefix));
	assert_int_equal(prefix.bits, 8);
}

static void refuses_what_is_no_network(void **state)
{
	static const char *const texts[] = {
		"",
		"/",
		"/8",
		"10/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/+8",
		"10.0.0.0/08",
		"10.0.0.0/ 8",
		"10.0.0.0/8 ",
		"10.0.0.0/8/8",
		"10.0.0.0/264",
		"10.0.0.0/2147483656",
		"10.0.0.0/x",
		"10.0.0.0/255.0.0.0",
		/* Host bits. */
		"10.0.0.1/8",
		"10.0.0.1/31",
		"128.0.0.0/0",
		"10.1.3.0/23",
		"2001:db8::/28",
		"::1/127",
		"8000::/0",
		"::/129",
		"::/00",
		"2001:db8::/",
		"host.example/8",
		"!10.0.0.0/8",
	};
	struct ip_prefix untouched = {{AF_INET, {1, 2, 3, 4}}, 32}, prefix = untouched;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (ip_prefix_parse(texts[i], strlen(texts[i]), &prefix))
			fail_msg("\"%s\" is no network", texts[i]);
		assert_memory_equal(&prefix, &untouched, sizeof prefix);
	}
}

static bool bit_of(const struct ip_address *address, unsigned bit)
{
	return address->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

/* Every length of network against addresses that leave it at each bit, and at none. */
static void tells_bit_by_bit_what_a_network_contains(void **state)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct ip_address at, member;

	(void)state;
	random_begin();
	for (size_t f = 0; f < 2; f++) {
		unsigned width = families[f] == AF_INET ? 32 : 128;

		for (unsigned bits = 0; bits <= width; bits++) {
			struct ip_prefix prefix;

			at = member = (struct ip_address){.family = families[f]};
			random_bytes(at.bytes, width / 8);
			random_bytes(member.bytes, width / 8);
			prefix = ip_prefix_of(&at, (uint8_t)bits);
			assert_int_equal(prefix.bits, bits);
			for (unsigned bit = 0; bit < 128; bit++)
				assert_int_equal(bit_of(&prefix.address, bit),
						 bit < bits && bit_of(&at, bit));
			for (unsigned bit = 0; bit < bits; bit++)
				if (bit_of(&member, bit) != bit_of(&at, bit))
					member.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			assert_true(ip_prefix_contains(&prefix, &member));
			for (unsigned bit = 0; bit < width; bit++) {
				struct ip_address other = member;

				other.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
				assert_int_equal(ip_prefix_contains(&prefix, &other), bit >= bits);
			}
			member.family = families[1 - f];
			assert_false(ip_prefix_contains(&prefix, &member));
		}
	}
}

static void names_reasons_and_finds_them_by_errno(void **state)
{
	static const struct {
		int error;
		const char *name;
	} cases[] = {
		{EACCES, "no_route"},	       {EINVAL, "no_route"},   {ENETUNREACH, "no_route"},
		{EHOSTUNREACH, "unreachable"}, {EPERM, "rejected"},    {EMSGSIZE, "oversize"},
		{EAGAIN, "no_buffer"},	       {ENOBUFS, "no_buffer"}, {ENOMEM, "no_buffer"},
		{EADDRNOTAVAIL, "other"},      {0, "other"},
	};
	static const char *const names[REASON_COUNT] = {
		"oversize",  "no_route", "unreachable", "down",	      "no_buffer", "malformed",
		"truncated", "rejected", "loop",	"queue_full", "other"};

	(void)state;
	for (int reason = 0; reason < REASON_COUNT; reason++)
		assert_string_equal(reason_name((enum reason)reason), names[reason]);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(reason_name(reason_from_errno(cases[i].error)), cases[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_addresses_of_both_families),
		cmocka_unit_test(reads_no_further_than_length),
		cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(formats_as_usual),
		cmocka_unit_test(equals_by_value),
		cmocka_unit_test(tells_kinds),
		cmocka_unit_test(knows_directed_broadcasts),
		cmocka_unit_test(parses_and_formats_networks),
		cmocka_unit_test(refuses_what_is_no_network),
		cmocka_unit_test(tells_bit_by_bit_what_a_network_contains),
		cmocka_unit_test(names_reasons_and_finds_them_by_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
