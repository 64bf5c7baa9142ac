/* SPDX-License-Identifier: MIT */
#include "core/rules_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define TABLE "inet trafficduplicator"

/* The bit of the packet mark that carries a match from nft to iptables: none of the copies' mark,
 * but where that has them all. */
static uint32_t mark_bit(const struct config *config)
{
	uint32_t bit = UINT32_C(1) << 30;

	while (bit != 1 && (config->settings.mark & bit))
		bit >>= 1;
	return bit;
}

/* The ports that rules of one family listen to, as nft set elements. */
static void write_ports(FILE *out, const struct config *config, uint8_t family)
{
	bool listens[UINT16_MAX + 2] = {false};
	const char *separator = "\t\telements = { ";

	for (size_t r = 0; r < config->rule_count; r++) {
		const struct config_rule *rule = &config->rules[r];
		bool sends = false;

		for (size_t d = 0; d < rule->destination_count; d++)
			sends |= rule->destinations[d].address.family == family;
		for (size_t p = 0; sends && p < rule->port_count; p++)
			for (unsigned port = rule->ports[p].first; port <= rule->ports[p].last;
			     port++)
				listens[port] = true;
	}
	for (unsigned first = 1; first <= UINT16_MAX; first++) {
		unsigned last = first;

		if (!listens[first])
			continue;
		while (listens[last + 1])
			last++;
		fprintf(out, first == last ? "%s%u" : "%s%u-%u", separator, first, last);
		separator = ", ";
		first = last;
	}
	if (separator[0] == ',')
		fputs(" }\n", out);
}

/* One set of ports per family: a packet that no rule sends on never leaves the kernel. */
static void write_port_set(FILE *out, const struct config *config, uint8_t family)
{
	fprintf(out, "\tset ports_ipv%c {\n\t\ttype inet_service\n\t\tflags interval\n",
		family == AF_INET ? '4' : '6');
	if (config)
		write_ports(out, config, family);
	fputs("\t}\n\n", out);
}

/*
 * The table and its chains, without content. Declaring what exists already changes nothing. Our
 * chain comes after defragmentation (-400) and before the raw tables (-300) and connection
 * tracking (-200); that for copies before all of them, so that nothing there takes them apart.
 */
static void write_frame(FILE *out, const struct rules_text_options *options)
{
	fputs("table " TABLE " {\n", out);
	write_port_set(out, NULL, AF_INET);
	write_port_set(out, NULL, AF_INET6);
	fputs("\tchain reassembly {\n\t}\n\n"
	      "\tchain duplicate {\n\t}\n\n"
	      "\tchain prerouting {\n"
	      "\t\ttype filter hook prerouting priority -301; policy accept;\n\t}\n\n",
	      out);
	if (options->way == RULES_WAY_IPTABLES)
		fputs("\tchain unmark {\n"
		      "\t\ttype filter hook prerouting priority -299; policy accept;\n\t}\n\n",
		      out);
	fputs("\tchain copies {\n"
	      "\t\ttype filter hook output priority -450; policy accept;\n\t}\n\n"
	      "\tchain own_errors {\n"
	      "\t\ttype filter hook output priority 0; policy accept;\n\t}\n"
	      "}\n\n"
	      "flush table " TABLE "\n"
	      "flush set " TABLE " ports_ipv4\n"
	      "flush set " TABLE " ports_ipv6\n\n",
	      out);
}

static void write_reassembly(FILE *out, const struct rules_text_options *options)
{
	if (options->defragmentation == RULES_DEFRAGMENTATION_TPROXY)
		fputs("\t# Never reached. That a tproxy expression exists makes the kernel put\n"
		      "\t# fragments together ahead of prerouting, without tracking connections.\n"
		      "\tchain reassembly {\n"
		      "\t\tmeta l4proto udp tproxy ip to :1\n"
		      "\t\tmeta l4proto udp tproxy ip6 to :1\n"
		      "\t}\n\n",
		      out);
	else
		fputs("\t# Never reached. That a ct expression exists makes the kernel put "
		      "fragments\n"
		      "\t# together ahead of prerouting.\n"
		      "\tchain reassembly {\n"
		      "\t\tct state invalid\n"
		      "\t}\n\n",
		      out);
}

