/* SPDX-License-Identifier: MIT */
#include "core/rules_sets.h"

#include "core/config_clients.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * Networks in all elements of a kind, over all sides: what the kernel's time to load and flush a
 * set grows with, by its square (two seconds for as many as these, on one slow core).
 */
#define NETWORKS_MAX 16384

/* Up to so many boxes are one set: sorting them out would not pay. */
#define ONE_SET_MAX 32

/* What one rule selects. */
struct selector {
	struct ip_ranges sides[BOX_SIDES];
	bool has_interface;
};

struct selectors {
	struct selector *all;
	size_t count;
	uint8_t family;
};

bool rules_sets_has(enum rules_kind kind, enum rules_side side)
{
	return side != RULES_INTERFACE || kind == RULES_INTERFACE_FLOWS;
}

static int by_name(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

/* All names of interfaces, sorted, each once. */
static bool fill_names(struct rules_sets *sets, const struct config *config)
{
	size_t count = 0, kept = 0;

	for (size_t r = 0; r < config->rule_count; r++)
		count += config->rules[r].interface_count;
	sets->interfaces = calloc(count + 1, sizeof(*sets->interfaces));
	if (!sets->interfaces)
		return false;
	count = 0;
	for (size_t r = 0; r < config->rule_count; r++)
		for (size_t i = 0; i < config->rules[r].interface_count; i++)
			sets->interfaces[count++] = config->rules[r].interfaces[i];
	qsort(sets->interfaces, count, sizeof(*sets->interfaces), by_name);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || strcmp(sets->interfaces[kept - 1], sets->interfaces[i]) != 0)
			sets->interfaces[kept++] = sets->interfaces[i];
	sets->interface_count = kept;
	return true;
}

static bool add_numbers(struct ip_ranges *ranges, uint32_t first, uint32_t last)
{
	return ip_ranges_add(ranges, (struct ip_range){ip_number(first), ip_number(last)});
}

static bool select_interfaces(struct selector *selector, const struct rules_sets *sets,
			      const struct config_rule *rule)
{
	struct ip_ranges *ranges = &selector->sides[RULES_INTERFACE];

	selector->has_interface = rule->interface_count > 0;
	for (size_t i = 0; i < rule->interface_count; i++) {
		const char *const *name =
			bsearch(&rule->interfaces[i], sets->interfaces, sets->interface_count,
				sizeof(*sets->interfaces), by_name);
		uint32_t number = (uint32_t)(2 * (name - sets->interfaces));

		if (!add_numbers(ranges, number, number))
			return false;
	}
	ip_ranges_merge(ranges);
	return rule->interface_count > 0 || add_numbers(ranges, 0, 0);
}

static bool select_ports(struct selector *selector, const struct config_rule *rule)
{
	struct ip_ranges *ranges = &selector->sides[RULES_PORT];

	for (size_t i = 0; i < rule->port_count; i++)
		if (!add_numbers(ranges, rule->ports[i].first, rule->ports[i].last))
			return false;
	ip_ranges_merge(ranges);
	return true;
}

static bool fill_selectors(struct selectors *selectors, const struct rules_sets *sets,
			   const struct config *config)
{
	selectors->all = calloc(config->rule_count + 1, sizeof(*selectors->all));
	if (!selectors->all)
		return false;
	for (size_t r = 0; r < config->rule_count; r++) {
		const struct config_rule *rule = &config->rules[r];
		struct selector *selector = &selectors->all[selectors->count];
		uint8_t family = selectors->family;

		if (!config_rule_takes(rule, family))
			continue;
		selectors->count++;
		if (!select_interfaces(selector, sets, rule) || !select_ports(selector, rule) ||
		    !config_networks(&selector->sides[RULES_LISTEN], rule->listens,
				     rule->listen_count, family) ||
		    !config_networks(&selector->sides[RULES_CLIENT], rule->sources,
				     rule->source_count, family))
			return false;
	}
	return true;
}

static void free_selectors(struct selectors *selectors)
{
	for (size_t i = 0; i < selectors->count; i++)
		for (size_t s = 0; s < BOX_SIDES; s++)
			ip_ranges_free(&selectors->all[i].sides[s]);
	free(selectors->all);
}

static bool is_any(const struct ip_ranges *ranges, uint8_t family)
{
	struct ip_range any = ip_range_any(family);

	return ranges->count == 1 && ip_range_equal(&ranges->all[0], &any);
}

