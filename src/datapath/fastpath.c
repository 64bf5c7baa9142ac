/* SPDX-License-Identifier: MIT */
#include "datapath/fastpath.h"

#include "datapath/fastpath_clock.h"
#include "datapath/fastpath_counters.h"
#include "datapath/fastpath_maps.h"
#include "datapath/fastpath_samples.h"
#include "datapath/fastpath_shared.h"

#include "fastpath.skel.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum map_name {
	MAP_PORTS,
	MAP_CLASSES,
	MAP_RANGES4,
	MAP_RANGES6,
	MAP_PLANS,
	MAP_STEPS,
	MAP_OWN4,
	MAP_OWN6,
	MAP_SAMPLES,
	MAP_TOTALS,
	MAP_RULES,
	MAP_DESTINATIONS,
	MAP_COUNT,
};

struct fastpath {
	struct fastpath_bpf *bpf;
	struct fastpath_state *state;
	struct fastpath_map maps[MAP_COUNT];
	unsigned cpu_count;
	/* Of the ruleset in force; NULL before the first. */
	struct fastpath_samples *samples;
	struct fastpath_verdict *verdicts;
	uint64_t refused_pkts; /* by counters that have been taken in */
	bool is_left;	       /* to the next daemon: it goes on when this one closes it */
	uint64_t clock_offset_ns;
};

/* The last complaint of libbpf's, for the one line that says why there is no fast path. */
static char complaint[FASTPATH_ERROR_BYTES];

__attribute__((format(printf, 2, 0))) static int
on_libbpf_message(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level == LIBBPF_WARN && complaint[0] == '\0')
		vsnprintf(complaint, sizeof(complaint), format, arguments);
	return 0;
}

static size_t at_least(size_t wanted, size_t least)
{
	size_t room = least;

	while (room < wanted)
		room *= 2;
	return room;
}

static void size_maps(struct fastpath *fastpath, const struct config *config)
{
	const struct fastpath_bpf *bpf = fastpath->bpf;
	size_t destinations = 0, networks = 0, rules = config->rule_count;
	struct fastpath_map *maps = fastpath->maps;
	size_t counter_copies = (size_t)FASTPATH_BANKS * fastpath->cpu_count;

	for (size_t i = 0; i < config->rule_count; i++) {
		destinations += config->rules[i].destination_count;
		networks += config->rules[i].source_count;
	}
	fastpath_map_size(&maps[MAP_PORTS], bpf->maps.ports, FASTPATH_PORTS,
			  (size_t)FASTPATH_BANKS * FASTPATH_FAMILIES);
	fastpath_map_size(&maps[MAP_CLASSES], bpf->maps.classes, at_least(2 * rules, 256),
			  FASTPATH_BANKS);
	fastpath_map_size(&maps[MAP_RANGES4], bpf->maps.ranges4,
			  at_least(4 * (networks + rules), 2048), FASTPATH_BANKS);
	fastpath_map_size(&maps[MAP_RANGES6], bpf->maps.ranges6,
			  at_least(4 * (networks + rules), 2048), FASTPATH_BANKS);
	fastpath_map_size(&maps[MAP_PLANS], bpf->maps.plans, at_least(2 * (networks + rules), 1024),
			  FASTPATH_BANKS);
	fastpath_map_size(&maps[MAP_STEPS], bpf->maps.steps,
			  at_least(2 * (destinations + rules), 4096), FASTPATH_BANKS);
	fastpath_map_size(&maps[MAP_OWN4], bpf->maps.own4, 1024, FASTPATH_BANKS);
	fastpath_map_size(&maps[MAP_OWN6], bpf->maps.own6, 1024, FASTPATH_BANKS);
	/* While a publication is under way those of the former rules are still in use. */
	fastpath_map_size(&maps[MAP_SAMPLES], bpf->maps.samples,
			  at_least(2 * (destinations + rules), 1024), 1);
	fastpath_map_size(&maps[MAP_TOTALS], bpf->maps.totals, 1, counter_copies);
	fastpath_map_size(&maps[MAP_RULES], bpf->maps.rules, at_least(2 * rules, 64),
			  counter_copies);
	fastpath_map_size(&maps[MAP_DESTINATIONS], bpf->maps.destinations,
			  at_least(2 * destinations, 256), counter_copies);
}

