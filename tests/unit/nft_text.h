/* SPDX-License-Identifier: MIT */
/*
 * Reads the sets, their elements and the rules of chain prerouting back from text for nft(8), and
 * says which packets the chain selects, by plain comparison of bytes.
 */
#ifndef TESTS_UNIT_NFT_TEXT_H
#define TESTS_UNIT_NFT_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#define NFT_FIELDS 4
#define NFT_SETS 64

/* A value of any type, long enough for each: compared byte by byte from the front. */
struct nft_value {
	uint8_t bytes[16];
};

struct nft_element {
	struct nft_value first[NFT_FIELDS], last[NFT_FIELDS];
};

struct nft_set {
	char name[64], types[NFT_FIELDS][16];
	size_t field_count, count;
	struct nft_element *elements;
};

struct nft_packet {
	int family;
	struct nft_value from, to, port, interface;
	bool is_bridge;
};

struct nft_text {
	struct nft_set sets[NFT_SETS];
	size_t set_count;
	char *rules[NFT_SETS]; /* the lines of chain prerouting that refer to a set */
	size_t rule_count;
};

static inline struct nft_value nft_port(unsigned port)
{
	return (struct nft_value){{(uint8_t)(port >> 8), (uint8_t)port}};
}

static inline struct nft_value nft_interface(const char *name)
{
	struct nft_value value = {0};

	memcpy(value.bytes, name, strlen(name));
	return value;
}

static inline struct nft_value nft_value(const char *type, const char *text)
{
	struct nft_value value = {0};
	char name[16];

	if (strcmp(type, "inet_service") == 0)
		return nft_port((unsigned)atoi(text));
	if (strcmp(type, "ifname") == 0) {
		assert_int_equal(sscanf(text, "\"%15[^\"]\"", name), 1);
		return nft_interface(name);
	}
	if (inet_pton(strcmp(type, "ipv4_addr") == 0 ? AF_INET : AF_INET6, text, value.bytes) != 1)
		fail_msg("no address: '%s'", text);
	return value;
}

/* One field: a value, a range or a network. Names of interfaces may have any character in them. */
static inline void nft_field(const char *type, char *text, struct nft_value *first,
			     struct nft_value *last)
{
	bool is_name = strcmp(type, "ifname") == 0;
	char *dash = is_name ? NULL : strchr(text, '-'),
	     *slash = is_name ? NULL : strchr(text, '/');
	unsigned length = strcmp(type, "ipv4_addr") == 0 ? 32 : 128;

	if (dash)
		*dash = '\0';
	if (slash)
		*slash = '\0';
	*first = nft_value(type, text);
	*last = dash ? nft_value(type, dash + 1) : *first;
	for (unsigned bit = slash ? (unsigned)atoi(slash + 1) : length; bit < length; bit++)
		last->bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	assert_true(memcmp(first, last, sizeof(*first)) <= 0);
}

static inline struct nft_set *nft_set(struct nft_text *text, const char *name)
{
	for (size_t i = 0; i < text->set_count; i++)
		if (strcmp(text->sets[i].name, name) == 0)
			return &text->sets[i];
	fail_msg("no set %s", name);
	return NULL;
}

static inline void nft_add_element(struct nft_set *set, char *text)
{
	struct nft_element *element;

	set->elements = reallocarray(set->elements, set->count + 1, sizeof(*set->elements));
	assert_non_null(set->elements);
	element = &set->elements[set->count++];
	memset(element, 0, sizeof(*element));
	for (size_t f = 0; f < set->field_count; f++) {
		char *end = strstr(text, " . ");

		assert_int_equal(end != NULL, f + 1 < set->field_count);
		if (end)
			*end = '\0';
		nft_field(set->types[f], text, &element->first[f], &element->last[f]);
		text = end ? end + 3 : NULL;
	}
}

static inline void nft_declare(struct nft_text *text, const char *name, const char *types)
{
	struct nft_set *set = &text->sets[text->set_count++];

	assert_true(text->set_count <= NFT_SETS);
	snprintf(set->name, sizeof(set->name), "%s", name);
	set->field_count = (size_t)sscanf(types, " type %15s . %15s . %15s . %15s", set->types[0],
					  set->types[1], set->types[2], set->types[3]);
}

