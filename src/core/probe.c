/* SPDX-License-Identifier: MIT */
#include "core/probe.h"

#include "core/checksum.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* What the payload begins with. */
static const char words[] = "Traffic Duplicator: is there a loop? Ignore it.";

enum {
	NUMBER = sizeof(words) - 1,
	NONCE = NUMBER + 1,
	UDP_HEADER_BYTES = 8,
	UDP_CHECKSUM = 6,
	IPV4_HEADER_BYTES = 20,
	IPV6_HEADER_BYTES = 40,
};
_Static_assert(NONCE + PROBE_NONCE_BYTES == PROBE_PAYLOAD_BYTES, "the words do not fit");

static void put_be16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void store16(uint8_t *at, uint16_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* Returns the length of the header. */
static size_t write_ipv4(const struct probe *probe, uint8_t *out)
{
	out[0] = 0x45;
	put_be16(out + 2, IPV4_HEADER_BYTES + UDP_HEADER_BYTES + PROBE_PAYLOAD_BYTES);
	out[6] = 0x40; /* DF, so that an identification of 0 is sound (RFC 6864 4.1) */
	out[8] = probe->ttl;
	out[9] = IPPROTO_UDP;
	memcpy(out + 12, probe->source.bytes, 4);
	memcpy(out + 16, probe->destination.bytes, 4);
	store16(out + 10, (uint16_t)~checksum_fold(checksum_sum(out, IPV4_HEADER_BYTES)));
	return IPV4_HEADER_BYTES;
}

static size_t write_ipv6(const struct probe *probe, uint8_t *out)
{
	out[0] = 0x60;
	put_be16(out + 4, UDP_HEADER_BYTES + PROBE_PAYLOAD_BYTES);
	out[6] = IPPROTO_UDP;
	out[7] = probe->ttl;
	memcpy(out + 8, probe->source.bytes, 16);
	memcpy(out + 24, probe->destination.bytes, 16);
	return IPV6_HEADER_BYTES;
}

/* A wrong one is one more than the right one, by one's complement: so it differs however it is
 * updated. Neither is ever 0, which would say that there is none. */
static uint16_t checksum_of(const struct probe *probe, const uint8_t *udp)
{
	size_t address_bytes = ip_length_bytes(probe->source.family);
	uint32_t sum = checksum_sum(udp, UDP_HEADER_BYTES + PROBE_PAYLOAD_BYTES);
	uint16_t right;

	sum += checksum_sum(probe->source.bytes, address_bytes);
	sum += checksum_sum(probe->destination.bytes, address_bytes);
	sum += htons(IPPROTO_UDP) + htons(UDP_HEADER_BYTES + PROBE_PAYLOAD_BYTES);
	right = (uint16_t)~checksum_fold(sum);
	if (probe->is_sound)
		return right == 0 ? 0xffff : right;
	return right == 0xffff ? 1 : (uint16_t)(right + 1);
}

size_t probe_write(const struct probe *probe, uint8_t out[static PROBE_PACKET_MAX])
{
	size_t header_bytes;
	uint8_t *udp, *payload;

	memset(out, 0, PROBE_PACKET_MAX);
	header_bytes =
		probe->source.family == AF_INET ? write_ipv4(probe, out) : write_ipv6(probe, out);
	udp = out + header_bytes;
	payload = udp + UDP_HEADER_BYTES;
	store16(udp, probe->source_port_be);
	store16(udp + 2, probe->destination_port_be);
	put_be16(udp + 4, UDP_HEADER_BYTES + PROBE_PAYLOAD_BYTES);
	memcpy(payload, words, NUMBER);
	memcpy(payload + NONCE, probe->mark.nonce, PROBE_NONCE_BYTES);
	payload[NUMBER] = (uint8_t)('a' + probe->mark.number);
	store16(udp + UDP_CHECKSUM, checksum_of(probe, udp));
	return header_bytes + UDP_HEADER_BYTES + PROBE_PAYLOAD_BYTES;
}

bool probe_read(const struct packet *packet, struct probe_mark *mark)
{
	const uint8_t *payload = packet->data + packet->headers_bytes;

	if (packet->length_bytes != (uint32_t)packet->headers_bytes + PROBE_PAYLOAD_BYTES ||
	    memcmp(payload, words, NUMBER) != 0 || payload[NUMBER] < 'a' ||
	    payload[NUMBER] > 'a' + PROBE_NUMBER_MAX)
		return false;
	memcpy(mark->nonce, payload + NONCE, PROBE_NONCE_BYTES);
	mark->number = (uint8_t)(payload[NUMBER] - 'a');
	return true;
}
