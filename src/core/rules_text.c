/* SPDX-License-Identifier: MIT */
#include "core/rules_text.h"

#include "core/fastpath_abi.h"

#include "core/rules_sets_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define TABLE "inet trafficduplicator"

/*
 * The table and its chains, without content. Declaring what exists already changes nothing. Our
 * chain comes after defragmentation (-400) and before the raw tables (-300) and connection
 * tracking (-200); that for copies before all of them, so that nothing there takes them apart.
 */
static void write_frame(FILE *out, const struct rules_text_options *options)
{
	fputs("table " TABLE " {\n", out);
	rules_sets_text_declare(out);
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
	      "}\n\n",
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
	uint32_t bit = config_queue_bit(&config->settings);

	fputs("\tchain duplicate {\n\t\tcounter notrack ", out);
	if (options->way == RULES_WAY_IPTABLES)
		fprintf(out, "meta mark set meta mark | 0x%08" PRIx32 "\n", bit);
	else if (workers == 1)
		fprintf(out, "queue flags bypass to %u\n", queue);
	else
		fprintf(out, "queue flags bypass to %u-%u\n", queue, queue + workers - 1);
	fputs("\t}\n\n", out);
	if (options->way == RULES_WAY_IPTABLES)
		fprintf(out,
			"\t# What goes on after the queue has the mark that it came with.\n"
			"\tchain unmark {\n"
			"\t\tmeta l4proto udp meta mark & 0x%08" PRIx32
			" != 0 meta mark set meta mark & 0x%08" PRIx32 "\n\t}\n\n",
			bit, ~bit);
}

static void write_unmarked(FILE *out, const struct config *config)
{
	uint32_t bit = config_served_bit(&config->settings);

	fprintf(out, "\tchain prerouting {\n\t\tmeta mark 0x%08" PRIx32 " return\n",
		config->settings.mark);
	fprintf(out,
		"\t\t# Dealt with at the ingress already. Others' rules ahead of this one may "
		"have\n"
		"\t\t# set the priority or the mark anew, and keep what they set.\n"
		"\t\tmeta priority %x:%x meta priority set none meta mark set meta mark & "
		"0x%08" PRIx32 " notrack return\n"
		"\t\tmeta mark & 0x%08" PRIx32 " != 0 meta mark set meta mark & 0x%08" PRIx32
		" notrack return\n",
		FASTPATH_SERVED_PRIORITY >> 16, FASTPATH_SERVED_PRIORITY & 0xffff, ~bit, bit, ~bit);
}

/*
 * What a transaction changes in a set and in the rules is not seen at one moment: the elements that
 * it flushes can be gone before those that it adds are there (nft_set_pipapo.c, nft_set_rbtree.c;
 * how, and for how long, is another matter in each kernel). Therefore a set is changed only while
 * no rule uses it. By then packets are chosen by what those of all rules have in common: a port
 * that some rule listens to.
 */
static void write_prerouting_meanwhile(FILE *out, const struct config *config)
{
	write_unmarked(out, config);
	rules_sets_text_match_all_ports(out, AF_INET, "goto duplicate");
	rules_sets_text_match_all_ports(out, AF_INET6, "goto duplicate");
	fputs("\t}\n\n", out);
}

/* A packet that no rule applies to never leaves the kernel. */
static void write_prerouting(FILE *out, const struct config *config, const struct rules_sets *ipv4,
			     const struct rules_sets *ipv6)
{
	fputs("flush chain " TABLE " prerouting\n\ntable " TABLE " {\n", out);
	write_unmarked(out, config);
	rules_sets_text_match(out, ipv4, AF_INET, "goto duplicate");
	rules_sets_text_match(out, ipv6, AF_INET6, "goto duplicate");
	fputs("\t}\n}\n", out);
}

/* Addresses of one family that ICMP errors quote, as a list for nft. */
struct quoted {
	FILE *out;
	uint8_t family;
	const char *separator; /* what stands before the first */
	bool any;
};

static void write_quoted(struct quoted *quoted, const struct ip_address *address)
{
	if (address->family != quoted->family)
		return;
	fprintf(quoted->out, "%s0x", quoted->any ? ", " : quoted->separator);
	for (size_t i = 0; i < ip_length_bytes(address->family); i++)
		fprintf(quoted->out, "%02x", address->bytes[i]);
	quoted->any = true;
}

/*
 * An ICMP error quotes the packet that it is about (RFC 792, RFC 4443 3.1): after 8 bytes of its
 * own header comes that packet's IP header, whose destination is matched here. Code 4 of IPv4,
 * fragmentation needed, is never about a copy, and hosts need it to find the path's MTU. In IPv6 a
 * copy's next header may be UDP, a Fragment or another extension header.
 */
static void write_own_errors(FILE *out, const struct config *config,
			     const struct rules_text_options *options, uint8_t family)
{
	struct quoted quoted = {
		.out = out,
		.family = family,
		.separator = family == AF_INET
				     ? "\t\ticmp type destination-unreachable icmp code != 4 "
				       "@th,136,8 17 @th,192,32 { "
				     : "\t\ticmpv6 type destination-unreachable "
				       "@th,112,8 { 0, 17, 43, 44, 60 } @th,256,128 { ",
	};

	for (size_t r = 0; r < config->rule_count; r++) {
		const struct config_rule *rule = &config->rules[r];

		for (size_t d = 0; rule->enabled && d < rule->destination_count; d++)
			write_quoted(&quoted, &rule->destinations[d].address);
	}
	for (size_t i = 0; i < options->resolved_count; i++)
		write_quoted(&quoted, &options->resolved[i]);
	if (quoted.any)
		fputs(" } drop\n", out);
}

