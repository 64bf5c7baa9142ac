/* SPDX-License-Identifier: MIT */
/* A configuration while it is made from another program's. Used by the import modules only. */
#ifndef TRAFFICDUPLICATOR_CORE_IMPORT_DRAFT_H
#define TRAFFICDUPLICATOR_CORE_IMPORT_DRAFT_H

#include "core/config_report.h"
#include "core/config_text.h"

#include <json-c/json.h>

/* A piece of the text; not terminated. */
struct import_span {
	const char *at;
	size_t length;
};

struct import_destination {
	struct import_span written; /* as the file has it */
	char host[CONFIG_HOST_MAX + 1];
	uint8_t family; /* of an address; AF_UNSPEC: a host name */
	uint16_t port;	/* host byte order */
	uint32_t sample;
	uint8_t ttl; /* 0: keep */
};

struct import_rule {
	char name[CONFIG_RULE_NAME_MAX + 1];
	struct ip_prefix clients; /* family AF_UNSPEC: any */
	enum balance_mode balance;
	bool disabled;
	struct import_destination destinations[CONFIG_DESTINATIONS_MAX];
	size_t destination_count;
};

struct import_flow;

struct import_draft {
	struct config_report *report;
	const char *destination_form; /* how the format writes one: "HOST/PORT" */
	unsigned line;		      /* the one that is read */
	uint16_t port;		      /* host byte order; that clients send to */
	struct json_object *rules;
	bool incomplete;
	struct import_flow *flows; /* who sends where, until import_draft_finish */
	size_t flow_count;
	size_t flow_capacity;
};

/*
 * Begins a draft that has its report, destination_form and port. Returns false: out of memory,
 * which is noted in the report.
 */
bool import_draft_begin(struct import_draft *draft);

/* Returns the configuration's text, which the caller frees; NULL: no rule, or out of memory. */
char *import_draft_finish(struct import_draft *draft);

/* Reports, at the draft's line, what could not be converted. */
void import_draft_problem(struct import_draft *draft, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Reports, at the draft's line, what is good to know; nothing is missing on that account. */
void import_draft_note(struct import_draft *draft, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Reads an address, in brackets or without, or a host name, that a copy can be sent to. Returns
 * false after reporting a problem with destination->written.
 */
bool import_host_read(struct import_draft *draft, struct import_span host,
		      struct import_destination *destination);

/* Reads a port; reports as import_host_read does. */
bool import_host_port(struct import_draft *draft, struct import_span port,
		      struct import_destination *destination);

/*
 * Adds a destination to the rule; one that the rule has already, or has no room for, is reported
 * instead.
 */
void import_draft_destination(struct import_draft *draft, struct import_rule *rule,
			      const struct import_destination *destination);

/*
 * Names the rule, before it is spoken of; where another has this name already, with the line's
 * number behind it.
 */
void import_draft_name(const struct import_draft *draft, const char *name,
		       struct import_rule *rule);

/* Adds the rule, which has its name, to the configuration. */
void import_draft_rule(struct import_draft *draft, const struct import_rule *rule);

/* Writes the piece in quotes, for messages, cut when long. Returns out. */
const char *import_span_quote(struct import_span span, char out[static CONFIG_TEXT_SIZE]);

/* Without white space at its ends. */
struct import_span import_span_trim(struct import_span span);

/* Without "[" and "]" at its ends, where it has both. */
struct import_span import_span_unbracket(struct import_span span);

/*
 * Takes from *rest what stands before the first of the characters in separators, which goes too;
 * all of it where there is none. Returns whether there was one.
 */
bool import_span_cut(struct import_span *rest, const char *separators, struct import_span *piece);

bool import_span_is(struct import_span span, const char *word);

/* Reads minimum..maximum in decimal digits. */
bool import_span_number(struct import_span span, uint32_t minimum, uint32_t maximum, uint32_t *out);

/* The two formats: each reads one line, without its line end, which is never blank. */
void import_samplicator_line(struct import_draft *draft, struct import_span line);
void import_pmacct_line(struct import_draft *draft, struct import_span line);

#endif
