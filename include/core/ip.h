/* SPDX-License-Identifier: MIT */
/* IP addresses of both families as one value type. */
#ifndef TRAFFICDUPLICATOR_CORE_IP_H
#define TRAFFICDUPLICATOR_CORE_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest text of an address, with its terminating NUL (INET6_ADDRSTRLEN). */
#define IP_TEXT_SIZE 46

/* The same with "/128" behind it. */
#define IP_PREFIX_TEXT_SIZE 50

/*
 * An address. family is AF_INET or AF_INET6; bytes are in network byte order. An IPv4 address
 * stands in the first four bytes and the rest are zero, so that two addresses are equal exactly
 * when their structs are.
 */
struct ip_address {
	uint8_t family;
	uint8_t bytes[16];
};

/* An address as an interface carries it: the address and the length of its network in bits. */
struct ip_interface_address {
	struct ip_address address;
	uint8_t prefix_bits;
};

/* A network: an address whose bits beyond the first `bits` are zero. */
struct ip_prefix {
	struct ip_address address;
	uint8_t bits;
};

/* What kind of address it is, as far as that matters to a copy's source or destination. */
enum ip_kind {
	IP_UNICAST,
	IP_UNSPECIFIED, /* 0.0.0.0/8 (RFC 1122 3.2.1.3), :: (RFC 4291 2.5.2) */
	IP_LOOPBACK,	/* 127.0.0.0/8, ::1 */
	IP_MULTICAST,	/* 224.0.0.0/4, ff00::/8 */
	IP_BROADCAST,	/* 255.255.255.255 */
	IP_RESERVED,	/* 240.0.0.0/4 less broadcast (RFC 1112 4), IPv4-mapped ::ffff:0:0/96 */
	IP_LINK_LOCAL,	/* fe80::/10: means nothing without an interface */
};

/*
 * Reads a complete address in its usual text form (inet_pton(3)): no port, no zone, no spaces.
 * text need not end in NUL. Returns false, and leaves *out alone, when it is not an address.
 */
bool ip_parse(const char *text, size_t length, struct ip_address *out);

/* Writes the usual text form (RFC 5952 for IPv6). Returns text. */
const char *ip_format(const struct ip_address *address, char text[static IP_TEXT_SIZE]);

/* The length of an address of this family in bytes: 4 or 16. */
size_t ip_length_bytes(uint8_t family);

/*
 * Reads "address/bits", or an address alone as a network of that one. Returns false, and leaves
 * *out alone, when it is neither or has host bits set.
 */
bool ip_prefix_parse(const char *text, size_t length, struct ip_prefix *out);

/* The network of this many bits, at most the address's own, that an address lies in. */
struct ip_prefix ip_prefix_of(const struct ip_address *address, uint8_t bits);

/* Whether an address lies in a network; one of the other family never does. */
bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_address *address);

/* Writes "address/bits", or the address alone where the network is no more than that. */
const char *ip_prefix_format(const struct ip_prefix *prefix, char text[static IP_PREFIX_TEXT_SIZE]);

bool ip_equal(const struct ip_address *a, const struct ip_address *b);

enum ip_kind ip_kind(const struct ip_address *address);

/* "multicast", "loopback", ...: for messages. */
const char *ip_kind_name(enum ip_kind kind);

/*
 * Whether address is the directed broadcast address of the network that interface_address is in
 * (RFC 919). Never for IPv6, nor for networks of 31 and 32 bits (RFC 3021).
 */
bool ip_is_directed_broadcast(const struct ip_address *address,
			      const struct ip_interface_address *interface_address);

#endif