/* The queue statement is the last of its chain: bypass skips whatever would follow. */
static void write_duplicate(FILE *out, const struct config *config,
			    const struct rules_text_options *options)
{
	unsigned workers = config_workers(&config->settings, options->cpu_count);
	unsigned queue = config->settings.queue;
	uint32_t bit = mark_bit(config);

	fputs("\tchain duplicate {\n\t\tcounter notrack ", out);
	if (options->way == RULES_WAY_IPTABLES)
		fprintf(out, "meta mark set meta mark | 0x%08" PRIx32 "\n", bit);
	else if (workers == 1)
		fprintf(out, "queue flags bypass to %u\n", queue);
	else
		fprintf(out, "queue flags bypass to %u-%u\n", queue, queue + workers - 1);
	fprintf(out,
		"\t}\n\n"
		"\tchain prerouting {\n"
		"\t\tmeta mark 0x%08" PRIx32 " return\n"
		"\t\tmeta nfproto ipv4 udp dport @ports_ipv4 goto duplicate\n"
		"\t\tmeta nfproto ipv6 udp dport @ports_ipv6 goto duplicate\n"
		"\t}\n\n",
		config->settings.mark);
	if (options->way == RULES_WAY_IPTABLES)
		fprintf(out,
			"\t# What goes on after the queue has the mark that it came with.\n"
			"\tchain unmark {\n"
			"\t\tmeta l4proto udp meta mark & 0x%08" PRIx32
			" != 0 meta mark set meta mark & 0x%08" PRIx32 "\n\t}\n\n",
			bit, ~bit);
}

/*
 * An ICMP error quotes the packet that it is about (RFC 792, RFC 4443 3.1): after 8 bytes of its
 * own header comes that packet's IP header, whose destination is matched here. Code 4 of IPv4,
 * fragmentation needed, is never about a copy, and hosts need it to find the path's MTU. In IPv6 a
 * copy's next header may be UDP, a Fragment or another extension header.
 */
static void write_own_errors(FILE *out, const struct config *config, uint8_t family)
{
	const char *separator = family == AF_INET
					? "\t\ticmp type destination-unreachable icmp code != 4 "
					  "@th,136,8 17 @th,192,32 { "
					: "\t\ticmpv6 type destination-unreachable "
					  "@th,112,8 { 0, 17, 43, 44, 60 } @th,256,128 { ";
	bool any = false;

	for (size_t r = 0; r < config->rule_count; r++) {
		const struct config_rule *rule = &config->rules[r];

		for (size_t d = 0; d < rule->destination_count; d++) {
			const struct ip_address *address = &rule->destinations[d].address;

			if (address->family != family)
				continue;
			fprintf(out, "%s0x", any ? ", " : separator);
			for (size_t i = 0; i < ip_length_bytes(family); i++)
				fprintf(out, "%02x", address->bytes[i]);
			any = true;
		}
	}
	if (any)
		fputs(" } drop\n", out);
}

/* Runs write on a memory stream; the text, or NULL when memory ran out anywhere. */
static char *to_text(void (*write)(FILE *, const struct config *,
				   const struct rules_text_options *),
		     const struct config *config, const struct rules_text_options *options)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	bool failed;

	if (!out)
		return NULL;
	write(out, config, options);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}

static void write_nft(FILE *out, const struct config *config,
		      const struct rules_text_options *options)
{
	write_frame(out, options);
	fputs("table " TABLE " {\n", out);
	write_port_set(out, config, AF_INET);
	write_port_set(out, config, AF_INET6);
	write_reassembly(out, options);
	write_duplicate(out, config, options);
	fprintf(out,
		"\tchain copies {\n"
		"\t\tmeta mark 0x%08" PRIx32 " notrack\n"
		"\t}\n\n"
		"\t# This machine's own word that a destination cannot be reached would go to the\n"
		"\t# client, whose packet it never was.\n"
		"\tchain own_errors {\n"
		"\t\tmeta mark 0x%08" PRIx32 " meta l4proto { icmp, ipv6-icmp } drop\n",
		config->settings.mark, config->settings.mark);
	write_own_errors(out, config, AF_INET);
	write_own_errors(out, config, AF_INET6);
	fputs("\t}\n}\n", out);
}

static void write_iptables(FILE *out, const struct config *config,
			   const struct rules_text_options *options)
{
	unsigned workers = config_workers(&config->settings, options->cpu_count);
	unsigned queue = config->settings.queue;

	fprintf(out,
		"*raw\n:TRAFFICDUPLICATOR - [0:0]\n-A TRAFFICDUPLICATOR -p udp -m mark "
		"--mark 0x%08" PRIx32 "/0x%08" PRIx32 " -j NFQUEUE ",
		mark_bit(config), mark_bit(config));
	if (workers == 1)
		fprintf(out, "--queue-num %u", queue);
	else
		fprintf(out, "--queue-balance %u:%u", queue, queue + workers - 1);
	fputs(" --queue-bypass\nCOMMIT\n", out);
}

char *rules_text_nft(const struct config *config, const struct rules_text_options *options)
{
	return to_text(write_nft, config, options);
}

char *rules_text_iptables(const struct config *config, const struct rules_text_options *options)
{
	return to_text(write_iptables, config, options);
}
