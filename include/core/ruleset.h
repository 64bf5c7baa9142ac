/* SPDX-License-Identifier: MIT */
/*
 * The rules in the form that packets need. Each dimension of a rule (port, client, original
 * destination, interface) has a table that gives the set of rules which a value satisfies, as bits;
 * a packet matches the rules that are in all four sets. The cost of a look-up is a few searches
 * in sorted tables and one AND per 64 rules. Immutable once compiled.
 */
#ifndef TRAFFICDUPLICATOR_CORE_RULESET_H
#define TRAFFICDUPLICATOR_CORE_RULESET_H

#include "core/config.h"
#include "core/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Stands for an interface that no rule names. */
#define RULESET_NO_INTERFACE UINT32_MAX

struct ruleset_rule {
	const struct config_rule *config;
	uint32_t first_destination; /* index of its first in ruleset.destinations */
};

struct ruleset_destination {
	const struct config_destination *config;
	struct packet_target target; /* address of family AF_UNSPEC: a name not resolved yet */
	uint32_t rule;		     /* index into ruleset.rules */
	uint32_t route;		     /* index into ruleset.routes */
	uint32_t place;		     /* see ruleset_place */
	uint64_t hash_seed;	     /* of its name: what consistent hashing goes by */
};

struct ruleset {
	struct ruleset_rule *rules;
	size_t rule_count;
	struct ruleset_destination *destinations; /* rule by rule */
	size_t destination_count;
	struct ip_address *routes; /* the distinct addresses of all destinations */
	size_t route_count;
	const char **interfaces; /* the distinct names of all INTERFACE keys */
	size_t interface_count;
	size_t place_count;
	size_t set_words; /* 64-bit words of a set of rules */
	struct ruleset_tables *tables;
};

/* What rules look at. */
struct ruleset_key {
	const struct ip_address *source;      /* the client; its family is the packet's */
	const struct ip_address *destination; /* the original one */
	uint16_t destination_port_be;
	/* Indices into ruleset.interfaces of the arrival interface and, where the packet crosses a
	 * bridge, of the bridge's port; RULESET_NO_INTERFACE where no rule names it. */
	uint32_t interface;
	uint32_t bridge_port;
};

/* The dimensions in which a rule can fail to match, for those who want to know why. */
enum ruleset_miss {
	RULESET_MATCH,
	RULESET_MISS_DISABLED,
	RULESET_MISS_PORT,
	RULESET_MISS_FAMILY, /* no destination of the packet's family */
	RULESET_MISS_SOURCE,
	RULESET_MISS_LISTEN,
	RULESET_MISS_INTERFACE,
};

/*
 * Compiles. The config must outlive the ruleset and keep its addresses. Returns NULL when memory
 * runs out; free with ruleset_free.
 */
struct ruleset *ruleset_compile(const struct config *config);
void ruleset_free(struct ruleset *ruleset);

/*
 * Writes the set of rules that match into set (ruleset->set_words words; rule r is bit r % 64 of
 * word r / 64). Returns whether there is any.
 */
bool ruleset_match(const struct ruleset *ruleset, const struct ruleset_key *key, uint64_t *set);

/* The first dimension in which a rule does not match, by the same tables. */
enum ruleset_miss ruleset_why_not(const struct ruleset *ruleset, const struct ruleset_key *key,
				  size_t rule);

/* The first rule of a set from number `from` on, or rule_count. No set stands for all rules. */
size_t ruleset_next(const struct ruleset *ruleset, const uint64_t *set, size_t from);

/* Whether a destination can take packets of this family; one without an address yet takes any that
 * its SOURCE allows. */
static inline bool ruleset_takes_family(const struct ruleset_destination *destination,
					uint8_t family)
{
	if (destination->target.address.family == AF_UNSPEC)
		return config_destination_takes(destination->config, family);
	return destination->target.address.family == family;
}

/*
 * A number below place_count that two destinations share exactly when a packet to this port would
 * be sent to the same address and port by both.
 */
static inline uint32_t ruleset_place(const struct ruleset_destination *destination,
				     uint16_t destination_port_be)
{
	/* One that keeps the packet's port is the same place as one that names it. */
	bool keeps = destination->target.port_be == 0 ||
		     destination->target.port_be == destination_port_be;

	return keeps ? destination->route : destination->place;
}

#endif