static bool is_nothing(const struct selector *selector)
{
	for (size_t s = 0; s < BOX_SIDES; s++)
		if (selector->sides[s].count == 0)
			return true;
	return false;
}

/* Adds the ports of all selectors of a kind, or only of those that ask for nothing else. */
static bool add_ports(struct ip_ranges *to, const struct selectors *selectors, bool has_interface,
		      bool all)
{
	for (size_t i = 0; i < selectors->count; i++) {
		const struct selector *selector = &selectors->all[i];
		const struct ip_ranges *ports = &selector->sides[RULES_PORT];

		if (selector->has_interface != has_interface || is_nothing(selector))
			continue;
		if (!all && !(is_any(&selector->sides[RULES_LISTEN], selectors->family) &&
			      is_any(&selector->sides[RULES_CLIENT], selectors->family)))
			continue;
		for (size_t p = 0; p < ports->count; p++)
			if (!ip_ranges_add(to, ports->all[p]))
				return false;
	}
	ip_ranges_merge(to);
	return true;
}

/* A port that is taken anyway needs no flows. */
static bool leave_out_ports(struct selectors *selectors, const struct ip_ranges *ports)
{
	for (size_t i = 0; i < selectors->count; i++)
		if (!ip_ranges_subtract(&selectors->all[i].sides[RULES_PORT], ports))
			return false;
	return true;
}

static bool leave_out_listens(struct selectors *selectors, bool has_interface)
{
	for (size_t i = 0; i < selectors->count; i++) {
		struct ip_ranges *listens = &selectors->all[i].sides[RULES_LISTEN];

		if (selectors->all[i].has_interface != has_interface || listens->count == 0)
			continue;
		listens->count = 0;
		if (!ip_ranges_add(listens, ip_range_any(selectors->family)))
			return false;
	}
	return true;
}

static bool too_many_networks(const struct boxes *boxes, enum rules_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < boxes->count; i++)
		for (enum rules_side s = 0; s < BOX_SIDES; s++) {
			if (rules_sets_has(kind, s))
				count += ip_range_networks(&boxes->all[i].sides[s], NETWORKS_MAX);
			if (count > NETWORKS_MAX)
				return true;
		}
	return false;
}

/* The flows of a kind, as boxes. */
static enum boxes_result cut_kind(struct boxes *boxes, const struct selectors *selectors,
				  enum rules_kind kind)
{
	struct ip_range zero = {ip_number(0), ip_number(0)};
	const struct ip_ranges no_interface = {&zero, 1};
	struct box_product *products = calloc(selectors->count + 1, sizeof(*products));
	enum boxes_result result;
	size_t count = 0;

	if (!products)
		return BOXES_NO_MEMORY;
	for (size_t i = 0; i < selectors->count; i++) {
		struct selector *selector = &selectors->all[i];

		if (selector->has_interface != (kind != RULES_FLOWS) || is_nothing(selector))
			continue;
		for (size_t s = 0; s < BOX_SIDES; s++)
			products[count].sides[s] = &selector->sides[s];
		if (kind != RULES_INTERFACE_FLOWS)
			products[count].sides[RULES_INTERFACE] = &no_interface;
		count++;
	}
	result = boxes_cut(boxes, products, count, NETWORKS_MAX);
	free(products);
	if (result == BOXES_DONE && too_many_networks(boxes, kind))
		result = BOXES_TOO_MANY;
	return result;
}

static int by_address(const void *a, const void *b)
{
	return ip_compare(a, b);
}

