/* SPDX-License-Identifier: MIT */
/* Numbers and rates in words, also those that no counter of an honest daemon comes to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/status_format.h"

#include <math.h>
#include <string.h>

static void numbers(void **state)
{
	char out[STATUS_FORMAT_SIZE];

	(void)state;
	assert_string_equal(status_format_number(0, out), "0");
	assert_string_equal(status_format_number(999, out), "999");
	assert_string_equal(status_format_number(1000, out), "1,000");
	assert_string_equal(status_format_number(UINT64_MAX, out), "18,446,744,073,709,551,615");
}

static void packets_a_second(void **state)
{
	char out[STATUS_FORMAT_SIZE];

	(void)state;
	assert_string_equal(status_format_pps(-1, out), "-");
	assert_string_equal(status_format_pps(0, out), "0");
	assert_string_equal(status_format_pps(1234.5, out), "1,235");
	assert_string_equal(status_format_pps(1e30, out), "18,446,744,073,709,551,615");
	assert_string_equal(status_format_pps(0x1p64, out), "18,446,744,073,709,551,615");
	assert_string_equal(status_format_pps(INFINITY, out), "18,446,744,073,709,551,615");
	assert_string_equal(status_format_pps(NAN, out), "-");
}

static void bits_a_second(void **state)
{
	char out[STATUS_FORMAT_SIZE];

	(void)state;
	assert_string_equal(status_format_bits(-1, out), "-");
	assert_string_equal(status_format_bits(NAN, out), "-");
	assert_string_equal(status_format_bits(124, out), "992 bit/s");
	assert_string_equal(status_format_bits(200000, out), "1.6 Mbit/s");
	assert_string_equal(status_format_bits(125e9, out), "1.0 Tbit/s");
	/* Whatever it is, it stays within its room. */
	assert_true(strlen(status_format_bits(1e300, out)) < STATUS_FORMAT_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(packets_a_second),
		cmocka_unit_test(bits_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