/* Tells program and kernel how large the tables are. Returns 0 or -errno. */
static int announce_sizes(struct fastpath *fastpath)
{
	struct fastpath_bpf__rodata *known = fastpath->bpf->rodata;
	const struct fastpath_map *maps = fastpath->maps;
	int error = 0;

	known->cpu_count = fastpath->cpu_count;
	known->class_room = (uint32_t)maps[MAP_CLASSES].room;
	known->range4_room = (uint32_t)maps[MAP_RANGES4].room;
	known->range6_room = (uint32_t)maps[MAP_RANGES6].room;
	known->plan_room = (uint32_t)maps[MAP_PLANS].room;
	known->step_room = (uint32_t)maps[MAP_STEPS].room;
	known->own4_room = (uint32_t)maps[MAP_OWN4].room;
	known->own6_room = (uint32_t)maps[MAP_OWN6].room;
	known->rule_room = (uint32_t)maps[MAP_RULES].room;
	known->destination_room = (uint32_t)maps[MAP_DESTINATIONS].room;
	for (unsigned i = 0; i < MAP_COUNT && !error; i++)
		error = fastpath_map_announce(&maps[i]);
	return error;
}

/* Returns 0 or -errno, with the reason in why. */
static int load(struct fastpath *fastpath, const struct config *config, char *why)
{
	int error, cpus = libbpf_num_possible_cpus();
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	if (commands < 0 || !(commands & MEMBARRIER_CMD_GLOBAL)) {
		snprintf(why, FASTPATH_ERROR_BYTES, "the kernel has no membarrier(2)");
		return -ENOSYS;
	}
	fastpath->cpu_count = cpus > 0 ? (unsigned)cpus : 1;
	complaint[0] = '\0';
	libbpf_set_print(on_libbpf_message);
	fastpath->bpf = fastpath_bpf__open();
	error = fastpath->bpf ? 0 : -errno;
	if (!error) {
		size_maps(fastpath, config);
		error = announce_sizes(fastpath);
	}
	if (!error)
		error = fastpath_bpf__load(fastpath->bpf);
	for (unsigned i = 0; i < MAP_COUNT && !error; i++)
		error = fastpath_map_open(&fastpath->maps[i]);
	if (error) {
		complaint[strcspn(complaint, "\n")] = '\0';
		snprintf(why, FASTPATH_ERROR_BYTES, "%s%s%.200s", strerror(-error),
			 complaint[0] ? ": " : "", complaint);
	}
	return error;
}

int fastpath_open(struct fastpath **out, const struct config *config,
		  char why[static FASTPATH_ERROR_BYTES])
{
	struct fastpath *fastpath = calloc(1, sizeof(*fastpath));
	int error;

	if (!fastpath) {
		snprintf(why, FASTPATH_ERROR_BYTES, "out of memory");
		return -ENOMEM;
	}
	error = load(fastpath, config, why);
	if (error) {
		fastpath_close(fastpath);
		return error;
	}
	fastpath->clock_offset_ns = fastpath_clock_offset_ns();
	fastpath->state = &fastpath->bpf->bss->state;
	fastpath->state->mark = config->settings.mark;
	fastpath->state->served_bit = config_served_bit(&config->settings);
	fastpath->state->refuse_forwards = config->settings.when_full == WHEN_FULL_FORWARD;
	*out = fastpath;
	return 0;
}

void fastpath_close(struct fastpath *fastpath)
{
	if (!fastpath)
		return;
	if (fastpath->state && !fastpath->is_left)
		fastpath->state->beat_ns = 0;
	for (unsigned i = 0; i < MAP_COUNT; i++)
		fastpath_map_close(&fastpath->maps[i]);
	fastpath_bpf__destroy(fastpath->bpf);
	fastpath_samples_free(fastpath->samples);
	free(fastpath->verdicts);
	free(fastpath);
}

int fastpath_program_fd(const struct fastpath *fastpath)
{
	return bpf_program__fd(fastpath->bpf->progs.trafficduplicator);
}

struct fastpath_state *fastpath_state(struct fastpath *fastpath)
{
	return fastpath->state;
}

void fastpath_beat(struct fastpath *fastpath, uint64_t ahead_s)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ahead_s += (uint64_t)now.tv_sec;
	__atomic_store_n(&fastpath->state->beat_ns,
			 ahead_s * 1000000000 + (uint64_t)now.tv_nsec - fastpath->clock_offset_ns,
			 __ATOMIC_RELAXED);
}

void fastpath_leave(struct fastpath *fastpath, unsigned lasts_s)
{
	fastpath->is_left = true;
	fastpath_beat(fastpath, lasts_s);
}

