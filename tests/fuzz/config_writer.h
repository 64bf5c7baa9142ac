/* SPDX-License-Identifier: MIT */
/* Writes a configuration as it was understood back as JSON, with every key spelled out. */
#ifndef TESTS_FUZZ_CONFIG_WRITER_H
#define TESTS_FUZZ_CONFIG_WRITER_H

#include "fuzz.h"

#include "core/config.h"

/* Strings of a config have no control characters. */
static inline void write_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static inline void write_ttl(FILE *out, const struct ttl_policy *ttl)
{
	if (ttl->mode == TTL_SET)
		fprintf(out, ", \"TTL\": %u", ttl->value);
	else
		fprintf(out, ", \"TTL\": \"%s\"", ttl->mode == TTL_KEEP ? "keep" : "decrement");
}

static inline void write_destination(FILE *out, const struct config_destination *destination)
{
	char place[CONFIG_PLACE_SIZE], address[IP_TEXT_SIZE];

	fprintf(out, "{\"ADDRESS\": ");
	write_string(out, destination->host ? destination->host
					    : ip_format(&destination->address, address));
	if (destination->port)
		fprintf(out, ", \"PORT\": %u", destination->port);
	if (strcmp(destination->name, config_destination_place(destination, place)) != 0) {
		fprintf(out, ", \"NAME\": ");
		write_string(out, destination->name);
	}
	fprintf(out, ", \"SOURCE\": \"%s\"",
		destination->source == SOURCE_FIXED
			? ip_format(&destination->source_address, address)
			: source_mode_name(destination->source));
	fprintf(out, ", \"SAMPLE\": %u, \"CHECK\": \"%s", destination->sample,
		check_kind_name(destination->check));
	if (destination->check == CHECK_TCP)
		fprintf(out, "/%u", destination->check_port);
	fprintf(out, "\"");
	write_ttl(out, &destination->ttl);
	fprintf(out, "}");
}

static inline void write_prefixes(FILE *out, const char *key, const struct config_prefix *prefixes,
				  size_t count)
{
	char text[IP_PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < count; i++) {
		if (i == 0)
			fprintf(out, ", \"%s\": [", key);
		fprintf(out, "%s\"%s%s\"%s", i ? ", " : "", prefixes[i].excluded ? "!" : "",
			ip_prefix_format(&prefixes[i].prefix, text), i + 1 == count ? "]" : "");
	}
}

/* What a rule listens to. */
static inline void write_matching(FILE *out, const struct config_rule *rule)
{
	fprintf(out, "\"SOURCEPORT\": [");
	for (size_t i = 0; i < rule->port_count; i++)
		fprintf(out, "%s\"%u-%u\"", i ? ", " : "", rule->ports[i].first,
			rule->ports[i].last);
	fprintf(out, "]");
	write_prefixes(out, "SOURCEADDRESS", rule->sources, rule->source_count);
	write_prefixes(out, "LISTENADDRESS", rule->listens, rule->listen_count);
	for (size_t i = 0; i < rule->interface_count; i++) {
		fprintf(out, i ? ", " : ", \"INTERFACE\": [");
		write_string(out, rule->interfaces[i]);
	}
	fprintf(out, rule->interface_count ? "]" : "");
}

static inline void write_rule(FILE *out, const struct config_rule *rule)
{
	write_string(out, rule->name);
	fprintf(out, ": {");
	write_matching(out, rule);
	fprintf(out, ", \"DESTINATION\": [");
	for (size_t i = 0; i < rule->destination_count; i++) {
		fprintf(out, i ? ", " : "");
		write_destination(out, &rule->destinations[i]);
	}
	fprintf(out,
		"], \"ORIGINAL\": \"%s\", \"BALANCE\": \"%s\", \"OVERSIZE\": \"%s\", "
		"\"SAMPLE\": %u, \"ENABLED\": %s",
		original_mode_name(rule->original), balance_mode_name(rule->balance),
		oversize_mode_name(rule->oversize), rule->sample, rule->enabled ? "true" : "false");
	if (rule->rate_limit_pps)
		fprintf(out, ", \"RATELIMIT\": %u", rule->rate_limit_pps);
	write_ttl(out, &rule->ttl);
	fprintf(out, "},\n");
}

static inline void write_settings(FILE *out, const struct config_settings *s)
{
	char http[CONFIG_HTTP_SIZE];

	fprintf(out,
		"\"SETTINGS\": {\"QUEUE\": %u, \"WORKERS\": %u, \"QUEUELENGTH\": %u, "
		"\"WHENFULL\": \"%s\", \"SEND\": \"%s\", \"FASTPATH\": \"%s\", \"MARK\": \"0x%x\", "
		"\"LOGLEVEL\": \"%s\", \"AUTORELOAD\": %s, \"HTTP\": \"%s\"}",
		s->queue, s->workers, s->queue_length_pkts, when_full_name(s->when_full),
		send_mode_name(s->send), fastpath_mode_name(s->fast_path), s->mark,
		log_level_name(s->log_level), s->auto_reload ? "true" : "false",
		config_http_format(s, http));
}

/* Freed by the caller. */
static inline char *config_writer_write(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	FUZZ_EXPECT(out);
	fprintf(out, "{");
	for (size_t i = 0; i < config->rule_count; i++)
		write_rule(out, &config->rules[i]);
	write_settings(out, &config->settings);
	fprintf(out, "}\n");
	fclose(out);
	return text;
}

#endif
