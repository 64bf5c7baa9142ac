/* SPDX-License-Identifier: MIT */
#include "core/ip.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

bool ip_parse(const char *text, size_t length, struct ip_address *out)
{
	char copy[IP_TEXT_SIZE];
	struct ip_address address = {0};

	/* inet_pton would stop at a NUL inside the text and accept what stands before it. */
	if (length >= sizeof copy || memchr(text, '\0', length))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	address.family = strchr(copy, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(address.family, copy, address.bytes) != 1)
		return false;
	*out = address;
	return true;
}

const char *ip_format(const struct ip_address *address, char text[static IP_TEXT_SIZE])
{
	if (!inet_ntop(address->family, address->bytes, text, IP_TEXT_SIZE))
		text[0] = '\0';
	return text;
}

size_t ip_length_bytes(uint8_t family)
{
	return family == AF_INET6 ? 16 : 4;
}

/* Reads a prefix length: decimal, without sign or leading zeros. */
static bool parse_bits(const char *text, size_t length, size_t maximum, uint8_t *bits)
{
	unsigned number = 0;

	if (length == 0 || length > 3 || (length > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (unsigned)(text[i] - '0');
	}
	if (number > maximum)
		return false;
	*bits = (uint8_t)number;
	return true;
}

bool ip_prefix_parse(const char *text, size_t length, struct ip_prefix *out)
{
	const char *slash = memchr(text, '/', length);
	size_t address_length = slash ? (size_t)(slash - text) : length;
	struct ip_prefix prefix;
	struct ip_address address;
	uint8_t bits;

	if (!ip_parse(text, address_length, &address))
		return false;
	bits = (uint8_t)(ip_length_bytes(address.family) * 8);
	if (slash && !parse_bits(slash + 1, length - address_length - 1, bits, &bits))
		return false;
	prefix = ip_prefix_of(&address, bits);
	if (!ip_equal(&prefix.address, &address))
		return false;
	*out = prefix;
	return true;
}

struct ip_prefix ip_prefix_of(const struct ip_address *address, uint8_t bits)
{
	struct ip_prefix prefix = {.address = {.family = address->family}, .bits = bits};
	size_t whole = bits / 8;

	memcpy(prefix.address.bytes, address->bytes, whole);
	if (bits % 8)
		prefix.address.bytes[whole] =
			(uint8_t)(address->bytes[whole] & 0xff << (8 - bits % 8));
	return prefix;
}

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_address *address)
{
	const uint8_t *network = prefix->address.bytes;
	size_t whole = prefix->bits / 8;
	unsigned rest = prefix->bits % 8;

	if (prefix->address.family != address->family ||
	    memcmp(network, address->bytes, whole) != 0)
		return false;
	return rest == 0 || (network[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

const char *ip_prefix_format(const struct ip_prefix *prefix, char text[static IP_PREFIX_TEXT_SIZE])
{
	ip_format(&prefix->address, text);
	if (prefix->bits < ip_length_bytes(prefix->address.family) * 8)
		snprintf(text + strlen(text), sizeof "/128", "/%u", prefix->bits);
	return text;
}

bool ip_equal(const struct ip_address *a, const struct ip_address *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static enum ip_kind kind_v4(const uint8_t bytes[4])
{
	static const uint8_t broadcast[4] = {255, 255, 255, 255};

	if (bytes[0] == 0)
		return IP_UNSPECIFIED;
	if (bytes[0] == 127)
		return IP_LOOPBACK;
	if (bytes[0] < 224)
		return IP_UNICAST;
	if (bytes[0] < 240)
		return IP_MULTICAST;
	return memcmp(bytes, broadcast, sizeof broadcast) == 0 ? IP_BROADCAST : IP_RESERVED;
}

static enum ip_kind kind_v6(const uint8_t bytes[16])
{
	static const uint8_t loopback[16] = {[15] = 1};
	static const uint8_t unspecified[16] = {0};
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (memcmp(bytes, unspecified, sizeof unspecified) == 0)
		return IP_UNSPECIFIED;
	if (memcmp(bytes, loopback, sizeof loopback) == 0)
		return IP_LOOPBACK;
	if (memcmp(bytes, mapped, sizeof mapped) == 0)
		return IP_RESERVED;
	if (bytes[0] == 0xff)
		return IP_MULTICAST;
	if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80)
		return IP_LINK_LOCAL;
	return IP_UNICAST;
}

enum ip_kind ip_kind(const struct ip_address *address)
{
	return address->family == AF_INET6 ? kind_v6(address->bytes) : kind_v4(address->bytes);
}

const char *ip_kind_name(enum ip_kind kind)
{
	switch (kind) {
	case IP_UNICAST:
		return "unicast";
	case IP_UNSPECIFIED:
		return "unspecified";
	case IP_LOOPBACK:
		return "loopback";
	case IP_MULTICAST:
		return "multicast";
	case IP_BROADCAST:
		return "broadcast";
	case IP_RESERVED:
		return "reserved";
	case IP_LINK_LOCAL:
		return "link-local";
	}
	return "unknown";
}

static uint32_t v4_value(const struct ip_address *address)
{
	const uint8_t *bytes = address->bytes;

	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

bool ip_is_directed_broadcast(const struct ip_address *address,
			      const struct ip_interface_address *interface_address)
{
	uint32_t host_bits;

	if (address->family != AF_INET || interface_address->address.family != AF_INET ||
	    interface_address->prefix_bits > 30)
		return false;
	host_bits = UINT32_MAX >> interface_address->prefix_bits;
	return v4_value(address) == (v4_value(&interface_address->address) | host_bits);
}