/* Runs write on a memory stream; the text, or NULL when memory ran out anywhere. */
static char *to_text(bool (*write)(FILE *, const struct config *,
				   const struct rules_text_options *),
		     const struct config *config, const struct rules_text_options *options)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	bool failed;

	if (!out)
		return NULL;
	failed = !write(out, config, options) || ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}

static void write_output_chains(FILE *out, const struct config *config,
				const struct rules_text_options *options)
{
	uint32_t mark = config->settings.mark;

	fprintf(out,
		"\t# Copies come here most, so that they have the first rule of each chain.\n"
		"\t# Health checks have their mark, but are answered: a firewall that lets\n"
		"\t# answers in by their connection has to know it.\n"
		"\tchain copies {\n"
		"\t\tmeta mark 0x%08" PRIx32 " meta l4proto udp notrack return\n"
		"\t\tmeta mark 0x%08" PRIx32 " meta l4proto { tcp, icmp, ipv6-icmp } return\n"
		"\t\tmeta mark 0x%08" PRIx32 " notrack\n"
		"\t}\n\n"
		"\t# This machine's own word that a destination cannot be reached would go to the\n"
		"\t# client, whose packet it never was.\n"
		"\tchain own_errors {\n"
		"\t\tmeta l4proto udp return\n"
		"\t\tmeta mark 0x%08" PRIx32 " icmp type "
		"{ destination-unreachable, time-exceeded, parameter-problem } drop\n"
		"\t\tmeta mark 0x%08" PRIx32 " icmpv6 type "
		"{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem } "
		"drop\n",
		mark, mark, mark, mark, mark);
	write_own_errors(out, config, options, AF_INET);
	write_own_errors(out, config, options, AF_INET6);
	fputs("\t}\n", out);
}

static void write_transactions(FILE *out, const struct config *config,
			       const struct rules_text_options *options,
			       const struct rules_sets *ipv4, const struct rules_sets *ipv6)
{
	fputs("# transaction 1: what is not there yet; the sets of all ports\n", out);
	write_frame(out, options);
	rules_sets_text_flush_all_ports(out, TABLE);
	rules_sets_text_add_all_ports(out, ipv4, AF_INET, TABLE);
	rules_sets_text_add_all_ports(out, ipv6, AF_INET6, TABLE);
	fputs("\n# transaction 2: all rules; packets are chosen by port only so far\n"
	      "flush table " TABLE "\n\ntable " TABLE " {\n",
	      out);
	write_reassembly(out, options);
	write_duplicate(out, config, options);
	write_prerouting_meanwhile(out, config);
	write_output_chains(out, config, options);
	fputs("}\n\n# transaction 3: empty the sets that no rule uses now\n", out);
	rules_sets_text_flush(out, TABLE);
	fputs("\n# transaction 4: fill them\n", out);
	rules_sets_text_add(out, ipv4, AF_INET, TABLE);
	rules_sets_text_add(out, ipv6, AF_INET6, TABLE);
	fputs("\n# transaction 5: choose packets by them\n", out);
	write_prerouting(out, config, ipv4, ipv6);
	fputs("\n# transaction 6: empty the sets of all ports\n", out);
	rules_sets_text_flush_all_ports(out, TABLE);
}

static bool write_nft(FILE *out, const struct config *config,
		      const struct rules_text_options *options)
{
	struct rules_sets ipv4 = {0}, ipv6 = {0};
	bool filled =
		rules_sets_fill(&ipv4, config, AF_INET) && rules_sets_fill(&ipv6, config, AF_INET6);

	if (filled)
		write_transactions(out, config, options, &ipv4, &ipv6);
	rules_sets_free(&ipv4);
	rules_sets_free(&ipv6);
	return filled;
}

static bool write_iptables(FILE *out, const struct config *config,
			   const struct rules_text_options *options)
{
	unsigned workers = config_workers(&config->settings, options->cpu_count);
	unsigned queue = config->settings.queue;

	fprintf(out,
		"*raw\n:TRAFFICDUPLICATOR - [0:0]\n-A TRAFFICDUPLICATOR -p udp -m mark "
		"--mark 0x%08" PRIx32 "/0x%08" PRIx32 " -j NFQUEUE ",
		config_queue_bit(&config->settings), config_queue_bit(&config->settings));
	if (workers == 1)
		fprintf(out, "--queue-num %u", queue);
	else
		fprintf(out, "--queue-balance %u:%u", queue, queue + workers - 1);
	fputs(" --queue-bypass\nCOMMIT\n", out);
	return true;
}

char *rules_text_nft(const struct config *config, const struct rules_text_options *options)
{
	return to_text(write_nft, config, options);
}

char *rules_text_iptables(const struct config *config, const struct rules_text_options *options)
{
	return to_text(write_iptables, config, options);
}