/* How many of some sorted addresses are less than one, or, with equal, not more than it. */
static size_t count_less(const struct ip_address *sorted, size_t count,
			 const struct ip_address *address, bool equal)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = ip_compare(&sorted[middle], address);

		if (order < 0 || (equal && order == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* For each box, the number of boxes that it shares values of a side with, itself included. */
static bool count_shared(size_t *shared, const struct boxes *boxes, size_t side)
{
	struct ip_address *firsts = calloc(boxes->count, sizeof(*firsts));
	struct ip_address *lasts = calloc(boxes->count, sizeof(*lasts));
	bool done = firsts && lasts;

	for (size_t i = 0; done && i < boxes->count; i++) {
		firsts[i] = boxes->all[i].sides[side].first;
		lasts[i] = boxes->all[i].sides[side].last;
	}
	if (done) {
		qsort(firsts, boxes->count, sizeof(*firsts), by_address);
		qsort(lasts, boxes->count, sizeof(*lasts), by_address);
	}
	for (size_t i = 0; done && i < boxes->count; i++) {
		const struct ip_range *range = &boxes->all[i].sides[side];

		shared[i] = count_less(firsts, boxes->count, &range->last, true) -
			    count_less(lasts, boxes->count, &range->first, false);
	}
	free(firsts);
	free(lasts);
	return done;
}

/* Puts each box into the set by the side in which it shares with the fewest. */
static bool sort_out(struct boxes sets[static BOX_SIDES], const struct boxes *boxes,
		     enum rules_kind kind)
{
	size_t *shared = calloc(BOX_SIDES * boxes->count + 1, sizeof(*shared));
	bool done = shared != NULL;

	for (enum rules_side s = 0; s < BOX_SIDES && done && boxes->count > ONE_SET_MAX; s++)
		done = count_shared(shared + s * boxes->count, boxes, s);
	for (size_t i = 0; done && i < boxes->count; i++) {
		enum rules_side best = RULES_CLIENT;

		for (enum rules_side s = 0; s < RULES_CLIENT; s++)
			if (rules_sets_has(kind, s) &&
			    shared[s * boxes->count + i] < shared[best * boxes->count + i])
				best = s;
		done = boxes_add(&sets[best], &boxes->all[i]);
	}
	free(shared);
	return done;
}

static enum boxes_result cut_kinds(struct boxes boxes[static RULES_KIND_COUNT],
				   const struct selectors *selectors, enum rules_kind first,
				   enum rules_kind last)
{
	enum boxes_result result = BOXES_DONE;

	for (enum rules_kind k = first; k <= last && result == BOXES_DONE; k++) {
		boxes_free(&boxes[k]);
		result = cut_kind(&boxes[k], selectors, k);
	}
	return result;
}

/* Fills the kinds from first to last, which are of the same selectors, in as much detail as fits.
 */
static bool fill_kinds(struct rules_sets *sets, struct selectors *selectors, enum rules_kind first,
		       enum rules_kind last)
{
	struct boxes boxes[RULES_KIND_COUNT] = {0};
	enum boxes_result result = BOXES_NO_MEMORY;
	enum rules_detail detail = RULES_EXACT;
	bool has_interface = first != RULES_FLOWS, done;

	if (leave_out_ports(selectors, &sets->ports))
		result = cut_kinds(boxes, selectors, first, last);
	if (result == BOXES_TOO_MANY) {
		detail = RULES_NO_LISTEN;
		result = leave_out_listens(selectors, has_interface)
				 ? cut_kinds(boxes, selectors, first, last)
				 : BOXES_NO_MEMORY;
	}
	done = result == BOXES_DONE;
	if (result == BOXES_TOO_MANY) {
		detail = RULES_PORTS_ONLY;
		done = add_ports(&sets->ports, selectors, has_interface, true);
	}
	for (enum rules_kind k = first; k <= last; k++) {
		sets->detail[k] = detail;
		if (done && result == BOXES_DONE)
			done = sort_out(sets->flows[k], &boxes[k], k);
		boxes_free(&boxes[k]);
	}
	return done;
}

bool rules_sets_fill(struct rules_sets *sets, const struct config *config, uint8_t family)
{
	struct selectors selectors = {.family = family};
	bool done;

	*sets = (struct rules_sets){0};
	done = fill_names(sets, config) && fill_selectors(&selectors, sets, config) &&
	       add_ports(&sets->all_ports, &selectors, false, true) &&
	       add_ports(&sets->all_ports, &selectors, true, true) &&
	       add_ports(&sets->ports, &selectors, false, false) &&
	       fill_kinds(sets, &selectors, RULES_FLOWS, RULES_FLOWS) &&
	       fill_kinds(sets, &selectors, RULES_INTERFACE_FLOWS, RULES_BRIDGE_FLOWS);
	free_selectors(&selectors);
	return done;
}

void rules_sets_free(struct rules_sets *sets)
{
	ip_ranges_free(&sets->all_ports);
	ip_ranges_free(&sets->ports);
	for (size_t k = 0; k < RULES_KIND_COUNT; k++)
		for (size_t s = 0; s < BOX_SIDES; s++)
			boxes_free(&sets->flows[k][s]);
	free(sets->interfaces);
	*sets = (struct rules_sets){0};
}
