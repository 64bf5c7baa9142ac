/* SPDX-License-Identifier: MIT */
#include "control/doctor_netfilter.h"

#include "control/doctor.h"

#include <string.h>
#include <sys/socket.h>

/* Deeper jumps the kernel itself refuses (NFT_JUMP_STACK_SIZE). */
#define DEPTH_MAX 16

struct walk {
	struct doctor_netfilter *netfilter;
	struct doctor_packet packet;
	struct doctor_fate fate;
};

/* A chain under way. All but entered is said of a packet that has entered it. */
struct visit {
	enum doctor_certainty entered;
	enum doctor_certainty here;	/* it comes to the rule that is looked at */
	enum doctor_certainty returned; /* it has gone back to where the chain was called */
	bool may_have_ended;		/* in an accept or a drop */
	unsigned depth;
};

static bool is(const struct json_object *object, const char *key, const char *text)
{
	return strcmp(doctor_text(object, key), text) == 0;
}

static bool has(const struct json_object *object, const char *key)
{
	return json_object_object_get_ex(object, key, NULL);
}

static enum doctor_certainty weaker(enum doctor_certainty a, enum doctor_certainty b)
{
	return a < b ? a : b;
}

static enum doctor_certainty stronger(enum doctor_certainty a, enum doctor_certainty b)
{
	return a > b ? a : b;
}

static void note_blocked(struct walk *walk, enum doctor_certainty certainty,
			 const struct json_object *by)
{
	if (certainty <= walk->fate.blocked)
		return;
	walk->fate.blocked = certainty;
	walk->fate.blocked_by = by;
}

static void note_rewritten(struct walk *walk, enum doctor_certainty certainty,
			   const struct json_object *by)
{
	if (certainty <= walk->fate.rewritten)
		return;
	walk->fate.rewritten = certainty;
	walk->fate.rewritten_by = by;
}

/* Whether a rule that matches with this certainty applies to the packet. */
static enum doctor_certainty applies(const struct visit *visit, enum doctor_certainty match)
{
	return weaker(weaker(visit->entered, visit->here), match);
}

/* A verdict that takes the packet away from here: what follows is reached by others only. */
static void leave(struct visit *visit, enum doctor_certainty match)
{
	visit->here = match == DOCTOR_YES ? DOCTOR_NO : weaker(visit->here, DOCTOR_MAYBE);
}

static void end(struct visit *visit, enum doctor_certainty match)
{
	visit->may_have_ended = true;
	leave(visit, match);
}

static void on_drop(struct walk *walk, struct visit *visit, const struct json_object *rule,
		    enum doctor_certainty match)
{
	note_blocked(walk, applies(visit, match), rule);
	end(visit, match);
}

static enum doctor_certainty walk_chain(struct walk *walk, const struct json_object *place,
					const char *chain, enum doctor_certainty entered,
					unsigned depth);

static void on_jump(struct walk *walk, struct visit *visit, const struct json_object *rule,
		    const char *target, bool returns, enum doctor_certainty match)
{
	enum doctor_certainty back;

	/* Where our own chain is called, the packet has arrived. */
	if (strcmp(target, "TRAFFICDUPLICATOR") == 0) {
		end(visit, match);
		return;
	}
	back = walk_chain(walk, rule, target, applies(visit, match), visit->depth + 1);
	visit->may_have_ended |= back != DOCTOR_YES;
	if (!returns) {
		visit->returned =
			stronger(visit->returned, weaker(weaker(visit->here, match), back));
		leave(visit, match);
	} else if (back != DOCTOR_YES) {
		visit->here = weaker(visit->here, match == DOCTOR_YES ? back : DOCTOR_MAYBE);
	}
}

/* A statement, or a map's value, that may be a verdict; returns whether it is one. */
static bool on_verdict(struct walk *walk, struct visit *visit, const struct json_object *rule,
		       const struct json_object *verdict, enum doctor_certainty match)
{
	if (has(verdict, "accept")) {
		end(visit, match);
	} else if (has(verdict, "drop") || has(verdict, "reject") || has(verdict, "fwd")) {
		on_drop(walk, visit, rule, match);
	} else if (has(verdict, "queue")) {
		/* Another program decides. */
		note_blocked(walk, weaker(applies(visit, match), DOCTOR_MAYBE), rule);
		end(visit, match);
	} else if (has(verdict, "return")) {
		visit->returned = stronger(visit->returned, weaker(visit->here, match));
		leave(visit, match);
	} else if (has(verdict, "jump") || has(verdict, "goto")) {
		const bool returns = has(verdict, "jump");

		on_jump(walk, visit, rule,
			doctor_text(json_object_object_get(verdict, returns ? "jump" : "goto"),
				    "target"),
			returns, match);
	} else {
		return false;
	}
	return true;
}

