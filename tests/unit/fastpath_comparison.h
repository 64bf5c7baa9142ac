/* SPDX-License-Identifier: MIT */
/* What the fast path's tables say of packets, against what the user-space datapath does. */
#ifndef TESTS_UNIT_FASTPATH_COMPARISON_H
#define TESTS_UNIT_FASTPATH_COMPARISON_H

#include "fastpath_interpreter.h"
#include "fastpath_random_rules.h"

enum { SAMPLES = 4096, RULES_MAX = 14 };

/* A ruleset, what was built from it, and a selection for each way that packets can go. */
struct bench {
	struct rules rules;
	struct netview *netview;
	uint8_t is_up[RULES_MAX * CONFIG_DESTINATIONS_MAX];
	uint32_t rule_samples[RULES_MAX], destination_samples[RULES_MAX * CONFIG_DESTINATIONS_MAX];
	uint32_t samples[SAMPLES];
	struct fastpath_verdict verdicts[RULES_MAX];
	struct fastpath_tables *tables;
	struct interpreter interpreter;
	struct selection_limits *limits;
	struct selection *fast, *slow;
};

struct packet_at_hand {
	struct bench *bench;
	struct ip_address client, to;
	struct ruleset_key key;
	unsigned length_bytes;
	uint8_t ttl;
	struct interpreter_events events; /* of selection_run */
};

static unsigned served, queued, unmatched;

/* Names get the address of a place, or stay without one. */
static inline void resolve_names(struct rules *rules)
{
	for (size_t r = 0; r < rules->config->rule_count; r++)
		for (size_t d = 0; d < rules->config->rules[r].destination_count; d++) {
			struct config_destination *destination =
				&rules->config->rules[r].destinations[d];
			char text[IP_TEXT_SIZE];

			if (!destination->host || random_below(4) == 0)
				continue;
			snprintf(text, sizeof(text), "%s%u",
				 random_below(3) ? "10.9.0." : "2001:db8:f::",
				 1 + random_below(PLACES));
			destination->address = address(text);
		}
	ruleset_free(rules->ruleset);
	rules->ruleset = ruleset_compile(rules->config);
	assert_non_null(rules->ruleset);
}

static inline struct netview *random_netview(const struct ruleset *ruleset)
{
	struct netview_route *routes = calloc(ruleset->route_count, sizeof(*routes));
	struct ip_address own[] = {address("2001:db8:e::1"), address("192.0.2.1"),
				   address("10.200.0.1")};
	struct netview *view;
	uint32_t interfaces[1] = {3};

	assert_non_null(routes);
	assert_true(ruleset->interface_count <= 1);
	for (uint32_t i = 0; i < ruleset->route_count; i++) {
		struct sockaddr_ll *link = &routes[i].link;

		routes[i].mtu_bytes = random_below(80) ? 1400 + random_below(100) : 0;
		routes[i].source = own[1];
		link->sll_ifindex = random_below(80) ? 1 + (int)random_below(3) : 0;
		link->sll_halen = random_below(80) ? 6 : 8;
		random_bytes(link->sll_addr, sizeof(link->sll_addr));
		random_bytes(routes[i].link_source, sizeof(routes[i].link_source));
		if (random_below(80) == 0)
			routes[i].source.family = AF_UNSPEC;
	}
	view = netview_create(own, 3, routes, ruleset->route_count, interfaces,
			      ruleset->interface_count);
	assert_non_null(view);
	free(routes);
	return view;
}

static inline void bench_build(struct bench *bench, const struct fastpath_limits *limits)
{
	const struct fastpath_inputs inputs = {
		.ruleset = bench->rules.ruleset,
		.netview = bench->netview,
		.is_up = bench->is_up,
		.rule_samples = bench->rule_samples,
		.destination_samples = bench->destination_samples,
		.limits = *limits,
	};

	bench->tables = fastpath_tables_build(&inputs, bench->verdicts);
	assert_non_null(bench->tables);
	bench->interpreter = (struct interpreter){bench->tables, bench->samples};
}

