/* SPDX-License-Identifier: MIT */
#include "core/ruleset_tables.h"

#include "core/hash_index.h"
#include "core/ip_range.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TABLE_IPV4, TABLE_IPV6, TABLE_COUNT };

/*
 * Addresses of one family cut into intervals such that all addresses of an interval satisfy the
 * same rules. The first begins at the lowest address, so a search always ends in one.
 */
struct interval_table {
	struct ip_address *starts; /* sorted */
	uint64_t *sets;		   /* count times set_words */
	size_t count;
};

struct ruleset_tables {
	size_t set_words;
	size_t interface_count;
	/* By family and port in host byte order: 0: no rule, else index + 1 into port_sets. */
	uint32_t port_class[TABLE_COUNT][UINT16_MAX + 1];
	uint64_t *port_sets;
	size_t port_set_count;
	struct interval_table sources[TABLE_COUNT];
	struct interval_table listens[TABLE_COUNT];
	/* By index of interface, and one more at the end for any other. */
	uint64_t *interface_sets;
};

static size_t table_index(uint8_t family)
{
	return family == AF_INET ? TABLE_IPV4 : TABLE_IPV6;
}

static uint8_t table_family(size_t table)
{
	return table == TABLE_IPV4 ? AF_INET : AF_INET6;
}

static void set_bit(uint64_t *set, size_t rule)
{
	set[rule / 64] |= UINT64_C(1) << rule % 64;
}

/* A name that is not resolved may turn out to be of any family that its SOURCE allows. */
static bool sends_to_family(const struct config_rule *rule, uint8_t family)
{
	for (size_t i = 0; i < rule->destination_count; i++)
		if (rule->destinations[i].address.family == family ||
		    (rule->destinations[i].address.family == AF_UNSPEC &&
		     config_destination_takes(&rule->destinations[i], family)))
			return true;
	return false;
}

/* At this port a rule begins to listen, or has ceased to. */
struct turn {
	uint32_t port; /* 1 to UINT16_MAX + 1 */
	uint32_t rule;
};

/* What fill_ports has at hand. Sets are of set_words words. */
struct port_filler {
	struct ruleset_tables *tables;
	const struct ruleset *ruleset;
	struct turn *turns; /* by port */
	size_t turn_count;
	uint64_t *families;	   /* per family: the rules that are on and send to it */
	uint64_t *listening, *set; /* to work with */
	struct hash_index classes; /* indices into tables->port_sets */
};

static int by_port(const void *a, const void *b)
{
	const struct turn *left = a, *right = b;

	return (left->port > right->port) - (left->port < right->port);
}

/* A rule's ranges are apart from each other, so that at each turn it is the other way round. */
static bool find_turns(struct port_filler *filler)
{
	const struct ruleset *ruleset = filler->ruleset;
	size_t ranges = 0;

	for (size_t r = 0; r < ruleset->rule_count; r++)
		ranges += ruleset->rules[r].config->port_count;
	filler->turns = calloc(2 * ranges + 1, sizeof(*filler->turns));
	if (!filler->turns)
		return false;
	for (uint32_t r = 0; r < ruleset->rule_count; r++) {
		const struct config_rule *rule = ruleset->rules[r].config;

		for (size_t i = 0; i < rule->port_count; i++) {
			filler->turns[filler->turn_count++] =
				(struct turn){rule->ports[i].first, r};
			filler->turns[filler->turn_count++] =
				(struct turn){rule->ports[i].last + 1u, r};
		}
	}
	qsort(filler->turns, filler->turn_count, sizeof(*filler->turns), by_port);
	return true;
}

static bool is_port_set(const void *context, uint32_t entry)
{
	const struct port_filler *filler = context;
	size_t words = filler->ruleset->set_words;

	return memcmp(filler->tables->port_sets + entry * words, filler->set,
		      words * sizeof(uint64_t)) == 0;
}

/* The class of the rules of a family that listen to the port; -1 when memory runs out. */
static int port_class(struct port_filler *filler, size_t t)
{
	struct ruleset_tables *tables = filler->tables;
	size_t words = filler->ruleset->set_words, bytes = words * sizeof(uint64_t);
	uint64_t any = 0, *sets;
	uint32_t *slot;

	for (size_t w = 0; w < words; w++)
		any |= filler->set[w] = filler->listening[w] & filler->families[t * words + w];
	if (any == 0)
		return 0;
	slot = hash_index_find(&filler->classes, hash_bytes(filler->set, bytes), is_port_set,
			       filler);
	if (*slot == HASH_INDEX_NONE) {
		sets = reallocarray(tables->port_sets, tables->port_set_count + 1, bytes);
		if (!sets)
			return -1;
		tables->port_sets = sets;
		memcpy(sets + tables->port_set_count * words, filler->set, bytes);
		*slot = (uint32_t)tables->port_set_count++;
	}
	return (int)*slot + 1;
}