/* Statements of iptables-nft that nft has no words for. */
static void on_xt(struct walk *walk, struct visit *visit, const struct json_object *rule,
		  const struct json_object *xt, enum doctor_certainty *match)
{
	if (is(xt, "type", "match")) {
		if (!is(xt, "name", "comment"))
			*match = weaker(*match, DOCTOR_MAYBE);
	} else if (is(xt, "name", "REJECT") || is(xt, "name", "DROP")) {
		on_drop(walk, visit, rule, *match);
	} else if (is(xt, "name", "NFQUEUE")) {
		note_blocked(walk, weaker(applies(visit, *match), DOCTOR_MAYBE), rule);
		end(visit, *match);
	} else if (is(xt, "name", "TTL") || is(xt, "name", "HL") || is(xt, "name", "DSCP") ||
		   is(xt, "name", "TOS")) {
		note_rewritten(walk, applies(visit, *match), rule);
	} else if (is(xt, "name", "MARK") || is(xt, "name", "CONNMARK")) {
		walk->packet.mark_changed |= applies(visit, *match) != DOCTOR_NO;
	}
}

static void on_mangle(struct walk *walk, struct visit *visit, const struct json_object *rule,
		      const struct json_object *key, enum doctor_certainty match)
{
	if (has(key, "payload"))
		note_rewritten(walk, applies(visit, match), rule);
	else if (is(json_object_object_get(key, "meta"), "key", "mark"))
		walk->packet.mark_changed |= applies(visit, match) != DOCTOR_NO;
}

/* "*" stands for what no other key is equal to. */
static bool is_catchall(const struct json_object *key)
{
	return json_object_is_type(key, json_type_string) &&
	       strcmp(json_object_get_string((struct json_object *)(uintptr_t)key), "*") == 0;
}

/* The elements of a verdict map: written in the rule, or a map's of the table. */
static const struct json_object *map_elements(const struct walk *walk,
					      const struct json_object *rule,
					      const struct json_object *vmap)
{
	const struct json_object *data = json_object_object_get(vmap, "data");
	const char *name = doctor_text(vmap, "data");

	if (json_object_is_type(data, json_type_string) && name[0] == '@')
		return doctor_netfilter_elements(walk->netfilter, rule, name + 1);
	return json_object_object_get(data, "set");
}

/* One key of a map has the packet's value at most, so that each is a rule of its own. */
static void on_vmap(struct walk *walk, struct visit *visit, const struct json_object *rule,
		    const struct json_object *vmap, enum doctor_certainty match)
{
	const struct json_object *elements = map_elements(walk, rule, vmap), *otherwise = NULL;
	const struct json_object *expression = json_object_object_get(vmap, "key");
	enum doctor_certainty any = DOCTOR_NO;

	for (size_t i = 0;
	     i < doctor_length(elements) && doctor_netfilter_spend(walk->netfilter, 1); i++) {
		const struct json_object *pair = json_object_array_get_idx(elements, i);
		const struct json_object *key = json_object_array_get_idx(pair, 0);
		const struct json_object *verdict = json_object_array_get_idx(pair, 1);
		enum doctor_certainty equal;

		if (is_catchall(key)) {
			otherwise = verdict;
			continue;
		}
		equal = doctor_netfilter_equals(rule, expression, key, &walk->packet);
		any = stronger(any, equal);
		if (equal != DOCTOR_NO)
			on_verdict(walk, visit, rule, verdict, weaker(match, equal));
	}
	if (otherwise && any != DOCTOR_YES)
		on_verdict(walk, visit, rule, otherwise,
			   weaker(match, any == DOCTOR_NO ? DOCTOR_YES : DOCTOR_MAYBE));
}

/* Takes a rule's statement; *match becomes whether those after it apply. */
static void on_statement(struct walk *walk, struct visit *visit, const struct json_object *rule,
			 const struct json_object *statement, enum doctor_certainty *match)
{
	struct json_object *inner;

	if (json_object_object_get_ex(statement, "match", &inner))
		*match = weaker(*match, doctor_netfilter_match(walk->netfilter, rule, inner,
							       &walk->packet));
	else if (on_verdict(walk, visit, rule, statement, *match))
		*match = DOCTOR_NO;
	else if (json_object_object_get_ex(statement, "vmap", &inner))
		on_vmap(walk, visit, rule, inner, *match);
	else if (json_object_object_get_ex(statement, "xt", &inner))
		on_xt(walk, visit, rule, inner, match);
	else if (json_object_object_get_ex(statement, "mangle", &inner))
		on_mangle(walk, visit, rule, json_object_object_get(inner, "key"), *match);
	else if (has(statement, "limit") || has(statement, "quota") ||
		 has(statement, "connlimit") || has(statement, "ct count"))
		*match = weaker(*match, DOCTOR_MAYBE);
}

static void walk_rule(struct walk *walk, struct visit *visit, const struct json_object *rule)
{
	const struct json_object *statements = json_object_object_get(rule, "expr");
	enum doctor_certainty match = DOCTOR_YES;

	for (size_t i = 0; match != DOCTOR_NO && i < doctor_length(statements); i++)
		on_statement(walk, visit, rule, json_object_array_get_idx(statements, i), &match);
}

/*
 * Walks the chain of this name in the table of place. Returns whether a packet that enters it comes
 * back to where the chain was called.
 */
