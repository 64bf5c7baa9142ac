/* SPDX-License-Identifier: MIT */
#include "core/fragment.h"

#include "core/checksum.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum {
	IPV4_HEADER_MIN_BYTES = 20,
	IPV4_TOTAL_LENGTH = 2,
	IPV4_IDENTIFICATION = 4,
	IPV4_FRAGMENT = 6,
	IPV4_CHECKSUM = 10,
	IPV4_MORE_FRAGMENTS = 0x2000,
	IPV6_HEADER_BYTES = 40,
	IPV6_PAYLOAD_LENGTH = 4,
	FRAGMENT_HEADER_BYTES = 8, /* IPv6 (RFC 8200 4.5) */
	FRAGMENT_UNIT_BYTES = 8,   /* offsets count in these, in both families */
};

static void store_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/*
 * The header of the second and later fragments: without the options that are not to be copied
 * (RFC 791 3.1), filled up with End of Option List to a multiple of four.
 */
static void make_later_header(struct fragmenter *f)
{
	enum { END = 0, NO_OPERATION = 1, COPIED = 0x80 };
	size_t header_bytes = f->packet->unfragmentable_bytes;
	size_t out = IPV4_HEADER_MIN_BYTES;

	memset(f->later_header, END, sizeof(f->later_header));
	memcpy(f->later_header, f->headers, IPV4_HEADER_MIN_BYTES);
	for (size_t in = IPV4_HEADER_MIN_BYTES; in < header_bytes && f->headers[in] != END;) {
		size_t option_bytes = f->headers[in] == NO_OPERATION ? 1 : f->headers[in + 1];

		if (f->headers[in] & COPIED) {
			memcpy(f->later_header + out, f->headers + in, option_bytes);
			out += option_bytes;
		}
		in += option_bytes;
	}
	f->later_header_bytes = (uint8_t)((out + 3) & ~(size_t)3);
	f->later_header[0] = (uint8_t)(0x40 | f->later_header_bytes / 4);
}

bool fragment_begin(struct fragmenter *f, const struct packet *packet, const uint8_t *headers,
		    uint32_t mtu_bytes, uint32_t identification)
{
	/* All headers go into the first fragment (RFC 7112), which is the tightest. */
	uint32_t least_bytes = packet->headers_bytes;

	if (packet->destination.family == AF_INET6)
		least_bytes += FRAGMENT_HEADER_BYTES;
	if (mtu_bytes < least_bytes + FRAGMENT_UNIT_BYTES)
		return false;

	f->packet = packet;
	f->headers = headers;
	f->offset_bytes = 0;
	f->fragmentable_bytes = packet->length_bytes - packet->unfragmentable_bytes;
	f->mtu_bytes = mtu_bytes;
	f->identification = identification;
	if (packet->destination.family == AF_INET)
		make_later_header(f);
	return true;
}

/* How much of the fragmentable part the next fragment takes. */
static uint32_t part_bytes(const struct fragmenter *f, uint32_t headers_bytes)
{
	uint32_t left = f->fragmentable_bytes - f->offset_bytes;
	uint32_t room = f->mtu_bytes - headers_bytes;

	return left <= room ? left : room / FRAGMENT_UNIT_BYTES * FRAGMENT_UNIT_BYTES;
}

static uint32_t write_ipv4_header(const struct fragmenter *f, uint8_t *out, uint32_t *part)
{
	uint32_t header_bytes = f->later_header_bytes;
	uint32_t field = f->offset_bytes / FRAGMENT_UNIT_BYTES;
	uint16_t checksum_be;

	if (f->offset_bytes == 0) {
		header_bytes = f->packet->unfragmentable_bytes;
		memcpy(out, f->headers, header_bytes);
	} else {
		memcpy(out, f->later_header, header_bytes);
	}
	*part = part_bytes(f, header_bytes);
	if (f->offset_bytes + *part < f->fragmentable_bytes)
		field |= IPV4_MORE_FRAGMENTS;
	store_be16(out + IPV4_TOTAL_LENGTH, header_bytes + *part);
	store_be16(out + IPV4_IDENTIFICATION, f->identification);
	store_be16(out + IPV4_FRAGMENT, field);
	store_be16(out + IPV4_CHECKSUM, 0);
	checksum_be = (uint16_t)~checksum_fold(checksum_sum(out, header_bytes));
	memcpy(out + IPV4_CHECKSUM, &checksum_be, sizeof(checksum_be));
	return header_bytes;
}

static uint32_t write_ipv6_headers(const struct fragmenter *f, uint8_t *out, uint32_t *part)
{
	uint32_t unfragmentable = f->packet->unfragmentable_bytes;
	uint32_t headers_bytes = unfragmentable + FRAGMENT_HEADER_BYTES;
	uint8_t *fragment_header = out + unfragmentable;
	uint32_t identification_be = htonl(f->identification);
	bool more;

	memcpy(out, f->headers, unfragmentable);
	*part = part_bytes(f, headers_bytes);
	more = f->offset_bytes + *part < f->fragmentable_bytes;
	fragment_header[0] = out[f->packet->next_header_offset];
	fragment_header[1] = 0;
	store_be16(fragment_header + 2, f->offset_bytes | (more ? 1 : 0));
	memcpy(fragment_header + 4, &identification_be, sizeof(identification_be));
	out[f->packet->next_header_offset] = IPPROTO_FRAGMENT;
	store_be16(out + IPV6_PAYLOAD_LENGTH, headers_bytes - IPV6_HEADER_BYTES + *part);
	return headers_bytes;
}

bool fragment_next(struct fragmenter *f, uint8_t *headers, struct fragment *fragment)
{
	const struct packet *packet = f->packet;
	uint32_t written, part, start;

	if (f->offset_bytes >= f->fragmentable_bytes)
		return false;
	if (packet->destination.family == AF_INET)
		written = write_ipv4_header(f, headers, &part);
	else
		written = write_ipv6_headers(f, headers, &part);

	/* The first fragment takes what was rewritten behind the unfragmentable part as well. */
	start = packet->unfragmentable_bytes + f->offset_bytes;
	f->offset_bytes += part;
	if (start < packet->headers_bytes) {
		uint32_t rest = packet->headers_bytes - start;

		memcpy(headers + written, f->headers + start, rest);
		written += rest;
		start += rest;
		part -= rest;
	}
	fragment->headers_bytes = written;
	fragment->payload = packet->data + start;
	fragment->payload_bytes = part;
	return true;
}
