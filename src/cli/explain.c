/* SPDX-License-Identifier: MIT */
/* What would happen to a packet: the datapath's own look-up, with words for what it finds. */
#include "cli/load.h"
#include "cli/verbs.h"
#include "control/control_socket.h"
#include "control/host_addresses.h"
#include "control/netmon.h"
#include "core/packet.h"
#include "core/selection.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The packet that is asked about. */
struct question {
	struct ip_address source, destination;
	uint16_t destination_port;
	const char *interface; /* NULL: not given */
};

/* An answer under way: what selection_run reports, rule by rule. */
struct answer {
	const struct ruleset *ruleset;
	const struct question *question;
};

/* "ADDRESS/PORT" or, where the port is optional, "ADDRESS". port stays 0 where there is none. */
static bool parse_end(const char *text, bool needs_port, struct ip_address *address, uint16_t *port)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long number = 0;
	char *end = NULL;

	*port = 0;
	if (!ip_parse(text, length, address))
		return false;
	if (!slash)
		return !needs_port;
	if (slash[1] < '0' || slash[1] > '9')
		return false;
	number = strtoul(slash + 1, &end, 10);
	*port = (uint16_t)number;
	return *end == '\0' && number >= 1 && number <= UINT16_MAX;
}

static bool parse_question(const struct options *options, struct question *question)
{
	const char *from = options->arguments[0], *to = options->arguments[1];
	uint16_t source_port;

	if (!parse_end(from, false, &question->source, &source_port)) {
		fprintf(stderr,
			"trafficduplicator: '%s' is no client: write ADDRESS or ADDRESS/PORT\n",
			from);
		return false;
	}
	if (!parse_end(to, true, &question->destination, &question->destination_port)) {
		fprintf(stderr, "trafficduplicator: '%s' is no place: write ADDRESS/PORT\n", to);
		return false;
	}
	if (question->source.family != question->destination.family) {
		fprintf(stderr, "trafficduplicator: %s and %s are of different families\n", from,
			to);
		return false;
	}
	question->interface = options->interface;
	return true;
}

/* Gives names their addresses, as the daemon has them or would have them. */
static void resolve_names(const struct options *options, struct config *config)
{
	struct json_object *status = NULL;
	char *body = NULL;
	int error;

	if (!host_addresses_needed(config))
		return;
	if (control_socket_ask(options->socket_path, "status", CONTROL_SOCKET_ANSWER_S, &body) == 0)
		status = json_tokener_parse(body);
	free(body);
	error = host_addresses_fill(config, status);
	json_object_put(status);
	if (error)
		fprintf(stderr, "trafficduplicator: cannot resolve names: %s\n", strerror(-error));
}

static uint32_t find_interface(const struct ruleset *ruleset, const char *name)
{
	for (uint32_t i = 0; name && i < ruleset->interface_count; i++)
		if (strcmp(ruleset->interfaces[i], name) == 0)
			return i;
	return RULESET_NO_INTERFACE;
}

static void print_miss(const struct config_rule *rule, enum ruleset_miss miss,
		       const struct question *question)
{
	char source[IP_TEXT_SIZE], destination[IP_TEXT_SIZE];

	if (miss == RULESET_MATCH)
		return;
	printf("Rule \"%s\" does not match: ", rule->name);
	switch (miss) {
	case RULESET_MISS_DISABLED:
		printf("it is disabled (ENABLED is false)\n");
		break;
	case RULESET_MISS_PORT:
		printf("it does not listen to port %u (SOURCEPORT)\n", question->destination_port);
		break;
	case RULESET_MISS_FAMILY:
		printf("it has no %s destination\n",
		       question->source.family == AF_INET ? "IPv4" : "IPv6");
		break;
	case RULESET_MISS_SOURCE:
		printf("the client %s is not in its SOURCEADDRESS\n",
		       ip_format(&question->source, source));
		break;
	case RULESET_MISS_LISTEN:
		printf("%s is not in its LISTENADDRESS\n",
		       ip_format(&question->destination, destination));
		break;
	case RULESET_MISS_INTERFACE:
		if (question->interface)
			printf("%s is not in its INTERFACE\n", question->interface);
		else
			printf("it has an INTERFACE; say which with --interface\n");
		break;
	case RULESET_MATCH:
		break;
	}
}

static void print_balance(const struct config_rule *rule)
{
	switch (rule->balance) {
	case BALANCE_ROUND_ROBIN:
		printf("  each packet to the next of %zu destinations; the first in turn is:\n",
		       rule->destination_count);
		break;
	case BALANCE_HASH:
		printf("  this client's packets to one of %zu destinations, while it is up:\n",
		       rule->destination_count);
		break;
	case BALANCE_FAILOVER:
		printf("  to the first of %zu destinations that is up; with all of them up:\n",
		       rule->destination_count);
		break;
	case BALANCE_ALL:
		break;
	}
}

static void print_rule(const struct config_rule *rule)
{
	printf("Rule \"%s\" matches\n", rule->name);
	if (rule->sample > 1)
		printf("  1 packet in %u\n", rule->sample);
	if (rule->rate_limit_pps > 0)
		printf("  at most %u packets a second\n", rule->rate_limit_pps);
	print_balance(rule);
}

