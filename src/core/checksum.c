/* SPDX-License-Identifier: MIT */
#include "core/checksum.h"

#include <string.h>

uint32_t checksum_sum(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint32_t sum = 0;
	uint16_t word;

	for (; length > 1; at += 2, length -= 2) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	if (length == 1) {
		word = 0;
		memcpy(&word, at, 1);
		sum += word;
	}
	return sum;
}

uint16_t checksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t checksum_update(uint16_t checksum_be, uint32_t old_sum, uint32_t new_sum)
{
	uint32_t sum = (uint16_t)~checksum_be;

	sum += (uint16_t)~checksum_fold(old_sum);
	sum += new_sum;
	/* No real header sums to +0, so a sum of 0 here is the other zero, 0xffff. */
	sum = checksum_fold(sum);
	return sum == 0 ? 0 : (uint16_t)~sum;
}
