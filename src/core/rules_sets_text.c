/* SPDX-License-Identifier: MIT */
#include "core/rules_sets_text.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t families[] = {AF_INET, AF_INET6};

static char digit(uint8_t family)
{
	return family == AF_INET ? '4' : '6';
}

/* Long enough for the longest, which stands in the tests. */
#define NAME_SIZE 40

/* The name of a set of boxes. Returns text. */
static const char *name(char text[static NAME_SIZE], enum rules_kind kind, enum rules_side by,
			uint8_t family)
{
	static const char *const kinds[] = {
		[RULES_FLOWS] = "flows",
		[RULES_INTERFACE_FLOWS] = "interface_flows",
		[RULES_BRIDGE_FLOWS] = "bridge_flows",
	};
	static const char *const sides[] = {
		[RULES_INTERFACE] = "interface",
		[RULES_PORT] = "port",
		[RULES_LISTEN] = "listen",
		[RULES_CLIENT] = "client",
	};

	snprintf(text, NAME_SIZE, "%s_by_%s_ipv%c", kinds[kind], sides[by], digit(family));
	return text;
}

/* The sides of a set's elements in their order, the one that it is by first. Returns how many. */
static size_t sides_of(enum rules_side sides[static BOX_SIDES], enum rules_kind kind,
		       enum rules_side by)
{
	size_t count = 0;

	sides[count++] = by;
	for (enum rules_side s = 0; s < BOX_SIDES; s++)
		if (s != by && rules_sets_has(kind, s))
			sides[count++] = s;
	return count;
}

static void write_type(FILE *out, enum rules_side side, uint8_t family)
{
	if (side == RULES_INTERFACE)
		fputs("ifname", out);
	else if (side == RULES_PORT)
		fputs("inet_service", out);
	else
		fprintf(out, "ipv%c_addr", digit(family));
}

static void write_key(FILE *out, enum rules_side side, uint8_t family)
{
	const char *header = family == AF_INET ? "ip" : "ip6";

	if (side == RULES_INTERFACE)
		fputs("iifname", out);
	else if (side == RULES_PORT)
		fputs("udp dport", out);
	else
		fprintf(out, "%s %s", header, side == RULES_CLIENT ? "saddr" : "daddr");
}

static void declare_flows(FILE *out, enum rules_kind kind, enum rules_side by, uint8_t family)
{
	char text[NAME_SIZE];
	enum rules_side sides[BOX_SIDES];
	size_t count = sides_of(sides, kind, by);

	fprintf(out, "\tset %s {\n\t\ttype ", name(text, kind, by, family));
	for (size_t i = 0; i < count; i++) {
		fputs(i ? " . " : "", out);
		write_type(out, sides[i], family);
	}
	fputs("\n\t\tflags interval\n\t}\n\n", out);
}

static void declare_ports(FILE *out, const char *set, uint8_t family)
{
	fprintf(out, "\tset %s_ipv%c {\n\t\ttype inet_service\n\t\tflags interval\n\t}\n\n", set,
		digit(family));
}

void rules_sets_text_declare(FILE *out)
{
	for (size_t f = 0; f < 2; f++) {
		declare_ports(out, "all_ports", families[f]);
		declare_ports(out, "ports", families[f]);
		for (enum rules_kind k = 0; k < RULES_KIND_COUNT; k++)
			for (enum rules_side s = 0; s < BOX_SIDES; s++)
				if (rules_sets_has(k, s))
					declare_flows(out, k, s, families[f]);
	}
}

void rules_sets_text_flush(FILE *out, const char *table)
{
	char text[NAME_SIZE];

	for (size_t f = 0; f < 2; f++) {
		fprintf(out, "flush set %s ports_ipv%c\n", table, digit(families[f]));
		for (enum rules_kind k = 0; k < RULES_KIND_COUNT; k++)
			for (enum rules_side s = 0; s < BOX_SIDES; s++)
				if (rules_sets_has(k, s))
					fprintf(out, "flush set %s %s\n", table,
						name(text, k, s, families[f]));
	}
}

static void write_ports(FILE *out, const struct ip_range *range)
{
	uint32_t first = ip_number_value(&range->first), last = ip_number_value(&range->last);

	fprintf(out, first == last ? "%" PRIu32 : "%" PRIu32 "-%" PRIu32, first, last);
}

/* A network where the range is one, and else its ends. */
static void write_addresses(FILE *out, const struct ip_range *range)
{
	struct ip_prefix head = ip_range_head(range);
	struct ip_range network = ip_range_of_prefix(&head);
	char text[IP_PREFIX_TEXT_SIZE];

	if (ip_range_equal(range, &network)) {
		fputs(ip_prefix_format(&head, text), out);
		return;
	}
	fprintf(out, "%s-", ip_format(&range->first, text));
	fputs(ip_format(&range->last, text), out);
}

