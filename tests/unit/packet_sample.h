/* SPDX-License-Identifier: MIT */
/* Random UDP packets with everything that headers may hold, and random targets for copies. */
#ifndef TESTS_UNIT_PACKET_SAMPLE_H
#define TESTS_UNIT_PACKET_SAMPLE_H

#include "core/packet.h"
#include "naive.h"
#include "random.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { PACKET_MAX = 65575 };

/* A packet under construction, and where its parts are. */
struct sample {
	uint8_t bytes[PACKET_MAX];
	size_t length;
	size_t udp;
};

static inline void put_be16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void put_checksums(struct sample *s)
{
	uint8_t *ip = s->bytes;
	bool ipv4 = ip[0] >> 4 == 4;

	put_be16(s->bytes + s->udp + 6, ipv4 ? naive_udp_checksum(ip + 12, 8, ip + s->udp)
					     : naive_udp_checksum(ip + 8, 32, ip + s->udp));
	if (ipv4)
		put_be16(ip + 10, naive_ipv4_checksum(ip, (size_t)(ip[0] & 15) * 4));
}

static inline void put_udp(struct sample *s, size_t udp, size_t payload)
{
	s->udp = udp;
	s->length = udp + 8 + payload;
	put_be16(s->bytes + udp + 4, 8 + payload);
	/* What a random header may say, but not a port of 0. */
	s->bytes[udp + 2] |= 1;
}

/* Options that are sound: NOPs, a record route, a router alert, a stream id, in any order. */
static inline size_t put_ipv4_options(uint8_t *at, size_t room)
{
	static const uint8_t alert[] = {0x94, 4, 0, 0}, stream[] = {0x88, 4, 1, 2},
			     record[] = {7, 7, 4, 0, 0, 0, 0},
			     timestamp[] = {0x44, 8, 5, 0, 0, 0, 0, 0};
	static const struct {
		const uint8_t *bytes;
		size_t length;
	} all[] = {
		{alert, 4}, {stream, 4}, {record, 7}, {timestamp, 8}, {(const uint8_t *)"\1", 1}};
	size_t used = 0;

	memset(at, 0, room);
	for (unsigned i = 0; i < 5; i++) {
		unsigned which = random_below(5);

		if (used + all[which].length > room)
			break;
		memcpy(at + used, all[which].bytes, all[which].length);
		used += all[which].length;
	}
	return room;
}

static inline void make_ipv4(struct sample *s, size_t payload)
{
	size_t header = 20;

	random_bytes(s->bytes, 20);
	if (random_below(3) == 0)
		header += put_ipv4_options(s->bytes + 20, 4 * (1 + random_below(10)));
	random_bytes(s->bytes + header, 8 + payload);
	s->bytes[0] = (uint8_t)(0x40 | header / 4);
	put_be16(s->bytes + 2, header + 8 + payload);
	put_be16(s->bytes + 6, random_below(2) ? 0x4000 : 0);
	s->bytes[9] = IPPROTO_UDP;
	s->bytes[12] = (uint8_t)(1 + random_below(126));
	put_udp(s, header, payload);
	put_checksums(s);
}

/* One extension header of 8 to 32 bytes; returns where the next one begins. */
static inline size_t put_extension(struct sample *s, size_t at, size_t *next_header, uint8_t type)
{
	unsigned units = random_below(4);

	random_bytes(s->bytes + at, 8 + units * 8);
	s->bytes[*next_header] = type;
	s->bytes[at + 1] = (uint8_t)units;
	if (type == IPPROTO_ROUTING)
		s->bytes[at + 3] = 0; /* no segments left */
	*next_header = at;
	return at + 8 + units * 8;
}

static inline void make_ipv6(struct sample *s, size_t payload)
{
	size_t at = 40, next_header = 6;

	random_bytes(s->bytes, 40);
	s->bytes[0] = (uint8_t)(0x60 | (s->bytes[0] & 15));
	s->bytes[8] = 0x20;
	if (random_below(4) == 0)
		at = put_extension(s, at, &next_header, IPPROTO_HOPOPTS);
	if (random_below(4) == 0)
		at = put_extension(s, at, &next_header, IPPROTO_DSTOPTS);
	if (random_below(4) == 0)
		at = put_extension(s, at, &next_header, IPPROTO_ROUTING);
	if (random_below(4) == 0)
		at = put_extension(s, at, &next_header, IPPROTO_DSTOPTS);
	s->bytes[next_header] = IPPROTO_UDP;
	random_bytes(s->bytes + at, 8 + payload);
	put_be16(s->bytes + 4, at - 40 + 8 + payload);
	put_udp(s, at, payload);
	put_checksums(s);
}

static inline void make(struct sample *s, bool ipv4, size_t payload)
{
	if (ipv4)
		make_ipv4(s, payload);
	else
		make_ipv6(s, payload);
}

static inline void random_target(struct packet_target *target, bool ipv4)
{
	struct ip_address address = {.family = ipv4 ? AF_INET : AF_INET6};

	random_bytes(address.bytes, ipv4 ? 4 : 16);
	/* Words of all ones and all zeros are where one's complement has its two zeros. */
	if (random_below(4) == 0)
		memset(address.bytes, random_below(2) ? 0xff : 0, ipv4 ? 4 : 16);
	packet_target_init(target, &address,
			   random_below(4) == 0 ? 0 : htons((uint16_t)(1 + random_below(65535))));
	if (random_below(3) == 0) {
		random_bytes(address.bytes, ipv4 ? 4 : 16);
		packet_target_set_source(target, &address);
	}
}

#endif
