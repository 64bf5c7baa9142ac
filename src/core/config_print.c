/* SPDX-License-Identifier: MIT */
/* A config as understood, in words. */
#include "core/config_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *original_words(enum original_mode mode)
{
	switch (mode) {
	case ORIGINAL_FORWARD:
		return "the original goes on to where it was going";
	case ORIGINAL_DROP:
		return "the original ends here";
	default:
		return "ends here when sent to this machine, else goes on untouched";
	}
}

static const char *oversize_words(enum oversize_mode mode)
{
	return mode == OVERSIZE_DROP ? "copies larger than the MTU are dropped and counted"
				     : "copies larger than the MTU leave in fragments";
}

static const char *send_words(enum send_mode mode)
{
	return mode == SEND_LINK
		       ? "straight to the next hop's link-layer address where that is confirmed"
		       : "by the kernel's routes, through this machine's firewall";
}

static const char *fast_path_words(enum fastpath_mode mode)
{
	return mode == FASTPATH_AUTO ? "the kernel serves the packets that it can serve exactly"
				     : "all packets are queued";
}

static const char *when_full_words(enum when_full when_full)
{
	return when_full == WHEN_FULL_FORWARD
		       ? "originals that find the queue full go on without copies, counted"
		       : "originals that find the queue full are dropped and counted";
}

static void print_port_list(FILE *out, const struct config_rule *rule)
{
	for (size_t i = 0; i < rule->port_count; i++) {
		const struct port_range *range = &rule->ports[i];

		fprintf(out, "%s%u", i ? ", " : "", range->first);
		if (range->last != range->first)
			fprintf(out, "-%u", range->last);
	}
}

static void print_ports(FILE *out, const struct config_rule *rule)
{
	fprintf(out, "  ports         UDP ");
	print_port_list(out, rule);
	fprintf(out, "\n");
}

char *config_ports_text(const struct config_rule *rule)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (!out)
		return NULL;
	print_port_list(out, rule);
	failed = ferror(out) != 0;
	if (fclose(out) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}

/* The entries of SOURCEADDRESS or LISTENADDRESS that are exclusions, or those that are not. */
static size_t print_prefixes(FILE *out, const struct config_prefix *prefixes, size_t count,
			     bool excluded, const char *lead)
{
	char text[IP_PREFIX_TEXT_SIZE];
	size_t printed = 0;

	for (size_t i = 0; i < count; i++) {
		if (prefixes[i].excluded != excluded)
			continue;
		fprintf(out, "%s%s", printed ? ", " : lead,
			ip_prefix_format(&prefixes[i].prefix, text));
		printed++;
	}
	return printed;
}

static void print_clients(FILE *out, const struct config_rule *rule)
{
	if (rule->source_count == 0)
		return;
	fprintf(out, "  clients       ");
	if (print_prefixes(out, rule->sources, rule->source_count, false, "") > 0)
		print_prefixes(out, rule->sources, rule->source_count, true, "; not ");
	else
		print_prefixes(out, rule->sources, rule->source_count, true, "all but ");
	fprintf(out, "\n");
}

/* What a packet must be besides UDP to a port, where the rule says so. */
static void print_filters(FILE *out, const struct config_rule *rule)
{
	print_clients(out, rule);
	if (rule->listen_count > 0) {
		print_prefixes(out, rule->listens, rule->listen_count, false, "  sent to       ");
		fprintf(out, "\n");
	}
	for (size_t i = 0; i < rule->interface_count; i++)
		fprintf(out, "%s%s%s", i ? ", " : "  arriving at   ", rule->interfaces[i],
			i + 1 == rule->interface_count ? "\n" : "");
}

/* Begins a remark on a destination: all of them stand in one pair of brackets. */
static void begin_remark(FILE *out, unsigned *remarks)
{
	fputs((*remarks)++ ? ", " : " (", out);
}

static void print_source(FILE *out, const struct config_destination *destination, unsigned *remarks)
{
	char text[IP_TEXT_SIZE];

	if (destination->source == SOURCE_CLIENT)
		return;
	begin_remark(out, remarks);
	fprintf(out, "from %s",
		destination->source == SOURCE_FIXED ? ip_format(&destination->source_address, text)
						    : "this machine's own address");
}

static void print_check(FILE *out, const struct config_destination *destination, unsigned *remarks)
{
	if (destination->check == CHECK_NONE)
		return;
	begin_remark(out, remarks);
	fprintf(out, "checked by %s", check_kind_name(destination->check));
	if (destination->check == CHECK_TCP)
		fprintf(out, "/%u", destination->check_port);
}

static void print_own_ttl(FILE *out, const struct config_rule *rule, const struct ttl_policy *ttl,
			  unsigned *remarks)
{
	if (ttl->mode == rule->ttl.mode && ttl->value == rule->ttl.value)
		return;
	begin_remark(out, remarks);
	if (ttl->mode == TTL_SET)
		fprintf(out, "ttl %u", ttl->value);
	else
		fprintf(out, "ttl %s", ttl->mode == TTL_DECREMENT ? "decrement" : "keep");
}