static inline void bench_open(struct bench *bench, const char *text,
			      const struct fastpath_limits *limits)
{
	memset(bench, 0, sizeof(*bench));
	bench->rules = rules_from_text(text);
	resolve_names(&bench->rules);
	bench->netview = random_netview(bench->rules.ruleset);
	for (uint32_t i = 0; i < bench->rules.ruleset->destination_count; i++) {
		bench->is_up[i] = random_below(5) != 0;
		bench->destination_samples[i] = RULES_MAX + i;
	}
	for (uint32_t i = 0; i < bench->rules.ruleset->rule_count; i++)
		bench->rule_samples[i] = i;
	bench_build(bench, limits);
	bench->limits = selection_limits_create(bench->rules.ruleset);
	assert_non_null(bench->limits);
	bench->fast = selection_create(bench->rules.ruleset, bench->limits);
	bench->slow = selection_create(bench->rules.ruleset, bench->limits);
	assert_non_null(bench->fast);
	assert_non_null(bench->slow);
}

static inline void bench_close(struct bench *bench)
{
	fastpath_tables_free(bench->tables);
	netview_free(bench->netview);
	selection_free(bench->fast);
	selection_free(bench->slow);
	selection_limits_free(bench->limits);
	rules_free(&bench->rules);
}

/* As serve.c: whether the copy leaves. */
static inline bool leaves(const struct packet_at_hand *packet, const struct ruleset_destination *to)
{
	return packet->bench->netview->routes[to->route].mtu_bytes >= packet->length_bytes &&
	       (to->config->ttl.mode != TTL_DECREMENT || packet->ttl > 1);
}

static inline bool note(void *context, enum selection_event event, uint32_t index)
{
	struct packet_at_hand *packet = context;
	const struct ruleset *ruleset = packet->bench->rules.ruleset;

	/* No counter moves. */
	if (event == SELECTION_COPY_SHARED)
		return true;
	interpreter_note(&packet->events, event, index);
	return event != SELECTION_COPY_SEND || leaves(packet, &ruleset->destinations[index]);
}

static inline void check_copy(void *context, const struct fastpath_step *step)
{
	const struct packet_at_hand *packet = context;
	const struct ruleset_destination *to =
		&packet->bench->rules.ruleset->destinations[step->index];
	const struct netview_route *route = &packet->bench->netview->routes[to->route];

	assert_true(leaves(packet, to));
	assert_int_equal(to->target.address.family, packet->client.family);
	assert_int_equal(to->config->source, SOURCE_CLIENT);
	assert_memory_equal(step->address, to->target.address.bytes, sizeof(step->address));
	assert_int_equal(step->port_be, to->target.port_be);
	assert_int_equal(step->ttl_mode, to->config->ttl.mode);
	assert_int_equal(step->ttl, to->config->ttl.value);
	assert_int_not_equal(step->device, 0);
	assert_int_equal(step->device, route->link.sll_ifindex);
	assert_int_equal(route->link.sll_halen, 6);
	assert_memory_equal(step->link, route->link.sll_addr, 6);
	assert_memory_equal(step->link + 6, route->link_source, 6);
}

/* What tells whether a packet is for this machine: its addresses, sorted. */
static inline void check_own(const struct fastpath_tables *tables, uint8_t family)
{
	if (family == AF_INET6) {
		assert_int_equal(tables->own6_count, 1);
		assert_int_equal(tables->own6[0].high, 0x20010db8000e0000);
		assert_int_equal(tables->own6[0].low, 1);
		return;
	}
	assert_int_equal(tables->own4_count, 2);
	assert_int_equal(tables->own4[0], 0x0ac80001);
	assert_int_equal(tables->own4[1], 0xc0000201);
}

/* The tables' events must be those of a selection that has seen the same packets. */
static inline void check_served(struct packet_at_hand *packet, const struct fastpath_plan *plan)
{
	struct bench *bench = packet->bench;
	struct interpreter_events events = {.count = 0};
	enum original_mode original;

	interpreter_serve(&bench->interpreter, plan, &packet->client, &events, check_copy, packet);
	assert_true(
		selection_run(bench->fast, &packet->key, bench->is_up, 1, &original, note, packet));
	assert_int_equal(plan->original, original);
	if (original == ORIGINAL_AUTO)
		check_own(bench->tables, packet->client.family);
	assert_int_equal(events.count, packet->events.count);
	for (size_t i = 0; i < events.count; i++) {
		assert_int_equal(events.all[i].event, packet->events.all[i].event);
		assert_int_equal(events.all[i].index, packet->events.all[i].index);
	}
	served++;
}

