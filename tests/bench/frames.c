/* SPDX-License-Identifier: MIT */
#include "frames.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>

/* struct NetFlow version 5 header, by Cisco's "NetFlow Export Datagram Format". */
struct netflow_v5_header {
	uint16_t version;
	uint16_t records;
	uint32_t uptime_ms;
	uint32_t time_s;
	uint32_t time_ns;
	uint32_t sequence;
	uint8_t engine_type;
	uint8_t engine_id;
	uint16_t sampling;
};

enum {
	NETFLOW_V5_RECORD_BYTES = 48,
	ETHERNET_BYTES = 14,
	FIRST_CLIENT_PORT = 20000,
	CLIENT_TTL = 57, /* nobody's default: whoever sends it on has kept it */
};

_Static_assert(sizeof(struct netflow_v5_header) == 24, "as on the wire");

/* RFC 1071, over bytes in network order; the result is in network order, too. */
static uint32_t sum_words(const uint8_t *data, size_t bytes, uint32_t sum)
{
	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += (uint32_t)(data[i] << 8 | data[i + 1]);
	return bytes % 2 ? sum + (uint32_t)(data[bytes - 1] << 8) : sum;
}

static uint16_t finish_be(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void write_checksum(struct frame *frame)
{
	uint8_t *ip = frame->data + ETHERNET_BYTES, *udp = ip + sizeof(struct iphdr);
	size_t udp_bytes = frame->bytes - ETHERNET_BYTES - sizeof(struct iphdr);
	uint32_t pseudo = sum_words(ip + offsetof(struct iphdr, saddr), 8, IPPROTO_UDP);
	uint16_t check_be;

	memset(udp + offsetof(struct udphdr, check), 0, 2);
	check_be = finish_be(sum_words(udp, udp_bytes, pseudo + (uint32_t)udp_bytes));
	if (!check_be)
		check_be = 0xffff; /* RFC 768: 0 would say that there is none */
	memcpy(udp + offsetof(struct udphdr, check), &check_be, sizeof(check_be));
}

static void write_payload(uint8_t *payload, const struct frame_plan *plan)
{
	static const char syslog_start[] = "<134>Nov 23 12:00:00 gw td: ";
	size_t whole = (plan->payload_bytes - sizeof(struct netflow_v5_header));

	_Static_assert(sizeof(syslog_start) - 1 == MARK_OFFSET, "the mark follows the header");
	memset(payload, 'x', plan->payload_bytes);
	if (plan->kind == PAYLOAD_SYSLOG) {
		memcpy(payload, syslog_start, sizeof(syslog_start) - 1);
	} else {
		struct netflow_v5_header header = {
			.version = htons(5),
			.records = htons((uint16_t)(whole / NETFLOW_V5_RECORD_BYTES)),
			.uptime_ms = htonl(1000000),
			.time_s = htonl(1700000000),
		};
		memcpy(payload, &header, sizeof(header));
	}
	memcpy(payload + MARK_OFFSET, MARK_PLAIN, MARK_BYTES);
	memset(payload + MARK_OFFSET + MARK_BYTES, '0', STAMP_DIGITS);
}

void frame_build(struct frame *frame, const struct frame_plan *plan, uint32_t client)
{
	size_t udp_bytes = sizeof(struct udphdr) + plan->payload_bytes;
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons((uint16_t)(sizeof(ip) + udp_bytes)),
		.id = htons((uint16_t)(client + 1)),
		.ttl = CLIENT_TTL,
		.protocol = IPPROTO_UDP,
		.saddr = htonl(ntohl(plan->first_client_be) + client),
		.daddr = plan->destination_be,
	};
	struct udphdr udp = {
		.source = htons((uint16_t)(FIRST_CLIENT_PORT + client)),
		.dest = plan->destination_port_be,
		.len = htons((uint16_t)udp_bytes),
	};
	uint8_t *at = frame->data;

	frame->bytes = ETHERNET_BYTES + sizeof(ip) + udp_bytes;
	ip.check = finish_be(sum_words((const uint8_t *)&ip, sizeof(ip), 0));
	memcpy(at, plan->destination_mac, 6);
	memcpy(at + 6, plan->source_mac, 6);
	memcpy(at + 12, "\x08\x00", 2);
	memcpy(at + ETHERNET_BYTES, &ip, sizeof(ip));
	memcpy(at + ETHERNET_BYTES + sizeof(ip), &udp, sizeof(udp));
	write_payload(at + FRAME_HEADERS_BYTES, plan);
	write_checksum(frame);
}

void frame_stamp(struct frame *frame, uint64_t time_ns)
{
	char digits[STAMP_DIGITS + 1];
	uint8_t *mark = frame->data + FRAME_HEADERS_BYTES + MARK_OFFSET;

	snprintf(digits, sizeof(digits), "%016llx", (unsigned long long)time_ns);
	memcpy(mark, MARK_PROBE, MARK_BYTES);
	memcpy(mark + MARK_BYTES, digits, STAMP_DIGITS);
	write_checksum(frame);
}
