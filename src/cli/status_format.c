/* SPDX-License-Identifier: MIT */
#include "cli/status_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *status_format_number(uint64_t value, char out[static STATUS_FORMAT_SIZE])
{
	char digits[21];
	int count = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	char *at = out;

	for (int i = 0; i < count; i++) {
		if (i > 0 && (count - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return out;
}

const char *status_format_pps(double pps, char out[static STATUS_FORMAT_SIZE])
{
	/* Counters come from outside: a rate may be no number, or more than an integer holds. */
	if (!(pps >= 0))
		return strcpy(out, "-");
	return status_format_number(pps < 0x1p64 ? (uint64_t)(pps + 0.5) : UINT64_MAX, out);
}

const char *status_format_bits(double bytes_per_s, char out[static STATUS_FORMAT_SIZE])
{
	static const char *const units[] = {"", "k", "M", "G", "T"};
	double bits = bytes_per_s * 8;
	size_t unit = 0;

	if (!(bytes_per_s >= 0))
		return strcpy(out, "-");
	for (; bits >= 999.95 && unit < 4; unit++)
		bits /= 1000;
	snprintf(out, STATUS_FORMAT_SIZE, unit ? "%.1f %sbit/s" : "%.0f %sbit/s", bits,
		 units[unit]);
	return out;
}
