/* SPDX-License-Identifier: MIT */
/*
 * What the datapath does quickly, done slowly and plainly from the RFCs' words, to check it
 * against: byte by byte, in big-endian arithmetic, and with nothing of the program's own.
 */
#ifndef TESTS_UNIT_NAIVE_H
#define TESTS_UNIT_NAIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t naive_add(uint32_t sum, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
	return sum;
}

static inline uint16_t naive_finish(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(0xffff - sum);
}

static inline uint16_t naive_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] * 256 + at[1]);
}

/* The IPv4 header checksum as it should stand there. */
static inline uint16_t naive_ipv4_checksum(const uint8_t *header, size_t header_bytes)
{
	uint32_t sum = naive_add(0, header, 10);

	return naive_finish(naive_add(sum, header + 12, header_bytes - 12));
}

/* The UDP checksum as it should stand there, over the pseudo header (RFC 768, RFC 8200 8.1). */
static inline uint16_t naive_udp_checksum(const uint8_t *addresses, size_t addresses_bytes,
					  const uint8_t *udp)
{
	size_t udp_bytes = naive_be16(udp + 4);
	uint32_t sum = naive_add(0, addresses, addresses_bytes);
	uint16_t checksum;

	sum += 17 + (uint32_t)udp_bytes;
	sum = naive_add(sum, udp, 6);
	sum = naive_add(sum, udp + 8, udp_bytes - 8);
	checksum = naive_finish(sum);
	return checksum == 0 ? 0xffff : checksum;
}

#endif
