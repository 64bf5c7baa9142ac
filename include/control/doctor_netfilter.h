/* SPDX-License-Identifier: MIT */
/*
 * What other people's netfilter rules do to a packet: walks the ruleset as nft shows it in JSON
 * (libnftables-json(5)) with one packet in mind. A condition on what is not known of it, such as
 * its source, may be true or not, and what follows from it may happen or not.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_DOCTOR_NETFILTER_H
#define TRAFFICDUPLICATOR_CONTROL_DOCTOR_NETFILTER_H

#include "core/ip.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the packet is walked with. */
enum doctor_path {
	DOCTOR_PATH_OUT,     /* a copy: output, postrouting, the device's egress */
	DOCTOR_PATH_ARRIVAL, /* a client's packet: ingress and prerouting, up to our own chain */
	DOCTOR_PATH_FORWARD, /* an original in transit, once our chain is behind it */
};

/* A UDP packet, as far as it is known. */
struct doctor_packet {
	enum doctor_path path;
	uint8_t family;
	struct ip_address from, to; /* AF_UNSPEC: not known */
	uint16_t port, last_port;   /* its destination port is one of these; host byte order */
	const char *device;	    /* it leaves by, on DOCTOR_PATH_OUT */
	bool by_bridge;		    /* that device is a bridge */
	uint32_t mark;
	bool mark_changed; /* a rule may have set another one */
	/* DOCTOR_PATH_ARRIVAL: priority of the chain of ours that takes the packets. */
	int own_priority;
};

/* The answer to a question about a packet of which not all is known. */
enum doctor_certainty { DOCTOR_NO, DOCTOR_MAYBE, DOCTOR_YES };

struct doctor_fate {
	enum doctor_certainty blocked;
	const struct json_object *blocked_by; /* the rule, or the chain whose policy it is */
	enum doctor_certainty rewritten;
	const struct json_object *rewritten_by; /* the rule */
	bool unfinished; /* the ruleset is too large to be walked to its end */
};

/* A ruleset with its chains, rules and sets in order, so that they are found without a search. */
struct doctor_netfilter;

/* rules is the array of `nft -j list ruleset`, which must outlive the result. NULL: out of memory.
 */
struct doctor_netfilter *doctor_netfilter_open(const struct json_object *rules);
void doctor_netfilter_close(struct doctor_netfilter *netfilter);

/*
 * The packet's fate in all chains on its path but those of our own table and of NAT; it points into
 * the ruleset. All walks together take some seconds at most: the last may be unfinished.
 */
struct doctor_fate doctor_netfilter_walk(struct doctor_netfilter *netfilter,
					 const struct doctor_packet *packet);

/*
 * For the walk and the conditions, doctor_netfilter_index.c: how many base chains there are, each
 * of them, the rules of a chain (in order, *count of them; each's JSON object by
 * doctor_netfilter_rule) and the elements of a named set or map. place is a rule or chain of the
 * table meant.
 */
size_t doctor_netfilter_base_count(const struct doctor_netfilter *netfilter);
const struct json_object *doctor_netfilter_base(const struct doctor_netfilter *netfilter,
						size_t index);
size_t doctor_netfilter_rules(const struct doctor_netfilter *netfilter,
			      const struct json_object *place, const char *chain, size_t *count);
const struct json_object *doctor_netfilter_rule(const struct doctor_netfilter *netfilter,
						size_t index);
/* NULL: there is none, or it is empty. */
const struct json_object *doctor_netfilter_elements(const struct doctor_netfilter *netfilter,
						    const struct json_object *place,
						    const char *name);
/* Takes this many steps of those that all walks may take; false where they are used up. */
bool doctor_netfilter_spend(struct doctor_netfilter *netfilter, size_t steps);

/* Whether a rule's match is true for the packet: doctor_netfilter_match.c. */
enum doctor_certainty doctor_netfilter_match(struct doctor_netfilter *netfilter,
					     const struct json_object *rule,
					     const struct json_object *match,
					     const struct doctor_packet *packet);
/* Whether an expression of a rule has the value of one element of a set or map. */
enum doctor_certainty doctor_netfilter_equals(const struct json_object *rule,
					      const struct json_object *expression,
					      const struct json_object *element,
					      const struct doctor_packet *packet);

#endif
