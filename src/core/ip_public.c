/* SPDX-License-Identifier: MIT */
#include "core/ip_public.h"

#include <sys/socket.h>

#define V4(a, b, c, length)                                                                        \
	{                                                                                          \
		.address = {.family = AF_INET, .bytes = {a, b, c}}, .bits = (length)               \
	}
#define V6(a, b, c, d, length)                                                                     \
	{                                                                                          \
		.address = {.family = AF_INET6, .bytes = {a, b, c, d}}, .bits = (length)           \
	}

/* iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry. What ip_kind has
 * another name for than unicast is not listed here. */
static const struct ip_prefix special[] = {
	V4(10, 0, 0, 8),		/* private use, RFC 1918 */
	V4(100, 64, 0, 10),		/* shared by a provider's customers, RFC 6598 */
	V4(169, 254, 0, 16),		/* link local, RFC 3927 */
	V4(172, 16, 0, 12),		/* private use, RFC 1918 */
	V4(192, 0, 0, 24),		/* IETF protocol assignments, RFC 6890 */
	V4(192, 0, 2, 24),		/* documentation, RFC 5737 */
	V4(192, 88, 99, 24),		/* 6to4 relays, withdrawn, RFC 7526 */
	V4(192, 168, 0, 16),		/* private use, RFC 1918 */
	V4(198, 18, 0, 15),		/* benchmarking, RFC 2544 */
	V4(198, 51, 100, 24),		/* documentation, RFC 5737 */
	V4(203, 0, 113, 24),		/* documentation, RFC 5737 */
	V6(0x20, 0x01, 0, 0, 23),	/* IETF protocol assignments, RFC 2928 */
	V6(0x20, 0x01, 0x0d, 0xb8, 32), /* documentation, RFC 3849 */
	V6(0x3f, 0xff, 0, 0, 20),	/* documentation, RFC 9637 */
};

/* RFC 4291 2.4, iana.org/assignments/ipv6-unicast-address-assignments. */
static const struct ip_prefix global_v6 = V6(0x20, 0, 0, 0, 3);

bool ip_is_public(const struct ip_address *address)
{
	if (ip_kind(address) != IP_UNICAST)
		return false;
	if (address->family == AF_INET6 && !ip_prefix_contains(&global_v6, address))
		return false;
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (ip_prefix_contains(&special[i], address))
			return false;
	return true;
}