/* The element list from after its "{" on. Returns where it ends. */
static inline char *nft_read_elements(struct nft_set *set, char *at)
{
	char *end = strstr(at, " }\n"), *lines_end = strstr(at, "\n}\n"), *element, *rest = NULL;

	if (!end || (lines_end && lines_end < end))
		end = lines_end;
	assert_non_null(end);
	*end = '\0';
	for (element = strtok_r(at, ",\n", &rest); element;
	     element = strtok_r(NULL, ",\n", &rest)) {
		element += strspn(element, " \t");
		if (*element)
			nft_add_element(set, element);
	}
	return end + 1;
}

/* Reads text, which it takes apart. */
static inline void nft_read(struct nft_text *out, char *text)
{
	char name[64], *at = text, *chain;

	memset(out, 0, sizeof(*out));
	while ((at = strstr(at, "\tset ")) != NULL) {
		assert_int_equal(sscanf(at, " set %63s {", name), 1);
		at = strchr(at, '\n') + 1;
		nft_declare(out, name, at);
	}
	chain = strstr(strstr(text, "# transaction 5"), "chain prerouting");
	for (char *line = strtok(chain, "\n"); line && strcmp(line, "\t}") != 0;
	     line = strtok(NULL, "\n"))
		if (strchr(line, '@'))
			out->rules[out->rule_count++] = line;
	at = text;
	while ((at = strstr(at, "\nadd element inet trafficduplicator ")) != NULL) {
		assert_int_equal(sscanf(at, " add element inet trafficduplicator %63s {", name), 1);
		at = nft_read_elements(nft_set(out, name), strchr(at, '{') + 1);
	}
}

static inline void nft_free(struct nft_text *text)
{
	for (size_t i = 0; i < text->set_count; i++)
		free(text->sets[i].elements);
}

/* Takes "KEY" off the front of *at. */
static inline bool nft_take(const char **at, const char *key)
{
	size_t length = strlen(key);

	*at += strspn(*at, " \t.");
	if (strncmp(*at, key, length) != 0)
		return false;
	*at += length;
	return true;
}

static inline bool nft_in_set(const struct nft_set *set, const struct nft_value *values)
{
	for (size_t e = 0; e < set->count; e++) {
		bool in = true;

		for (size_t f = 0; f < set->field_count; f++)
			in &= memcmp(&set->elements[e].first[f], &values[f], sizeof(*values)) <=
				      0 &&
			      memcmp(&set->elements[e].last[f], &values[f], sizeof(*values)) >= 0;
		if (in)
			return true;
	}
	return false;
}

static inline bool nft_rule_selects(struct nft_text *text, const char *rule,
				    const struct nft_packet *packet)
{
	struct nft_value values[NFT_FIELDS];
	const char *header = packet->family == AF_INET ? "ip " : "ip6 ";
	size_t count = 0;
	char name[64];

	if (!nft_take(&rule,
		      packet->family == AF_INET ? "meta nfproto ipv4 " : "meta nfproto ipv6 "))
		return false;
	if (nft_take(&rule, "meta iifkind \"bridge\" ") && !packet->is_bridge)
		return false;
	while (!nft_take(&rule, "@")) {
		assert_true(count < NFT_FIELDS);
		if (nft_take(&rule, "udp dport"))
			values[count++] = packet->port;
		else if (nft_take(&rule, "iifname"))
			values[count++] = packet->interface;
		else if (nft_take(&rule, header))
			values[count++] = nft_take(&rule, "saddr")   ? packet->from
					  : nft_take(&rule, "daddr") ? packet->to
								     : (fail(), packet->to);
		else
			fail_msg("unknown: %s", rule);
	}
	assert_int_equal(sscanf(rule, "%63s goto duplicate", name), 1);
	assert_int_equal(nft_set(text, name)->field_count, count);
	return nft_in_set(nft_set(text, name), values);
}

static inline bool nft_selects(struct nft_text *text, const struct nft_packet *packet)
{
	for (size_t r = 0; r < text->rule_count; r++)
		if (nft_rule_selects(text, text->rules[r], packet))
			return true;
	return false;
}

#endif