void fastpath_admit_all(struct fastpath *fastpath)
{
	memset(fastpath->state->queue_is_full, 0, sizeof(fastpath->state->queue_is_full));
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

void fastpath_counter_maps(const struct fastpath *fastpath, struct fastpath_left *left)
{
	const struct fastpath_map *maps = fastpath->maps;

	left->totals_fd = bpf_map__fd(maps[MAP_TOTALS].bpf);
	left->rules_fd = bpf_map__fd(maps[MAP_RULES].bpf);
	left->destinations_fd = bpf_map__fd(maps[MAP_DESTINATIONS].bpf);
	left->copies = maps[MAP_TOTALS].copies;
	left->rule_room = maps[MAP_RULES].room;
	left->destination_room = maps[MAP_DESTINATIONS].room;
}

bool fastpath_counters_at(const struct fastpath *fastpath, size_t copy,
			  struct fastpath_counters *at)
{
	const struct fastpath_map *maps = fastpath->maps;

	if (copy >= (size_t)FASTPATH_BANKS * fastpath->cpu_count)
		return false;
	*at = (struct fastpath_counters){
		.total = fastpath_map_entry(&maps[MAP_TOTALS], copy, 0),
		.rules = fastpath_map_entry(&maps[MAP_RULES], copy, 0),
		.destinations = fastpath_map_entry(&maps[MAP_DESTINATIONS], copy, 0),
	};
	return true;
}

/* Adds what a bank of counters has to *sum, and empties it. The program must be done with it. */
static void take_in(struct fastpath *fastpath, unsigned bank, struct counters *sum)
{
	struct fastpath_counters from;

	for (unsigned cpu = 0; cpu < fastpath->cpu_count; cpu++)
		if (fastpath_counters_at(fastpath, (size_t)bank * fastpath->cpu_count + cpu, &from))
			fastpath->refused_pkts += fastpath_counters_take_in(&from, sum);
}

/* Puts other banks in force, and waits until no packet is under way by the former ones: programs
 * run within an RCU read-side section, and this waits for all of those (membarrier(2)). */
static void put_in_force(struct fastpath *fastpath, uint32_t banks)
{
	__atomic_store_n(&fastpath->state->banks, banks, __ATOMIC_SEQ_CST);
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

static unsigned counters_bank(const struct fastpath *fastpath)
{
	return (fastpath->state->banks & FASTPATH_COUNTERS_BANK) != 0;
}

void fastpath_harvest(struct fastpath *fastpath, struct counters *sum)
{
	unsigned former = counters_bank(fastpath);

	put_in_force(fastpath, fastpath->state->banks ^ FASTPATH_COUNTERS_BANK);
	take_in(fastpath, former, sum);
}

uint64_t fastpath_refused_pkts(const struct fastpath *fastpath)
{
	uint64_t refused_pkts = fastpath->refused_pkts;

	for (unsigned copy = 0; copy < FASTPATH_BANKS * fastpath->cpu_count; copy++) {
		const struct fastpath_total_counters *total =
			fastpath_map_entry(&fastpath->maps[MAP_TOTALS], copy, 0);

		refused_pkts += __atomic_load_n(&total->refused_pkts, __ATOMIC_RELAXED);
	}
	return refused_pkts;
}

const struct fastpath_verdict *fastpath_verdicts(const struct fastpath *fastpath)
{
	return fastpath->verdicts;
}

static struct fastpath_limits limits(const struct fastpath *fastpath)
{
	const struct fastpath_map *maps = fastpath->maps;

	return (struct fastpath_limits){
		.classes = maps[MAP_CLASSES].room,
		.ranges4 = maps[MAP_RANGES4].room,
		.ranges6 = maps[MAP_RANGES6].room,
		.plans = maps[MAP_PLANS].room,
		.steps = maps[MAP_STEPS].room,
		.own4 = maps[MAP_OWN4].room,
		.own6 = maps[MAP_OWN6].room,
		.samples = maps[MAP_SAMPLES].room,
	};
}

static void fill(struct fastpath *fastpath, unsigned bank, const struct fastpath_tables *tables)
{
	const struct fastpath_map *maps = fastpath->maps;

	for (unsigned family = 0; family < FASTPATH_FAMILIES; family++)
		fastpath_map_fill(&maps[MAP_PORTS], bank * FASTPATH_FAMILIES + family,
				  tables->ports[family], sizeof(tables->ports[0][0]),
				  FASTPATH_PORTS);
	fastpath_map_fill(&maps[MAP_CLASSES], bank, tables->classes, sizeof(*tables->classes),
			  tables->class_count);
	fastpath_map_fill(&maps[MAP_RANGES4], bank, tables->ranges4, sizeof(*tables->ranges4),
			  tables->range4_count);
	fastpath_map_fill(&maps[MAP_RANGES6], bank, tables->ranges6, sizeof(*tables->ranges6),
			  tables->range6_count);
	fastpath_map_fill(&maps[MAP_PLANS], bank, tables->plans, sizeof(*tables->plans),
			  tables->plan_count);
	fastpath_map_fill(&maps[MAP_STEPS], bank, tables->steps, sizeof(*tables->steps),
			  tables->step_count);
	fastpath_map_fill(&maps[MAP_OWN4], bank, tables->own4, sizeof(*tables->own4),
			  tables->own4_count);
	fastpath_map_fill(&maps[MAP_OWN6], bank, tables->own6, sizeof(*tables->own6),
			  tables->own6_count);
	fastpath->state->own[bank].own4_count = (uint32_t)tables->own4_count;
	fastpath->state->own[bank].own6_count = (uint32_t)tables->own6_count;
}

/* Counters have room for so many; beyond, the program must not count, and so not serve. */
static bool has_room(const struct fastpath *fastpath, const struct ruleset *ruleset)
{
	return ruleset->rule_count <= fastpath->maps[MAP_RULES].room &&
	       ruleset->destination_count <= fastpath->maps[MAP_DESTINATIONS].room;
}

struct fastpath_publication {
	struct fastpath_verdict *verdicts;
	struct fastpath_samples *samples;
};

void fastpath_discard(struct fastpath_publication *publication)
{
	if (!publication)
		return;
	fastpath_samples_free(publication->samples);
	free(publication->verdicts);
	free(publication);
}

static struct fastpath_tables *build(const struct fastpath *fastpath,
				     const struct generation_basis *basis,
				     struct fastpath_publication *publication)
{
	const struct fastpath_inputs inputs = {
		.ruleset = basis->ruleset,
		.netview = basis->netview,
		.is_up = basis->is_up,
		.in_loop = basis->loops.in_loop,
		.rule_samples = publication->samples->rules,
		.destination_samples = publication->samples->destinations,
		.limits = limits(fastpath),
	};
	struct fastpath_tables *tables = fastpath_tables_build(&inputs, publication->verdicts);

	if (!tables)
		return NULL;
	if (!has_room(fastpath, basis->ruleset)) {
		fastpath_verdicts_no_room(publication->verdicts, basis->ruleset->rule_count);
		fastpath_tables_serve_nothing(tables);
	}
	if (!basis->fast_path)
		fastpath_tables_serve_nothing(tables);
	return tables;
}

struct fastpath_publication *fastpath_prepare(struct fastpath *fastpath,
					      const struct generation_basis *basis,
					      const struct kinship *kinship)
{
	struct fastpath_publication *publication = calloc(1, sizeof(*publication));
	struct fastpath_tables *tables = NULL;

	if (!publication)
		return NULL;
	publication->verdicts =
		calloc(basis->ruleset->rule_count + 1, sizeof(*publication->verdicts));
	publication->samples = fastpath_samples_create(&fastpath->maps[MAP_SAMPLES], basis->ruleset,
						       kinship, fastpath->samples);
	if (publication->verdicts && publication->samples)
		tables = build(fastpath, basis, publication);
	if (!tables) {
		fastpath_discard(publication);
		return NULL;
	}
	fill(fastpath, !(fastpath->state->banks & FASTPATH_TABLES_BANK), tables);
	fastpath_tables_free(tables);
	return publication;
}

void fastpath_share_samples(const struct fastpath *fastpath,
			    const struct fastpath_publication *publication,
			    struct selection *selection)
{
	const struct fastpath_samples *samples = publication->samples;
	const struct fastpath_map *counts = &fastpath->maps[MAP_SAMPLES];

	for (uint32_t i = 0; i < samples->ruleset->rule_count; i++)
		if (samples->rules[i] != FASTPATH_NO_SAMPLE)
			selection_share_rule(selection, i,
					     fastpath_map_entry(counts, 0, samples->rules[i]));
	for (uint32_t i = 0; i < samples->ruleset->destination_count; i++)
		if (samples->destinations[i] != FASTPATH_NO_SAMPLE)
			selection_share_destination(
				selection, i,
				fastpath_map_entry(counts, 0, samples->destinations[i]));
}

void fastpath_publish(struct fastpath *fastpath, struct fastpath_publication *publication,
		      struct counters *former)
{
	unsigned former_counters = counters_bank(fastpath);

	put_in_force(fastpath,
		     fastpath->state->banks ^ (FASTPATH_TABLES_BANK | FASTPATH_COUNTERS_BANK));
	if (former)
		take_in(fastpath, former_counters, former);
	fastpath_samples_free(fastpath->samples);
	free(fastpath->verdicts);
	fastpath->samples = publication->samples;
	fastpath->verdicts = publication->verdicts;
	free(publication);
}
