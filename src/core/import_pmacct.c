/* SPDX-License-Identifier: MIT */
#include "core/import_draft.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define WHITE_SPACE " \t\v\f\r"

/* A line's values; at is NULL for those that it does not have. */
struct pool {
	struct import_span id;
	struct import_span receivers;
	struct import_span tag;
	struct import_span balance;
	struct import_span source_port;
	struct import_span kafka_broker;
	struct import_span kafka_topic;
	struct import_span zmq_address;
	bool misread; /* a key that is not known, or twice: it may limit what the pool gets */
};

static struct import_span *pool_value(struct pool *pool, struct import_span key)
{
	static const struct {
		const char *name;
		size_t offset;
	} keys[] = {
		{"id", offsetof(struct pool, id)},
		{"ip", offsetof(struct pool, receivers)},
		{"tag", offsetof(struct pool, tag)},
		{"balance-alg", offsetof(struct pool, balance)},
		{"src_port", offsetof(struct pool, source_port)},
		{"kafka_broker", offsetof(struct pool, kafka_broker)},
		{"kafka_topic", offsetof(struct pool, kafka_topic)},
		{"zmq_address", offsetof(struct pool, zmq_address)},
	};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (import_span_is(key, keys[i].name))
			return (struct import_span *)(void *)((char *)pool + keys[i].offset);
	return NULL;
}

static void read_pair(struct import_draft *draft, struct import_span pair, struct pool *pool)
{
	struct import_span rest = pair, key, *value;
	bool is_pair = import_span_cut(&rest, "=", &key);
	const char *why = NULL;
	char shown[CONFIG_TEXT_SIZE];

	value = pool_value(pool, key);
	if (!is_pair)
		why = "not KEY=VALUE; write it so, without spaces";
	else if (!value)
		why = "not a key of tee_receivers that has an equivalent; see what it is for";
	else if (value->at)
		why = "the key stands twice in this line; write it once";
	if (!value || why) {
		import_draft_problem(draft, "%s: %s", import_span_quote(pair, shown), why);
		pool->misread = true;
		return;
	}
	*value = rest;
}

/* Reads "HOST:PORT"; the port stands behind the last colon, also of an IPv6 address. */
static bool read_receiver(struct import_draft *draft, struct import_span written,
			  struct import_destination *destination)
{
	const char *colon = memrchr(written.at, ':', written.length);
	struct import_span host = written, port = {written.at + written.length, 0};

	if (colon) {
		host.length = (size_t)(colon - written.at);
		port = (struct import_span){colon + 1, written.length - host.length - 1};
	}
	*destination = (struct import_destination){.written = written, .sample = 1};
	return import_host_read(draft, host, destination) &&
	       import_host_port(draft, port, destination);
}

static void read_receivers(struct import_draft *draft, struct import_span rest,
			   struct import_rule *rule)
{
	struct import_destination destination;
	struct import_span written;

	while (rest.length > 0) {
		import_span_cut(&rest, ",", &written);
		if (written.length > 0 && read_receiver(draft, written, &destination))
			import_draft_destination(draft, rule, &destination);
	}
}

/* Returns whether the pool sends UDP packets and has a valid id. */
static bool read_id(struct import_draft *draft, const struct pool *pool, uint32_t *id)
{
	if (pool->kafka_broker.at || pool->kafka_topic.at || pool->zmq_address.at) {
		import_draft_problem(draft, "a pool that writes to Kafka or ZeroMQ: copies are UDP "
					    "packets; leave this pool to pmacct");
		return false;
	}
	if (!pool->receivers.at || pool->receivers.length == 0) {
		import_draft_problem(draft, "no receivers; write ip=HOST:PORT");
		return false;
	}
	if (!pool->id.at || !import_span_number(pool->id, 1, UINT32_MAX, id)) {
		import_draft_problem(draft, "no valid id, so that pmacct ignores this line; write "
					    "a number from 1 on, for example id=1");
		return false;
	}
	return true;
}

static void read_balance(struct import_draft *draft, struct import_span balance,
			 struct import_rule *rule)
{
	char shown[CONFIG_TEXT_SIZE];

	if (!balance.at)
		return;
	if (import_span_is(balance, "rr")) {
		rule->balance = BALANCE_ROUND_ROBIN;
		return;
	}
	rule->balance = BALANCE_HASH;
	if (import_span_is(balance, "hash-agent") || import_span_is(balance, "hash-crc32"))
		return;
	rule->disabled = true;
	import_draft_problem(draft,
			     "balance-alg=%s: no equivalent; rule %s is disabled: if \"hash\", by "
			     "client address, will do, remove its ENABLED",
			     import_span_quote(balance, shown), rule->name);
}

/* Reports what else a pool has and a rule cannot have. */
static void report_rest(struct import_draft *draft, const struct pool *pool,
			struct import_rule *rule)
{
	char shown[CONFIG_TEXT_SIZE];

	if (pool->tag.at) {
		rule->disabled = true;
		import_draft_problem(draft,
				     "tag=%s: tags come from pre_tag_map, not from the packets; "
				     "rule %s is disabled: write the clients that have these tags "
				     "as its SOURCEADDRESS, and remove its ENABLED",
				     import_span_quote(pool->tag, shown), rule->name);
	}
	if (pool->source_port.at)
		import_draft_problem(draft,
				     "src_port=%s: copies keep the client's own port; let the "
				     "receivers' firewalls take any source port",
				     import_span_quote(pool->source_port, shown));
	if (pool->misread) {
		rule->disabled = true;
		import_draft_problem(draft,
				     "rule %s is disabled, because not all of this line was "
				     "understood; remove its ENABLED if it is right without that",
				     rule->name);
	}
}

void import_pmacct_line(struct import_draft *draft, struct import_span line)
{
	struct import_rule rule = {.balance = BALANCE_ALL};
	char name[CONFIG_RULE_NAME_MAX + 1];
	struct import_span pair;
	struct pool pool = {0};
	uint32_t id;

	if (line.at[0] == '!' || line.at[0] == '#')
		return;
	while (line.length > 0) {
		import_span_cut(&line, WHITE_SPACE, &pair);
		if (pair.length > 0)
			read_pair(draft, pair, &pool);
	}
	if (!read_id(draft, &pool, &id))
		return;
	read_receivers(draft, pool.receivers, &rule);
	if (rule.destination_count == 0)
		return;
	snprintf(name, sizeof name, "pool-%u", id);
	import_draft_name(draft, name, &rule);
	read_balance(draft, pool.balance, &rule);
	report_rest(draft, &pool, &rule);
	import_draft_rule(draft, &rule);
}
