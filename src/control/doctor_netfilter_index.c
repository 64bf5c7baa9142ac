/* SPDX-License-Identifier: MIT */
/* A ruleset put in order once: some have thousands of chains, and each is entered many times. */
#include "control/doctor.h"
#include "control/doctor_netfilter.h"

#include <stdlib.h>
#include <string.h>

/* Rules and elements looked at in all walks together: some seconds. */
#define STEPS_MAX 2000000

/* A chain, a rule (by its chain's name) or a set, with what it is found by. */
struct entry {
	const char *family, *table, *name;
	size_t position; /* in nft's list, which is the order of rules */
	const struct json_object *object;
};

struct entries {
	struct entry *all;
	size_t count;
};

struct doctor_netfilter {
	struct entries bases, rules, sets;
	size_t steps_left;
};

static int compare_names(const struct entry *a, const struct entry *b)
{
	int order = strcmp(a->name, b->name);

	if (order == 0)
		order = strcmp(a->table, b->table);
	return order ? order : strcmp(a->family, b->family);
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	int order = compare_names(left, right);

	return order ? order
		     : (left->position > right->position) - (left->position < right->position);
}

static struct entry entry_of(const struct json_object *object, const char *name_key,
			     size_t position)
{
	return (struct entry){
		.family = doctor_text(object, "family"),
		.table = doctor_text(object, "table"),
		.name = doctor_text(object, name_key),
		.position = position,
		.object = object,
	};
}

/* Files one object of nft's list where it belongs. */
static void add(struct doctor_netfilter *netfilter, const struct json_object *listed,
		size_t position)
{
	struct json_object *object;

	if (json_object_object_get_ex(listed, "rule", &object))
		netfilter->rules.all[netfilter->rules.count++] =
			entry_of(object, "chain", position);
	else if (json_object_object_get_ex(listed, "set", &object) ||
		 json_object_object_get_ex(listed, "map", &object))
		netfilter->sets.all[netfilter->sets.count++] = entry_of(object, "name", position);
	else if (json_object_object_get_ex(listed, "chain", &object) &&
		 json_object_object_get(object, "hook"))
		netfilter->bases.all[netfilter->bases.count++] = entry_of(object, "name", position);
}

struct doctor_netfilter *doctor_netfilter_open(const struct json_object *rules)
{
	struct doctor_netfilter *netfilter = calloc(1, sizeof(*netfilter));
	const size_t count = doctor_length(rules);
	struct entries *kinds[3];

	if (!netfilter)
		return NULL;
	kinds[0] = &netfilter->bases;
	kinds[1] = &netfilter->rules;
	kinds[2] = &netfilter->sets;
	netfilter->steps_left = STEPS_MAX;
	for (size_t i = 0; i < 3; i++) {
		kinds[i]->all = calloc(count + 1, sizeof(struct entry));
		if (!kinds[i]->all) {
			doctor_netfilter_close(netfilter);
			return NULL;
		}
	}
	for (size_t i = 0; i < count; i++)
		add(netfilter, json_object_array_get_idx(rules, i), i);
	qsort(netfilter->rules.all, netfilter->rules.count, sizeof(struct entry), compare_entries);
	qsort(netfilter->sets.all, netfilter->sets.count, sizeof(struct entry), compare_entries);
	return netfilter;
}

void doctor_netfilter_close(struct doctor_netfilter *netfilter)
{
	if (!netfilter)
		return;
	free(netfilter->bases.all);
	free(netfilter->rules.all);
	free(netfilter->sets.all);
	free(netfilter);
}

size_t doctor_netfilter_base_count(const struct doctor_netfilter *netfilter)
{
	return netfilter->bases.count;
}

const struct json_object *doctor_netfilter_base(const struct doctor_netfilter *netfilter,
						size_t index)
{
	return netfilter->bases.all[index].object;
}

/* The index of the first entry of this name in the table of place. */
static size_t find_first(const struct entries *entries, const struct entry *wanted)
{
	size_t low = 0, high = entries->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_names(&entries->all[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct entry wanted_entry(const struct json_object *place, const char *name)
{
	return (struct entry){
		.family = doctor_text(place, "family"),
		.table = doctor_text(place, "table"),
		.name = name,
	};
}

size_t doctor_netfilter_rules(const struct doctor_netfilter *netfilter,
			      const struct json_object *place, const char *chain, size_t *count)
{
	const struct entry wanted = wanted_entry(place, chain);
	const size_t first = find_first(&netfilter->rules, &wanted);
	size_t end = first;

	while (end < netfilter->rules.count &&
	       compare_names(&netfilter->rules.all[end], &wanted) == 0)
		end++;
	*count = end - first;
	return first;
}

const struct json_object *doctor_netfilter_rule(const struct doctor_netfilter *netfilter,
						size_t index)
{
	return netfilter->rules.all[index].object;
}

const struct json_object *doctor_netfilter_elements(const struct doctor_netfilter *netfilter,
						    const struct json_object *place,
						    const char *name)
{
	const struct entry wanted = wanted_entry(place, name);
	const size_t at = find_first(&netfilter->sets, &wanted);

	if (at == netfilter->sets.count || compare_names(&netfilter->sets.all[at], &wanted) != 0)
		return NULL;
	return json_object_object_get(netfilter->sets.all[at].object, "elem");
}

bool doctor_netfilter_spend(struct doctor_netfilter *netfilter, size_t steps)
{
	if (steps > netfilter->steps_left) {
		netfilter->steps_left = 0;
		return false;
	}
	netfilter->steps_left -= steps;
	return true;
}