static void print_copy(const struct answer *answer, uint32_t index, enum selection_event event)
{
	const struct config_destination *destination = answer->ruleset->destinations[index].config;
	unsigned port = destination->port ? destination->port : answer->question->destination_port;
	char text[IP_TEXT_SIZE];

	printf("  copy to %s", destination->name);
	if (event == SELECTION_COPY_SHARED) {
		printf(": not from this rule, since one before it sends there already\n");
		return;
	}
	if (destination->address.family == AF_UNSPEC)
		printf(": dropped as down, since its name cannot be resolved");
	else
		printf(": %s port %u", ip_format(&destination->address, text), port);
	if (destination->source == SOURCE_APPLIANCE)
		printf(", from the appliance's own address");
	else if (destination->source == SOURCE_FIXED)
		printf(", from %s", ip_format(&destination->source_address, text));
	if (destination->sample > 1)
		printf(", 1 in %u", destination->sample);
	printf("%s\n", event == SELECTION_COPY_DOWN && destination->address.family != AF_UNSPEC
			       ? " (down)"
			       : "");
}

static bool on_event(void *context, enum selection_event event, uint32_t index)
{
	const struct answer *answer = context;

	switch (event) {
	case SELECTION_RULE_DUPLICATED:
	case SELECTION_RULE_SAMPLED_OUT:
	case SELECTION_RULE_RATE_LIMITED:
		print_rule(answer->ruleset->rules[index].config);
		break;
	default:
		print_copy(answer, index, event);
	}
	return true;
}

/* What becomes of the packet itself, as far as this machine's addresses tell. */
static void print_original(const struct question *question, enum original_mode original)
{
	struct ip_interface_address *addresses = NULL;
	size_t count = 0;
	bool own = false;

	if (netmon_addresses(&addresses, &count) == 0)
		for (size_t i = 0; i < count; i++)
			own |= ip_equal(&addresses[i].address, &question->destination);
	free(addresses);
	if (original == ORIGINAL_DROP)
		printf("The original ends here (ORIGINAL is drop)\n");
	else if (original == ORIGINAL_FORWARD)
		printf("The original goes on (ORIGINAL is forward)\n");
	else if (own)
		printf("The original ends here: it is addressed to this machine\n");
	else
		printf("The original goes on: it is in transit\n");
}

/* What the datapath refuses before it looks at any rule. Returns whether it does. */
static bool print_malformed(const struct question *question)
{
	char text[IP_TEXT_SIZE];

	if (packet_source_is_sound(&question->source))
		return false;
	printf("No copy is made: no client can have the address %s, which is %s; the packet "
	       "counts as malformed\n"
	       "The original goes on as if the program were not there\n",
	       ip_format(&question->source, text), ip_kind_name(ip_kind(&question->source)));
	return true;
}

static int explain(const struct ruleset *ruleset, const struct question *question)
{
	struct ruleset_key key = {
		.source = &question->source,
		.destination = &question->destination,
		.destination_port_be = htons(question->destination_port),
		.interface = find_interface(ruleset, question->interface),
		.bridge_port = RULESET_NO_INTERFACE,
	};
	struct answer answer = {.ruleset = ruleset, .question = question};
	struct selection_limits *limits = selection_limits_create(ruleset);
	struct selection *selection = limits ? selection_create(ruleset, limits) : NULL;
	uint8_t *is_up = malloc(ruleset->destination_count);
	enum original_mode original;
	int code = EXIT_FAILED;

	if (!selection || !is_up) {
		fprintf(stderr, "trafficduplicator: out of memory\n");
		goto out;
	}
	for (size_t i = 0; i < ruleset->destination_count; i++)
		is_up[i] = ruleset->destinations[i].target.address.family != AF_UNSPEC;
	if (selection_run(selection, &key, is_up, 0, &original, on_event, &answer))
		print_original(question, original);
	else
		printf("No rule matches: the packet goes on as if the program were not there\n");
	for (size_t r = 0; r < ruleset->rule_count; r++)
		print_miss(ruleset->rules[r].config, ruleset_why_not(ruleset, &key, r), question);
	code = EXIT_FINE;
out:
	free(is_up);
	selection_free(selection);
	selection_limits_free(limits);
	return code;
}

int verb_explain(const struct options *options)
{
	struct question question;
	struct ruleset *ruleset;
	struct config *config;
	int code;

	if (!parse_question(options, &question))
		return EXIT_USAGE;
	code = load_config(options, &config);
	if (code != EXIT_FINE)
		return code;
	if (print_malformed(&question)) {
		config_free(config);
		return EXIT_FINE;
	}
	resolve_names(options, config);
	ruleset = ruleset_compile(config);
	if (ruleset) {
		code = explain(ruleset, &question);
	} else {
		fprintf(stderr, "trafficduplicator: out of memory\n");
		code = EXIT_FAILED;
	}
	ruleset_free(ruleset);
	config_free(config);
	return code;
}
