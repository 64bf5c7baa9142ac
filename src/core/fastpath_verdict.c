/* SPDX-License-Identifier: MIT */
#include "core/fastpath_verdict.h"

#include "core/fastpath_abi.h"

#include <stdio.h>

/* Long enough for all but the sentence that has another one inside. */
#define CAUSE_SIZE (FASTPATH_VERDICT_SIZE / 2)

static void write_same_place(const struct ruleset *ruleset, const struct fastpath_verdict *verdict,
			     char text[static CAUSE_SIZE])
{
	const struct ruleset_destination *destination =
		&ruleset->destinations[verdict->destination];
	const char *name = destination->config->name;

	if (destination->rule == verdict->rule)
		snprintf(text, CAUSE_SIZE,
			 "destination \"%s\" is the same place as another of this rule, and SAMPLE "
			 "or BALANCE decides packet by packet which of the two gets a copy",
			 name);
	else
		snprintf(text, CAUSE_SIZE,
			 "destination \"%s\" is also one of rule \"%s\", and SAMPLE or BALANCE "
			 "decides packet by packet which of the two rules sends there",
			 name, ruleset->rules[verdict->rule].config->name);
}

/* Why a rule is queued, where no other rule's being queued is the cause. */
static void write_cause(const struct ruleset *ruleset, const struct fastpath_verdict *verdict,
			char text[static CAUSE_SIZE])
{
	static const char *const formats[] = {
		[FASTPATH_LISTENADDRESS] = "LISTENADDRESS is not done in the kernel",
		[FASTPATH_INTERFACE] = "INTERFACE is not done in the kernel",
		[FASTPATH_RATELIMIT] = "RATELIMIT is not done in the kernel",
		[FASTPATH_ROUND_ROBIN] = "BALANCE round-robin is not done in the kernel",
		[FASTPATH_TABLES_FULL] = "too many rules for its tables",
	};
	const char *name = ruleset->destinations[verdict->destination].config->name;

	switch (verdict->reason) {
	case FASTPATH_SOURCE:
		snprintf(text, CAUSE_SIZE, "SOURCE of destination \"%s\" is not done in the kernel",
			 name);
		break;
	case FASTPATH_NO_ROUTE:
		snprintf(text, CAUSE_SIZE, "no route to destination \"%s\"", name);
		break;
	case FASTPATH_NO_CARRIER:
		snprintf(text, CAUSE_SIZE, "the link on the way to destination \"%s\" is down",
			 name);
		break;
	case FASTPATH_NO_NEIGHBOUR:
		snprintf(text, CAUSE_SIZE, "the neighbour of destination \"%s\" is not known",
			 name);
		break;
	case FASTPATH_NO_ETHERNET:
		snprintf(text, CAUSE_SIZE, "the way to destination \"%s\" is not Ethernet", name);
		break;
	case FASTPATH_SAME_PLACE:
		write_same_place(ruleset, verdict, text);
		break;
	case FASTPATH_LOOP:
		snprintf(text, CAUSE_SIZE, "copies to destination \"%s\" come back: a loop", name);
		break;
	case FASTPATH_TOO_MANY_COPIES:
		snprintf(text, CAUSE_SIZE,
			 "its packets match too many rules, or lead to more than %d copies",
			 FASTPATH_COPIES_MAX);
		break;
	default:
		snprintf(text, CAUSE_SIZE, "%s", formats[verdict->reason]);
	}
}

const char *fastpath_verdict_format(const struct ruleset *ruleset,
				    const struct fastpath_verdict *verdicts, uint32_t rule,
				    char text[static FASTPATH_VERDICT_SIZE])
{
	const struct fastpath_verdict *verdict = &verdicts[rule];
	char cause[CAUSE_SIZE];

	switch (verdict->reason) {
	case FASTPATH_IN_KERNEL:
		snprintf(text, FASTPATH_VERDICT_SIZE, "in the kernel");
		break;
	case FASTPATH_DISABLED:
		snprintf(text, FASTPATH_VERDICT_SIZE, "disabled");
		break;
	case FASTPATH_SAME_PACKETS:
		/* That one's verdict is never this one: it is what keeps both in the queue. */
		write_cause(ruleset, &verdicts[verdict->rule], cause);
		snprintf(text, FASTPATH_VERDICT_SIZE,
			 "queued: shares clients and ports with rule \"%s\" (%s)",
			 ruleset->rules[verdict->rule].config->name, cause);
		break;
	default:
		write_cause(ruleset, verdict, cause);
		snprintf(text, FASTPATH_VERDICT_SIZE, "queued: %s", cause);
	}
	return text;
}

void fastpath_verdicts_no_room(struct fastpath_verdict *verdicts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (verdicts[i].reason != FASTPATH_DISABLED)
			verdicts[i] = (struct fastpath_verdict){.reason = FASTPATH_TABLES_FULL};
}