void config_print_destination(FILE *out, const struct config_rule *rule, size_t index)
{
	const struct config_destination *destination = &rule->destinations[index];
	char place[CONFIG_PLACE_SIZE];
	unsigned remarks = 0;

	fprintf(out, "%s", destination->name);
	if (strcmp(destination->name, config_destination_place(destination, place)) != 0)
		fprintf(out, ": %s", place);
	if (destination->port == 0) {
		begin_remark(out, &remarks);
		fprintf(out, "the packet's own port");
	}
	print_source(out, destination, &remarks);
	if (destination->sample > 1) {
		begin_remark(out, &remarks);
		fprintf(out, "1 copy in %u", destination->sample);
	}
	print_check(out, destination, &remarks);
	print_own_ttl(out, rule, &destination->ttl, &remarks);
	fprintf(out, "%s", remarks ? ")" : "");
}

static const char *balance_words(enum balance_mode mode)
{
	switch (mode) {
	case BALANCE_ROUND_ROBIN:
		return "each packet to one destination, in turn";
	case BALANCE_HASH:
		return "each packet to one destination, always the same for a client";
	default:
		return "each packet to the first destination that is up";
	}
}

/* How many copies leave, where it is not one of every packet to every destination. */
static void print_choice(FILE *out, const struct config_rule *rule)
{
	if (rule->balance != BALANCE_ALL)
		fprintf(out, "  balance       %s: %s\n", balance_mode_name(rule->balance),
			balance_words(rule->balance));
	if (rule->sample > 1)
		fprintf(out, "  sample        1 packet in %u is duplicated\n", rule->sample);
	if (rule->rate_limit_pps > 0)
		fprintf(out,
			"  rate limit    %u packets/s: copies above it are dropped and counted\n",
			rule->rate_limit_pps);
}

static void print_ttl(FILE *out, const struct ttl_policy *ttl)
{
	fprintf(out, "  ttl           ");
	if (ttl->mode == TTL_SET)
		fprintf(out, "%u: every copy leaves with this TTL or hop limit\n", ttl->value);
	else if (ttl->mode == TTL_DECREMENT)
		fprintf(out, "decrement: one less than the packet came with\n");
	else
		fprintf(out, "keep: as the packet came\n");
}

void config_print_matching(FILE *out, const struct config_rule *rule)
{
	print_ports(out, rule);
	print_filters(out, rule);
}

void config_print_sending(FILE *out, const struct config_rule *rule)
{
	print_choice(out, rule);
	fprintf(out, "  original      %s: %s\n", original_mode_name(rule->original),
		original_words(rule->original));
	fprintf(out, "  oversize      %s: %s\n", oversize_mode_name(rule->oversize),
		oversize_words(rule->oversize));
	print_ttl(out, &rule->ttl);
}

static void print_rule(FILE *out, const struct config_rule *rule)
{
	fprintf(out, "Rule \"%s\"%s\n", rule->name, rule->enabled ? "" : " (disabled)");
	config_print_matching(out, rule);
	for (size_t i = 0; i < rule->destination_count; i++) {
		fprintf(out, "  %-13s %*zu  ", i ? "" : "destinations",
			rule->destination_count > 9 ? 2 : 1, i + 1);
		config_print_destination(out, rule, i);
		fprintf(out, "\n");
	}
	config_print_sending(out, rule);
	fprintf(out, "\n");
}

static void print_http(FILE *out, const struct config_settings *settings)
{
	char text[CONFIG_HTTP_SIZE];
	const char *words = ": for programs on this machine";

	if (!settings->http_port)
		words = ": no status page, no metrics";
	else if (config_http_is_exposed(settings))
		words = ": for whoever reaches it";
	fprintf(out, "  http          %s%s\n", config_http_format(settings, text), words);
}

void config_print_settings(FILE *out, const struct config_settings *settings, unsigned cpu_count)
{
	unsigned workers = config_workers(settings, cpu_count);

	fprintf(out, "  queues        %u", settings->queue);
	if (workers > 1)
		fprintf(out, "-%u", settings->queue + workers - 1);
	fprintf(out, " (%u worker%s%s)\n", workers, workers == 1 ? "" : "s",
		settings->workers ? "" : ", by the number of CPUs");
	fprintf(out, "  queue length  %u packets each\n", settings->queue_length_pkts);
	fprintf(out, "  send          %s: %s\n", send_mode_name(settings->send),
		send_words(settings->send));
	fprintf(out, "  fast path     %s: %s\n", fastpath_mode_name(settings->fast_path),
		fast_path_words(settings->fast_path));
	fprintf(out, "  when full     %s: %s\n", when_full_name(settings->when_full),
		when_full_words(settings->when_full));
	print_http(out, settings);
	fprintf(out, "  mark          0x%x on every copy\n", settings->mark);
	fprintf(out, "  log level     %s\n", log_level_name(settings->log_level));
	if (settings->auto_reload)
		fprintf(out, "  auto reload   when the file changes\n");
}

char *config_describe(const struct config *config, unsigned cpu_count)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (!out)
		return NULL;
	for (size_t i = 0; i < config->rule_count; i++)
		print_rule(out, &config->rules[i]);
	fprintf(out, "Settings\n");
	config_print_settings(out, &config->settings, cpu_count);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
