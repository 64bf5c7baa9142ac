/* SPDX-License-Identifier: MIT */
#include "datapath/fastpath_counters.h"

#include <string.h>

static void take_in_total(const struct fastpath_total_counters *from, struct counters_total *into)
{
	uint64_t matched_pkts = from->originals_forwarded_pkts + from->originals_dropped_pkts;

	counter_add(&into->received_pkts, matched_pkts);
	counter_add(&into->matched_by_any_pkts, matched_pkts);
	counter_add(&into->originals_forwarded_pkts, from->originals_forwarded_pkts);
	counter_add(&into->originals_dropped_pkts, from->originals_dropped_pkts);
}

static void take_in_rule(const struct fastpath_rule_counters *from, struct counters_rule *into)
{
	counter_add(&into->matched_pkts, from->matched_pkts);
	counter_add(&into->matched_bytes, from->matched_bytes);
	counter_add(&into->sampled_out_pkts, from->sampled_out_pkts);
	counter_add(&into->duplicated_pkts, from->matched_pkts - from->sampled_out_pkts);
}

static void take_in_destination(const struct fastpath_destination_counters *from,
				struct counters_destination *into)
{
	counter_add(&into->due_pkts, from->due_pkts);
	counter_add(&into->sampled_out_pkts, from->sampled_out_pkts);
	counter_add(&into->sent_pkts, from->sent_pkts);
	counter_add(&into->sent_bytes, from->sent_bytes);
	counter_add(&into->dropped_pkts[REASON_DOWN], from->down_pkts);
	counter_add(&into->dropped_pkts[REASON_NO_BUFFER], from->no_buffer_pkts);
	counter_add(&into->dropped_pkts[REASON_UNREACHABLE], from->unreachable_pkts);
	counter_add(&into->dropped_pkts[REASON_OTHER], from->other_pkts);
}

uint64_t fastpath_counters_take_in(const struct fastpath_counters *from, struct counters *sum)
{
	struct fastpath_total_counters *total = from->total;
	uint64_t refused_pkts = total->refused_pkts;

	/* All packets that were served come to one or the other of these two. */
	if (total->originals_forwarded_pkts + total->originals_dropped_pkts > 0) {
		for (size_t i = 0; i < sum->rule_count; i++)
			take_in_rule(&from->rules[i], &sum->rules[i]);
		for (size_t i = 0; i < sum->destination_count; i++)
			take_in_destination(&from->destinations[i], &sum->destinations[i]);
		memset(from->rules, 0, sum->rule_count * sizeof(*from->rules));
		memset(from->destinations, 0, sum->destination_count * sizeof(*from->destinations));
	}
	take_in_total(total, &sum->total);
	*total = (struct fastpath_total_counters){0};
	return refused_pkts;
}
