/* SPDX-License-Identifier: MIT */
/*
 * Puts fragments together as a receiver does, from the RFCs' words and with nothing of the
 * program's own. Fragments must come in order.
 */
#ifndef TESTS_UNIT_REASSEMBLY_H
#define TESTS_UNIT_REASSEMBLY_H

#include "naive.h"

#include <netinet/in.h>
#include <string.h>

/* IPv4 (RFC 791 3.2): see reassembly_add. */
static inline size_t reassembly_add_ipv4(uint8_t *whole, size_t have, const uint8_t *piece,
					 size_t length)
{
	size_t header = (size_t)(piece[0] & 15) * 4;
	size_t offset = (size_t)(naive_be16(piece + 6) & 0x1fff) * 8;
	size_t first_header = have == 0 ? header : (size_t)(whole[0] & 15) * 4;

	if (naive_be16(piece + 2) != length || (naive_be16(piece + 6) & 0xc000) != 0 ||
	    naive_be16(piece + 10) != naive_ipv4_checksum(piece, header))
		return 0;
	if (offset != (have == 0 ? 0 : have - first_header))
		return 0;
	if (have == 0)
		memcpy(whole, piece, header);
	else if (memcmp(whole + 4, piece + 4, 2) != 0 || memcmp(whole + 8, piece + 8, 2) != 0 ||
		 memcmp(whole + 12, piece + 12, 8) != 0)
		return 0;
	memcpy(whole + first_header + offset, piece + header, length - header);
	return first_header + offset + length - header;
}

/* IPv6 (RFC 8200 4.5): the Fragment header goes, and what it hid comes back. */
static inline size_t reassembly_add_ipv6(uint8_t *whole, size_t have, const uint8_t *piece,
					 size_t length)
{
	size_t next_header = 6, at = 40, offset;

	while (piece[next_header] != IPPROTO_FRAGMENT) {
		next_header = at;
		at += 8 + (size_t)piece[at + 1] * 8;
	}
	offset = naive_be16(piece + at + 2) & 0xfff8u;
	if ((size_t)naive_be16(piece + 4) + 40 != length)
		return 0;
	if (have == 0) {
		memcpy(whole, piece, at);
		whole[next_header] = piece[at];
		have = at;
	}
	if (have - at != offset)
		return 0;
	memcpy(whole + have, piece + at + 8, length - at - 8);
	return have + length - at - 8;
}

/*
 * Adds a fragment to the have bytes of whole that are there (0: it is the first). Returns how many
 * are there then, or 0 where a receiver would not take it as the next one. IPv4: what stands in
 * whole for length, identification, flags and header checksum is the first fragment's.
 */
static inline size_t reassembly_add(uint8_t *whole, size_t have, const uint8_t *piece,
				    size_t length)
{
	return piece[0] >> 4 == 4 ? reassembly_add_ipv4(whole, have, piece, length)
				  : reassembly_add_ipv6(whole, have, piece, length);
}

#endif
