/* SPDX-License-Identifier: MIT */
#include "control/host_addresses.h"

#include "control/address_choice.h"
#include "control/netmon.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A destination by name that the daemon does not know. */
struct unknown {
	const struct config_rule *rule;
	struct config_destination *destination;
};

static bool is_wanted(const struct config_rule *rule, const struct config_destination *destination)
{
	return rule->enabled && destination->host;
}

bool host_addresses_needed(const struct config *config)
{
	for (size_t r = 0; r < config->rule_count; r++)
		for (size_t d = 0; d < config->rules[r].destination_count; d++)
			if (is_wanted(&config->rules[r], &config->rules[r].destinations[d]))
				return true;
	return false;
}

/* The object of this name in an array of them, or NULL. */
static const struct json_object *find_named(const struct json_object *array, const char *name)
{
	const size_t count =
		json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;

	for (size_t i = 0; i < count; i++) {
		const struct json_object *object = json_object_array_get_idx(array, i);
		const char *its = json_object_get_string(json_object_object_get(object, "name"));

		if (its && strcmp(its, name) == 0)
			return object;
	}
	return NULL;
}

/* Takes the daemon's address for a destination, if any; false where it does not have the
 * destination. */
static bool take_status(const struct json_object *status, const struct config_rule *rule,
			struct config_destination *destination)
{
	const struct json_object *running =
		find_named(json_object_object_get(status, "rules"), rule->name);
	const struct json_object *entry =
		find_named(json_object_object_get(running, "destinations"), destination->name);
	const char *text = json_object_get_string(json_object_object_get(entry, "address"));

	if (text)
		ip_parse(text, strlen(text), &destination->address);
	return entry != NULL;
}

static struct ip_address address_from_sockaddr(const struct sockaddr *from)
{
	struct ip_address address = {.family = (uint8_t)from->sa_family};

	if (from->sa_family == AF_INET)
		memcpy(address.bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr,
		       4);
	else
		memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr,
		       16);
	return address;
}

/* What the daemon would choose among a host's addresses; AF_UNSPEC: none. */
static struct ip_address ask_resolver(const char *host)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
	const struct ip_address none = {.family = AF_UNSPEC};
	struct address_choice choice = {0};
	const struct ip_address *made;
	struct addrinfo *found = NULL;

	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return none;
	for (const struct addrinfo *at = found; at; at = at->ai_next) {
		struct ip_address address;

		if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
			continue;
		address = address_from_sockaddr(at->ai_addr);
		address_choice_add(&choice, &none, &address);
	}
	freeaddrinfo(found);
	made = address_choice_made(&choice, &none);
	return made ? *made : none;
}

static int compare_hosts(const void *a, const void *b)
{
	return strcmp(((const struct unknown *)a)->destination->host,
		      ((const struct unknown *)b)->destination->host);
}

static void take_answer(const struct config *config, const struct unknown *unknown,
			const struct ip_address *answer, const struct ip_interface_address *own,
			size_t own_count)
{
	struct config_destination there = *unknown->destination;

	there.address = *answer;
	if (answer->family != AF_UNSPEC && config_destination_takes(&there, answer->family) &&
	    !config_unusable_here(config, unknown->rule, &there, own, own_count))
		unknown->destination->address = *answer;
}

/* Asks for each host once. Returns 0 or -errno. */
static int ask_all(const struct config *config, struct unknown *unknowns, size_t count)
{
	struct ip_interface_address *own;
	struct ip_address answer = {0};
	size_t own_count;
	int error = netmon_addresses(&own, &own_count);

	if (error < 0)
		return error;
	qsort(unknowns, count, sizeof(*unknowns), compare_hosts);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || compare_hosts(&unknowns[i - 1], &unknowns[i]) != 0)
			answer = ask_resolver(unknowns[i].destination->host);
		take_answer(config, &unknowns[i], &answer, own, own_count);
	}
	free(own);
	return 0;
}

int host_addresses_fill(struct config *config, const struct json_object *status)
{
	struct unknown *unknowns;
	size_t most = 0, count = 0;
	int result = 0;

	for (size_t r = 0; r < config->rule_count; r++)
		most += config->rules[r].destination_count;
	unknowns = calloc(most + 1, sizeof(*unknowns));
	if (!unknowns)
		return -ENOMEM;
	for (size_t r = 0; r < config->rule_count; r++) {
		struct config_rule *rule = &config->rules[r];

		for (size_t d = 0; d < rule->destination_count; d++) {
			struct config_destination *destination = &rule->destinations[d];

			if (is_wanted(rule, destination) && !take_status(status, rule, destination))
				unknowns[count++] = (struct unknown){rule, destination};
		}
	}
	if (count > 0)
		result = ask_all(config, unknowns, count);
	free(unknowns);
	return result;
}