static bool fill_port_classes(struct port_filler *filler)
{
	size_t turn = 0;

	for (uint32_t port = 1; port <= UINT16_MAX; port++) {
		bool same = true;

		for (; turn < filler->turn_count && filler->turns[turn].port == port; turn++) {
			uint32_t rule = filler->turns[turn].rule;

			filler->listening[rule / 64] ^= UINT64_C(1) << rule % 64;
			same = false;
		}
		for (size_t t = 0; t < TABLE_COUNT; t++) {
			uint32_t *classes = filler->tables->port_class[t];
			int class = same ? (int)classes[port - 1] : port_class(filler, t);

			if (class < 0)
				return false;
			classes[port] = (uint32_t) class;
		}
	}
	return true;
}

static bool fill_ports(struct ruleset_tables *tables, const struct ruleset *ruleset)
{
	size_t words = ruleset->set_words;
	struct port_filler filler = {
		.tables = tables,
		.ruleset = ruleset,
		.families = calloc(TABLE_COUNT * words, sizeof(uint64_t)),
		.listening = calloc(words, sizeof(uint64_t)),
		.set = calloc(words, sizeof(uint64_t)),
	};
	bool done = hash_index_init(&filler.classes, TABLE_COUNT * UINT16_MAX);

	done = find_turns(&filler) && done && filler.families && filler.listening && filler.set;
	for (size_t r = 0; done && r < ruleset->rule_count; r++)
		for (size_t t = 0; t < TABLE_COUNT; t++)
			if (ruleset->rules[r].config->enabled &&
			    sends_to_family(ruleset->rules[r].config, table_family(t)))
				set_bit(filler.families + t * words, r);
	done = done && fill_port_classes(&filler);
	hash_index_free(&filler.classes);
	free(filler.turns);
	free(filler.families);
	free(filler.listening);
	free(filler.set);
	return done;
}

/* One key of a rule that is a list of networks. */
typedef const struct config_prefix *prefixes_of(const struct config_rule *rule, size_t *count);

static const struct config_prefix *sources_of(const struct config_rule *rule, size_t *count)
{
	*count = rule->source_count;
	return rule->sources;
}

static const struct config_prefix *listens_of(const struct config_rule *rule, size_t *count)
{
	*count = rule->listen_count;
	return rule->listens;
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ip_address));
}

/* Sorts, and leaves each address once. Returns how many there are then. */
static size_t sort_out(struct ip_address *addresses, size_t count)
{
	size_t kept = 0;

	qsort(addresses, count, sizeof(*addresses), compare_addresses);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || !ip_equal(&addresses[i], &addresses[kept - 1]))
			addresses[kept++] = addresses[i];
	return kept;
}

/* All addresses at which a network of a rule of the set begins or has ended, and the lowest. */
static struct ip_address *find_starts(const struct ruleset *ruleset, const uint64_t *set,
				      uint8_t family, prefixes_of *of, size_t *start_count)
{
	size_t most = 1, count, used = 0, r, end = ruleset->rule_count;
	struct ip_address *starts;

	for (r = ruleset_next(ruleset, set, 0); r < end; r = ruleset_next(ruleset, set, r + 1)) {
		of(ruleset->rules[r].config, &count);
		most += 2 * count;
	}
	starts = calloc(most, sizeof(*starts));
	if (!starts)
		return NULL;
	starts[used++].family = family;
	for (r = ruleset_next(ruleset, set, 0); r < end; r = ruleset_next(ruleset, set, r + 1)) {
		const struct config_prefix *prefixes = of(ruleset->rules[r].config, &count);

		for (size_t i = 0; i < count; i++) {
			struct ip_range range = ip_range_of_prefix(&prefixes[i].prefix);

			if (range.first.family != family)
				continue;
			starts[used++] = range.first;
			if (ip_after(&range.last, &starts[used]))
				used++;
		}
	}
	*start_count = sort_out(starts, used);
	return starts;
}

struct ip_address *ruleset_tables_client_starts(const struct ruleset *ruleset, const uint64_t *set,
						uint8_t family, size_t *count)
{
	return find_starts(ruleset, set, family, sources_of, count);
}