static inline void check_queued(struct packet_at_hand *packet, const struct fastpath_plan *plan)
{
	struct bench *bench = packet->bench;
	enum original_mode original;
	bool matched =
		selection_run(bench->slow, &packet->key, bench->is_up, 1, &original, note, packet);

	if (!plan)
		assert_false(matched);
	if (plan && plan->action == FASTPATH_QUEUE_CERTAIN)
		assert_true(matched);
	if (!matched)
		unmatched++;
	if (!matched || plan->action == FASTPATH_SERVE)
		return;
	queued++;
	for (size_t i = 0; i < packet->events.count; i++)
		if (packet->events.all[i].event <= SELECTION_RULE_DUPLICATED)
			assert_int_not_equal(bench->verdicts[packet->events.all[i].index].reason,
					     FASTPATH_IN_KERNEL);
}

static inline struct ip_address random_client(void)
{
	char text[IP_TEXT_SIZE];

	if (random_below(2))
		snprintf(text, sizeof(text), "%u.%u.0.%u", 10 + (random_below(20) == 0),
			 random_below(5), random_below(256));
	else
		snprintf(text, sizeof(text), "2001:db8:%u::%x", random_below(5), random_below(256));
	return address(text);
}

static inline void check_random_packet(struct bench *bench)
{
	struct packet_at_hand packet = {
		.bench = bench,
		.client = random_client(),
		.length_bytes = random_below(8) ? 100 : 1400 + random_below(110),
		.ttl = (uint8_t)(1 + random_below(4)),
	};
	unsigned port = random_below(PORTS + 4);
	const struct fastpath_plan *plan;

	packet.to = packet.client.family == AF_INET
			    ? address(random_below(2) ? "192.0.2.1" : "192.0.2.2")
			    : address(random_below(2) ? "2001:db8:e::1" : "2001:db8:e::2");
	packet.key = (struct ruleset_key){&packet.client, &packet.to, htons((uint16_t)port),
					  RULESET_NO_INTERFACE, RULESET_NO_INTERFACE};
	if (bench->rules.ruleset->interface_count && random_below(2))
		packet.key.interface = 0;
	plan = interpreter_find(bench->tables, &packet.client, port);
	if (plan && plan->action == FASTPATH_SERVE && packet.length_bytes <= plan->mtu_bytes &&
	    packet.ttl >= plan->ttl_min)
		check_served(&packet, plan);
	else
		check_queued(&packet, plan);
}

/* What the search in the kernel relies on, and its bounds. */
static inline void check_form(const struct fastpath_tables *t, const struct fastpath_limits *limits)
{
	assert_true(t->class_count <= limits->classes && t->plan_count <= limits->plans);
	assert_true(t->range4_count <= limits->ranges4 && t->range6_count <= limits->ranges6);
	assert_true(t->step_count <= limits->steps);
	assert_true(t->own4_count <= limits->own4 && t->own6_count <= limits->own6);
	for (size_t f = 0; f < FASTPATH_FAMILIES; f++)
		for (size_t port = 0; port < FASTPATH_PORTS; port++) {
			const struct fastpath_run *class = &t->classes[t->ports[f][port] - 1];

			if (t->ports[f][port] == 0)
				continue;
			assert_true(class->count > 0);
			for (uint32_t i = class->first + 1; i < class->first + class->count; i++)
				if (f == 0)
					assert_true(t->ranges4[i - 1].last < t->ranges4[i].first);
				else
					assert_true(t->ranges6[i - 1].last_high <
							    t->ranges6[i].first_high ||
						    t->ranges6[i - 1].last_low <
							    t->ranges6[i].first_low);
		}
	for (size_t p = 0; p < t->plan_count; p++) {
		assert_true(t->plans[p].step_count <= FASTPATH_STEPS_MAX);
		assert_true(t->plans[p].first_step + t->plans[p].step_count <= t->step_count);
	}
}

/* Random rules, and so many packets for them. */
static inline void run_random(const struct fastpath_limits *limits, unsigned packets)
{
	char *text = random_text(1 + random_below(RULES_MAX));
	struct bench bench;

	bench_open(&bench, text, limits);
	check_form(bench.tables, limits);
	for (unsigned n = 0; n < packets; n++)
		check_random_packet(&bench);
	bench_close(&bench);
	free(text);
}

#endif
