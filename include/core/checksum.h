/* SPDX-License-Identifier: MIT */
/* The Internet checksum (RFC 1071) and its update in place (RFC 1624). */
#ifndef TRAFFICDUPLICATOR_CORE_CHECKSUM_H
#define TRAFFICDUPLICATOR_CORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * One's complement sum of length bytes, not folded, not inverted. Words are added as they stand in
 * memory: sums, and checksums made of them, are in network byte order on every machine (RFC 1071
 * 2(B)). An odd last byte counts as if a zero followed. At most 128 KiB at a time.
 */
uint32_t checksum_sum(const void *bytes, size_t length);

/* Folds a sum to 16 bits by end-around carry. */
uint16_t checksum_fold(uint32_t sum);

/*
 * The checksum of data in which words whose sum was old_sum were replaced by words whose sum is
 * new_sum (RFC 1624, equation 3). checksum_be is the former one; both sums are folded or below
 * 2^20. Gives what a full computation gives, also where one's complement has two zeros: 0 for -0.
 */
uint16_t checksum_update(uint16_t checksum_be, uint32_t old_sum, uint32_t new_sum);

#endif