/* The index of the last interval that begins at or before address. */
static size_t interval_at(const struct interval_table *table, const struct ip_address *address)
{
	size_t low = 0, high = table->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (compare_addresses(&table->starts[middle], address) <= 0)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/*
 * How the networks of one rule cover the intervals: each adds one where it begins and takes one
 * away after its end, so that sums from the left say how many cover an interval.
 */
struct coverage {
	int32_t *included, *excluded;
	bool includes; /* some network, of whatever family, is not excluded */
};

static void cover(struct coverage *coverage, const struct interval_table *table, uint8_t family,
		  const struct config_prefix *prefix)
{
	struct ip_range range = ip_range_of_prefix(&prefix->prefix);
	int32_t *changes = prefix->excluded ? coverage->excluded : coverage->included;

	coverage->includes |= !prefix->excluded;
	if (range.first.family != family)
		return;
	changes[interval_at(table, &range.first)]++;
	changes[interval_at(table, &range.last) + 1]--;
}

/* Which intervals a rule admits: what some network includes, or all where none does; and what none
 * excludes. */
static void admit(struct interval_table *table, size_t set_words, size_t rule,
		  const struct coverage *coverage)
{
	int32_t included = 0, excluded = 0;

	for (size_t i = 0; i < table->count; i++) {
		included += coverage->included[i];
		excluded += coverage->excluded[i];
		if (excluded == 0 && (included > 0 || !coverage->includes))
			set_bit(table->sets + i * set_words, rule);
	}
}

static bool fill_intervals(struct interval_table *table, const struct ruleset *ruleset,
			   uint8_t family, prefixes_of *of)
{
	struct coverage coverage;
	size_t bytes, count;
	bool done;

	table->starts = find_starts(ruleset, NULL, family, of, &table->count);
	if (!table->starts)
		return false;
	bytes = (table->count + 1) * sizeof(int32_t);
	coverage.included = malloc(bytes);
	coverage.excluded = malloc(bytes);
	table->sets = calloc(table->count, ruleset->set_words * sizeof(*table->sets));
	done = coverage.included && coverage.excluded && table->sets;
	for (size_t r = 0; done && r < ruleset->rule_count; r++) {
		const struct config_prefix *prefixes = of(ruleset->rules[r].config, &count);

		memset(coverage.included, 0, bytes);
		memset(coverage.excluded, 0, bytes);
		coverage.includes = false;
		for (size_t i = 0; i < count; i++)
			cover(&coverage, table, family, &prefixes[i]);
		admit(table, ruleset->set_words, r, &coverage);
	}
	free(coverage.included);
	free(coverage.excluded);
	return done;
}

static bool fill_interfaces(struct ruleset_tables *tables, const struct ruleset *ruleset)
{
	tables->interface_count = ruleset->interface_count;
	tables->interface_sets = calloc(ruleset->interface_count + 1,
					ruleset->set_words * sizeof(*tables->interface_sets));
	if (!tables->interface_sets)
		return false;
	for (size_t r = 0; r < ruleset->rule_count; r++) {
		const struct config_rule *rule = ruleset->rules[r].config;

		for (size_t i = 0; i <= ruleset->interface_count; i++) {
			bool named = rule->interface_count == 0;

			for (size_t n = 0;
			     i < ruleset->interface_count && n < rule->interface_count; n++)
				named |= strcmp(rule->interfaces[n], ruleset->interfaces[i]) == 0;
			if (named)
				set_bit(tables->interface_sets + i * ruleset->set_words, r);
		}
	}
	return true;
}

struct ruleset_tables *ruleset_tables_create(const struct ruleset *ruleset)
{
	struct ruleset_tables *tables = calloc(1, sizeof(*tables));
	bool filled;

	if (!tables)
		return NULL;
	tables->set_words = ruleset->set_words;
	filled = fill_ports(tables, ruleset) && fill_interfaces(tables, ruleset);
	for (size_t t = 0; t < TABLE_COUNT && filled; t++)
		filled =
			fill_intervals(&tables->sources[t], ruleset, table_family(t), sources_of) &&
			fill_intervals(&tables->listens[t], ruleset, table_family(t), listens_of);
	if (filled)
		return tables;
	ruleset_tables_free(tables);
	return NULL;
}

void ruleset_tables_free(struct ruleset_tables *tables)
{
	if (!tables)
		return;
	for (size_t t = 0; t < TABLE_COUNT; t++) {
		free(tables->sources[t].starts);
		free(tables->sources[t].sets);
		free(tables->listens[t].starts);
		free(tables->listens[t].sets);
	}
	free(tables->port_sets);
	free(tables->interface_sets);
	free(tables);
}

uint32_t ruleset_tables_class(const struct ruleset_tables *tables, uint8_t family, unsigned port)
{
	return tables->port_class[table_index(family)][port];
}

size_t ruleset_tables_class_count(const struct ruleset_tables *tables)
{
	return tables->port_set_count;
}

const uint64_t *ruleset_tables_class_set(const struct ruleset_tables *tables, uint32_t class)
{
	return tables->port_sets + (class - 1u) * tables->set_words;
}

static const uint64_t *find_interval(const struct interval_table *table,
				     const struct ip_address *address, size_t set_words)
{
	return table->sets + interval_at(table, address) * set_words;
}

static const uint64_t *interface_set(const struct ruleset_tables *tables, uint32_t interface)
{
	if (interface == RULESET_NO_INTERFACE)
		interface = (uint32_t)tables->interface_count;
	return tables->interface_sets + interface * tables->set_words;
}

bool ruleset_tables_find(const struct ruleset_tables *tables, const struct ruleset_key *key,
			 struct ruleset_sets *sets)
{
	size_t t = table_index(key->source->family);
	uint32_t class = tables->port_class[t][ntohs(key->destination_port_be)];

	if (class == 0)
		return false;
	sets->port = ruleset_tables_class_set(tables, class);
	sets->source = find_interval(&tables->sources[t], key->source, tables->set_words);
	sets->listen = find_interval(&tables->listens[t], key->destination, tables->set_words);
	sets->interface = interface_set(tables, key->interface);
	sets->bridge_port = interface_set(tables, key->bridge_port);
	return true;
}
