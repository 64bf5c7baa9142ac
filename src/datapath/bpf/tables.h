/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The kernel program's maps, and the words that steer it. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_BPF_TABLES_H
#define TRAFFICDUPLICATOR_DATAPATH_BPF_TABLES_H

#include "datapath/fastpath_shared.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* Sizes of the tables, one bank each; set before the program is loaded. */
const volatile __u32 cpu_count, class_room, range4_room, range6_room, plan_room, step_room;
const volatile __u32 own4_room, own6_room, rule_room, destination_room;

struct fastpath_state state;

#define TABLE(name, kind)                                                                          \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(map_flags, BPF_F_MMAPABLE);                                                 \
		__uint(max_entries, 1);                                                            \
		__type(key, __u32);                                                                \
		__type(value, kind);                                                               \
	} name SEC(".maps")

TABLE(ports, __u32);
TABLE(classes, struct fastpath_run);
TABLE(ranges4, struct fastpath_range4);
TABLE(ranges6, struct fastpath_range6);
TABLE(plans, struct fastpath_plan);
TABLE(steps, struct fastpath_step);
TABLE(own4, __u32);
TABLE(own6, struct fastpath_own6);
TABLE(samples, __u64);
TABLE(totals, struct fastpath_total_counters);
TABLE(rules, struct fastpath_rule_counters);
TABLE(destinations, struct fastpath_destination_counters);

static __always_inline void *entry(void *map, __u32 index)
{
	return bpf_map_lookup_elem(map, &index);
}

#endif
