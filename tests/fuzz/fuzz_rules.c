/* SPDX-License-Identifier: MIT */
/*
 * From a configuration's text to the netfilter rules: they select every packet that the daemon has
 * a rule for, and no other unless they say so.
 */
#include "fuzz.h"
#include "nft_text.h"
#include "random.h"

#include "core/rules_text.h"
#include "core/ruleset.h"

enum { PACKETS = 24, RULES_MAX = 16 };

static const struct config_rule *any_rule(const struct config *config)
{
	return &config->rules[random_below((uint32_t)config->rule_count)];
}

/* An address at an edge of some network of a rule, or just beyond. */
static struct ip_address near_edge(const struct config_prefix *prefixes, size_t count,
				   uint8_t family)
{
	struct ip_address address = {.family = family, .bytes = {10, 0, 0, 1}};
	const struct ip_prefix *prefix;
	size_t length = ip_length_bytes(family);

	if (count == 0)
		return address;
	prefix = &prefixes[random_below((uint32_t)count)].prefix;
	if (prefix->address.family != family)
		return address;
	address = prefix->address;
	if (random_below(2))
		for (size_t bit = prefix->bits; bit < length * 8; bit++)
			address.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	if (random_below(3) == 0)
		address.bytes[length - 1] ^= 1;
	return address;
}

static bool is_selected(struct nft_text *nft, const struct ruleset_key *key, const char *interface)
{
	struct nft_packet packet = {
		.family = key->source->family,
		.port = nft_port(ntohs(key->destination_port_be)),
		.interface = nft_interface(interface),
	};
	size_t length = ip_length_bytes(key->source->family);

	memcpy(packet.from.bytes, key->source->bytes, length);
	memcpy(packet.to.bytes, key->destination->bytes, length);
	return nft_selects(nft, &packet);
}

static void check_packet(const struct config *config, const struct ruleset *ruleset,
			 struct nft_text *nft, bool exact)
{
	uint8_t family = random_below(2) ? AF_INET6 : AF_INET;
	const struct config_rule *rule = any_rule(config);
	const struct port_range *range = &rule->ports[random_below((uint32_t)rule->port_count)];
	uint16_t port = random_below(2) ? range->first : (uint16_t)(range->last + random_below(2));
	struct ip_address from = near_edge(rule->sources, rule->source_count, family);
	struct ip_address to = near_edge(rule->listens, rule->listen_count, family);
	uint32_t interface = random_below((uint32_t)ruleset->interface_count + 1);
	bool named = interface < ruleset->interface_count, selected, matched;
	struct ruleset_key key = {&from, &to, htons(port), RULESET_NO_INTERFACE,
				  RULESET_NO_INTERFACE};
	uint64_t set[CONFIG_INTERFACES_MAX / 64];

	if (named)
		key.interface = interface;
	matched = ruleset_match(ruleset, &key, set);
	selected = is_selected(nft, &key, named ? ruleset->interfaces[interface] : "other");
	FUZZ_EXPECT(selected == matched || (selected && !exact));
}

/* Whether nft_text.h can read the names of interfaces back. */
static bool names_are_plain(const struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->interface_count; i++)
		if (strchr(ruleset->interfaces[i], ',') || strchr(ruleset->interfaces[i], '@') ||
		    strcmp(ruleset->interfaces[i], "other") == 0)
			return false;
	return true;
}

static void check_rules(const struct config *config, const struct ruleset *ruleset)
{
	struct rules_text_options options = {.cpu_count = 1 + random_below(8),
					     .way = random_below(2)};
	char *text = rules_text_nft(config, &options);
	char *iptables = rules_text_iptables(config, &options);
	static struct nft_text nft;
	bool exact;

	FUZZ_EXPECT(text && iptables);
	exact = !strstr(text, "left to the daemon");
	if (names_are_plain(ruleset)) {
		nft_read(&nft, text);
		for (unsigned i = 0; i < PACKETS; i++)
			check_packet(config, ruleset, &nft, exact);
		nft_free(&nft);
	}
	free(iptables);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errors = {0};
	char *text = fuzz_copy(data, size);
	struct config *config = config_parse(text, size, "fuzz", &errors);
	struct ruleset *ruleset;

	random_state = size;
	if (config && config->rule_count > 0 && config->rule_count <= RULES_MAX) {
		ruleset = ruleset_compile(config);
		FUZZ_EXPECT(ruleset);
		check_rules(config, ruleset);
		ruleset_free(ruleset);
	}
	config_free(config);
	config_errors_free(&errors);
	free(text);
	return 0;
}