static enum doctor_certainty walk_chain(struct walk *walk, const struct json_object *place,
					const char *chain, enum doctor_certainty entered,
					unsigned depth)
{
	struct visit visit = {.entered = entered, .here = DOCTOR_YES, .depth = depth};
	size_t count, first;

	if (entered == DOCTOR_NO)
		return DOCTOR_YES;
	if (depth > DEPTH_MAX)
		return DOCTOR_MAYBE;
	first = doctor_netfilter_rules(walk->netfilter, place, chain, &count);
	for (size_t i = 0; visit.here != DOCTOR_NO && i < count; i++) {
		if (!doctor_netfilter_spend(walk->netfilter, 1)) {
			walk->fate.unfinished = true;
			return DOCTOR_MAYBE;
		}
		walk_rule(walk, &visit, doctor_netfilter_rule(walk->netfilter, first + i));
	}
	if (visit.here == DOCTOR_NO && visit.returned == DOCTOR_NO)
		return DOCTOR_NO;
	return visit.may_have_ended ? DOCTOR_MAYBE : DOCTOR_YES;
}

/* Whether a chain at an interface's egress or ingress sees the packet. */
static enum doctor_certainty comes_by_interface(const struct json_object *chain,
						const struct doctor_packet *packet)
{
	const struct json_object *devices = json_object_object_get(chain, "dev");
	const bool is_list = json_object_is_type(devices, json_type_array);
	const size_t count = is_list ? doctor_length(devices) : 1;
	enum doctor_certainty any = DOCTOR_NO;

	/* Some versions of nft do not say which interface it is. */
	if (!devices || packet->path != DOCTOR_PATH_OUT)
		return DOCTOR_MAYBE;
	for (size_t i = 0; i < count; i++) {
		const char *name =
			is_list ? json_object_get_string(json_object_array_get_idx(devices, i))
				: doctor_text(chain, "dev");

		if (strcmp(name, packet->device) == 0)
			return DOCTOR_YES;
		if (packet->by_bridge && doctor_bridge_has(packet->device, name))
			any = DOCTOR_MAYBE;
	}
	return any;
}

/* Whether a client's packet comes by this chain before ours takes it. */
static enum doctor_certainty comes_first(const struct json_object *chain,
					 const struct doctor_packet *packet)
{
	const int priority = json_object_get_int(json_object_object_get(chain, "prio"));

	if (!is(chain, "hook", "prerouting"))
		return DOCTOR_NO;
	/* Bridged packets come to us out of the bridge's prerouting (NF_BR_PRI_BRNF is 0). */
	if (is(chain, "family", "bridge"))
		return priority <= 0 ? DOCTOR_MAYBE : DOCTOR_NO;
	if (priority != packet->own_priority)
		return priority < packet->own_priority ? DOCTOR_YES : DOCTOR_NO;
	/* Of two with the same priority, that which was made first comes first. Where iptables
	 * queues, our jump is in this very chain. */
	return is(chain, "table", "raw") && is(chain, "name", "PREROUTING") ? DOCTOR_YES
									    : DOCTOR_MAYBE;
}

/* Whether the packet comes by this base chain. */
static enum doctor_certainty comes_by(const struct json_object *chain,
				      const struct doctor_packet *packet)
{
	const bool is_bridge = is(chain, "family", "bridge");

	if (is(chain, "type", "nat") || is(chain, "table", "trafficduplicator"))
		return DOCTOR_NO;
	if (is(chain, "hook", packet->path == DOCTOR_PATH_OUT ? "egress" : "ingress"))
		return packet->path == DOCTOR_PATH_FORWARD ? DOCTOR_NO
							   : comes_by_interface(chain, packet);
	if (!is_bridge && !is(chain, "family", "inet") &&
	    !is(chain, "family", packet->family == AF_INET ? "ip" : "ip6"))
		return DOCTOR_NO;
	switch (packet->path) {
	case DOCTOR_PATH_OUT:
		return (!is_bridge || packet->by_bridge) && (is(chain, "hook", "output") ||
							     is(chain, "hook", "postrouting"))
			       ? DOCTOR_YES
			       : DOCTOR_NO;
	case DOCTOR_PATH_ARRIVAL:
		return comes_first(chain, packet);
	default:
		return !is_bridge && is(chain, "hook", "forward") ? DOCTOR_YES : DOCTOR_NO;
	}
}

struct doctor_fate doctor_netfilter_walk(struct doctor_netfilter *netfilter,
					 const struct doctor_packet *packet)
{
	struct walk walk = {.netfilter = netfilter, .packet = *packet};

	for (size_t i = 0; i < doctor_netfilter_base_count(netfilter); i++) {
		const struct json_object *chain = doctor_netfilter_base(netfilter, i);
		const enum doctor_certainty comes = comes_by(chain, packet);
		enum doctor_certainty back;

		if (comes == DOCTOR_NO)
			continue;
		back = walk_chain(&walk, chain, doctor_text(chain, "name"), comes, 0);
		if (is(chain, "policy", "drop") && !walk.fate.unfinished)
			note_blocked(&walk, weaker(comes, back), chain);
	}
	walk.fate.unfinished |= !doctor_netfilter_spend(netfilter, 1);
	return walk.fate;
}