static void add_ports(FILE *out, const struct ip_ranges *ports, const char *set, uint8_t family,
		      const char *table)
{
	if (ports->count == 0)
		return;
	fprintf(out, "add element %s %s_ipv%c { ", table, set, digit(family));
	for (size_t i = 0; i < ports->count; i++) {
		fputs(i ? ", " : "", out);
		write_ports(out, &ports->all[i]);
	}
	fputs(" }\n", out);
}

static void match_ports(FILE *out, const char *set, uint8_t family, const char *verdict)
{
	fprintf(out, "\t\tmeta nfproto ipv%c udp dport @%s_ipv%c %s\n", digit(family), set,
		digit(family), verdict);
}

static void write_box(FILE *out, const struct rules_sets *sets, const struct box *box,
		      const enum rules_side *sides, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct ip_range *range = &box->sides[sides[i]];

		fputs(i ? " . " : "\t", out);
		if (sides[i] == RULES_INTERFACE)
			fprintf(out, "\"%s\"",
				sets->interfaces[ip_number_value(&range->first) / 2]);
		else if (sides[i] == RULES_PORT)
			write_ports(out, range);
		else
			write_addresses(out, range);
	}
}

static void add_flows(FILE *out, const struct rules_sets *sets, enum rules_kind kind,
		      enum rules_side by, uint8_t family, const char *table)
{
	const struct boxes *boxes = &sets->flows[kind][by];
	enum rules_side sides[BOX_SIDES];
	size_t count = sides_of(sides, kind, by);
	char text[NAME_SIZE];

	if (boxes->count == 0)
		return;
	fprintf(out, "add element %s %s {\n", table, name(text, kind, by, family));
	for (size_t i = 0; i < boxes->count; i++) {
		write_box(out, sets, &boxes->all[i], sides, count);
		fputs(",\n", out);
	}
	fputs("}\n", out);
}

/* Says where user space has more to refuse than it should. */
static void write_detail(FILE *out, const struct rules_sets *sets, enum rules_kind kind,
			 uint8_t family)
{
	static const char *const left_out[] = {
		[RULES_NO_LISTEN] = "LISTENADDRESS",
		[RULES_PORTS_ONLY] = "everything but SOURCEPORT",
	};
	static const char *const rules[] = {
		[RULES_FLOWS] = "without",
		[RULES_INTERFACE_FLOWS] = "with",
	};

	if (kind == RULES_BRIDGE_FLOWS || sets->detail[kind] == RULES_EXACT)
		return;
	fprintf(out,
		"# IPv%c, rules %s INTERFACE: %s is left to the daemon. These rules would need "
		"more\n"
		"# elements than the kernel can load or look up in good time.\n",
		digit(family), rules[kind], left_out[sets->detail[kind]]);
}

void rules_sets_text_add(FILE *out, const struct rules_sets *sets, uint8_t family,
			 const char *table)
{
	for (enum rules_kind k = 0; k < RULES_KIND_COUNT; k++)
		write_detail(out, sets, k, family);
	add_ports(out, &sets->ports, "ports", family, table);
	for (enum rules_kind k = 0; k < RULES_KIND_COUNT; k++)
		for (enum rules_side s = 0; s < BOX_SIDES; s++)
			add_flows(out, sets, k, s, family, table);
}

static void match_flows(FILE *out, enum rules_kind kind, enum rules_side by, uint8_t family,
			const char *verdict)
{
	enum rules_side sides[BOX_SIDES];
	size_t count = sides_of(sides, kind, by);
	char text[NAME_SIZE];

	fprintf(out, "\t\tmeta nfproto ipv%c ", digit(family));
	if (kind == RULES_BRIDGE_FLOWS)
		fputs("meta iifkind \"bridge\" ", out);
	for (size_t i = 0; i < count; i++) {
		fputs(i ? " . " : "", out);
		write_key(out, sides[i], family);
	}
	fprintf(out, " @%s %s\n", name(text, kind, by, family), verdict);
}

void rules_sets_text_match(FILE *out, const struct rules_sets *sets, uint8_t family,
			   const char *verdict)
{
	if (sets->ports.count > 0)
		match_ports(out, "ports", family, verdict);
	for (enum rules_kind k = 0; k < RULES_KIND_COUNT; k++)
		for (enum rules_side s = 0; s < BOX_SIDES; s++)
			if (sets->flows[k][s].count > 0)
				match_flows(out, k, s, family, verdict);
}

void rules_sets_text_flush_all_ports(FILE *out, const char *table)
{
	for (size_t f = 0; f < 2; f++)
		fprintf(out, "flush set %s all_ports_ipv%c\n", table, digit(families[f]));
}

void rules_sets_text_add_all_ports(FILE *out, const struct rules_sets *sets, uint8_t family,
				   const char *table)
{
	add_ports(out, &sets->all_ports, "all_ports", family, table);
}

void rules_sets_text_match_all_ports(FILE *out, uint8_t family, const char *verdict)
{
	match_ports(out, "all_ports", family, verdict);
}
