/* SPDX-License-Identifier: MIT */
/* Goes by the fast path's tables, as the kernel program does. */
#ifndef TESTS_UNIT_FASTPATH_INTERPRETER_H
#define TESTS_UNIT_FASTPATH_INTERPRETER_H

#include "rules_from_text.h"

#include "core/fastpath_tables.h"
#include "core/selection.h"

#include <arpa/inet.h>
#include <endian.h>

#define INTERPRETER_EVENTS_MAX 1024

/* What became of rules and destinations for one packet, in order. */
struct interpreter_events {
	struct {
		enum selection_event event;
		uint32_t index;
	} all[INTERPRETER_EVENTS_MAX];
	size_t count;
};

struct interpreter {
	const struct fastpath_tables *tables;
	uint32_t *samples;
};

/* Called for each copy that is sent. */
typedef void interpreter_check(void *context, const struct fastpath_step *step);

static inline void interpreter_note(struct interpreter_events *events, enum selection_event event,
				    uint32_t index)
{
	assert_true(events->count < INTERPRETER_EVENTS_MAX);
	events->all[events->count].event = event;
	events->all[events->count++].index = index;
}

static inline unsigned __int128 interpreter_number(const uint8_t *bytes)
{
	unsigned __int128 number = 0;

	for (size_t i = 0; i < 16; i++)
		number = number << 8 | bytes[i];
	return number;
}

static inline const struct fastpath_plan *interpreter_find4(const struct fastpath_tables *tables,
							    const struct fastpath_run *class,
							    uint32_t client)
{
	for (uint32_t i = class->first; i < class->first + class->count; i++)
		if (client >= tables->ranges4[i].first && client <= tables->ranges4[i].last)
			return &tables->plans[tables->ranges4[i].plan];
	return NULL;
}

static inline const struct fastpath_plan *interpreter_find6(const struct fastpath_tables *tables,
							    const struct fastpath_run *class,
							    unsigned __int128 client)
{
	for (uint32_t i = class->first; i < class->first + class->count; i++) {
		const struct fastpath_range6 *r = &tables->ranges6[i];

		if (client >= ((unsigned __int128)r->first_high << 64 | r->first_low) &&
		    client <= ((unsigned __int128)r->last_high << 64 | r->last_low))
			return &tables->plans[r->plan];
	}
	return NULL;
}

/* The plan for a packet, or NULL where it matches nothing. */
static inline const struct fastpath_plan *interpreter_find(const struct fastpath_tables *tables,
							   const struct ip_address *client,
							   unsigned port)
{
	bool ipv6 = client->family == AF_INET6;
	uint32_t number = tables->ports[ipv6][port], ipv4;

	if (number == 0)
		return NULL;
	assert_true(number <= tables->class_count);
	if (ipv6)
		return interpreter_find6(tables, &tables->classes[number - 1],
					 interpreter_number(client->bytes));
	memcpy(&ipv4, client->bytes, sizeof(ipv4));
	return interpreter_find4(tables, &tables->classes[number - 1], ntohl(ipv4));
}

static inline bool interpreter_sample(struct interpreter *interpreter,
				      const struct fastpath_step *step)
{
	uint32_t seen;

	if (step->one_in <= 1)
		return true;
	seen = interpreter->samples[step->sample];
	interpreter->samples[step->sample] = seen + 1 >= step->one_in ? 0 : seen + 1;
	return seen == 0;
}

static inline uint64_t interpreter_mix(uint64_t x)
{
	x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
	x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53u;
	return x ^ (x >> 33);
}

static inline uint32_t interpreter_choose(const struct fastpath_step *steps, uint32_t count,
					  const struct ip_address *client)
{
	uint64_t hash = client->family, highest = 0;
	uint32_t chosen = 0;

	for (size_t i = 0; i < sizeof(client->bytes); i++)
		hash = (hash ^ client->bytes[i]) * 0x100000001b3u;
	hash = interpreter_mix(hash);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t weight = interpreter_mix(hash ^ steps[i].hash_seed);

		if (weight > highest) {
			highest = weight;
			chosen = i;
		}
	}
	return chosen;
}

static inline void interpreter_copy(struct interpreter *interpreter,
				    const struct fastpath_step *step,
				    struct interpreter_events *events, interpreter_check *check,
				    void *context)
{
	if (!interpreter_sample(interpreter, step)) {
		interpreter_note(events, SELECTION_COPY_SAMPLED_OUT, step->index);
	} else if (step->kind == FASTPATH_STEP_DOWN) {
		interpreter_note(events, SELECTION_COPY_DOWN, step->index);
	} else {
		assert_int_equal(step->kind, FASTPATH_STEP_SEND);
		check(context, step);
		interpreter_note(events, SELECTION_COPY_SEND, step->index);
	}
}

static inline void interpreter_serve(struct interpreter *interpreter,
				     const struct fastpath_plan *plan,
				     const struct ip_address *client,
				     struct interpreter_events *events, interpreter_check *check,
				     void *context)
{
	const struct fastpath_step *steps = interpreter->tables->steps + plan->first_step;

	for (uint32_t i = 0; i < plan->step_count; i++) {
		const struct fastpath_step *step = &steps[i];

		switch (step->kind) {
		case FASTPATH_STEP_RULE:
			if (interpreter_sample(interpreter, step)) {
				interpreter_note(events, SELECTION_RULE_DUPLICATED, step->index);
				break;
			}
			interpreter_note(events, SELECTION_RULE_SAMPLED_OUT, step->index);
			i += step->count;
			break;
		case FASTPATH_STEP_HASH:
			interpreter_copy(interpreter,
					 step + 1 +
						 interpreter_choose(step + 1, step->count, client),
					 events, check, context);
			i += step->count;
			break;
		default:
			interpreter_copy(interpreter, step, events, check, context);
		}
	}
}

#endif
