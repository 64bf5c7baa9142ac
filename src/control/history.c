/* SPDX-License-Identifier: MIT */
#include "control/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum series { SERIES_AT, SERIES_RECEIVED, SERIES_SENT, SERIES_DROPPED, SERIES_COUNT };

static const char *const series_names[SERIES_COUNT] = {
	[SERIES_AT] = "at_ms",
	[SERIES_RECEIVED] = "received_pkts",
	[SERIES_SENT] = "sent_pkts",
	[SERIES_DROPPED] = "dropped_pkts",
};

struct history {
	uint64_t values[HISTORY_SAMPLES][SERIES_COUNT]; /* a ring */
	size_t count;					/* of samples that there are */
	size_t next;					/* where the next one goes */
};

struct history *history_create(void)
{
	return calloc(1, sizeof(struct history));
}

void history_free(struct history *history)
{
	free(history);
}

static uint64_t dropped_pkts(const struct counters_destination *destination)
{
	uint64_t sum = 0;

	for (int reason = 0; reason < REASON_COUNT; reason++)
		sum += counter_read(&destination->dropped_pkts[reason]);
	return sum;
}

void history_add(struct history *history, uint64_t at_ms, const struct counters *counters,
		 uint64_t dropped_kernel_pkts)
{
	uint64_t *values = history->values[history->next];

	values[SERIES_AT] = at_ms;
	values[SERIES_RECEIVED] = counter_read(&counters->total.received_pkts);
	values[SERIES_SENT] = 0;
	values[SERIES_DROPPED] = dropped_kernel_pkts +
				 counter_read(&counters->total.malformed_pkts) +
				 counter_read(&counters->total.truncated_pkts);
	for (size_t i = 0; i < counters->destination_count; i++) {
		values[SERIES_SENT] += counter_read(&counters->destinations[i].sent_pkts);
		values[SERIES_DROPPED] += dropped_pkts(&counters->destinations[i]);
	}
	history->next = (history->next + 1) % HISTORY_SAMPLES;
	if (history->count < HISTORY_SAMPLES)
		history->count++;
}

static void print_series(FILE *out, const struct history *history, enum series series)
{
	size_t count = history ? history->count : 0;
	size_t first = history ? history->next + HISTORY_SAMPLES - count : 0;

	fprintf(out, ",\"%s\":[", series_names[series]);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%" PRIu64, i ? "," : "",
			history->values[(first + i) % HISTORY_SAMPLES][series]);
	fputc(']', out);
}

char *history_json(const struct history *history)
{
	char *json = NULL;
	size_t length;
	FILE *out = open_memstream(&json, &length);
	int failed;

	if (!out)
		return NULL;
	fprintf(out, "{\"interval_ms\":%d", HISTORY_INTERVAL_MS);
	for (enum series series = 0; series < SERIES_COUNT; series++)
		print_series(out, history, series);
	fputs("}\n", out);
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(json);
		return NULL;
	}
	return json;
}
