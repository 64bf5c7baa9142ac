/* SPDX-License-Identifier: MIT */
#include "control/log_limit.h"

#include "core/config_text.h"

#include <stdlib.h>
#include <string.h>

struct kind {
	const void *name; /* NULL: free */
	enum log_level level;
	enum log_level latest_level;
	unsigned allowance;   /* lines that may be written now */
	uint64_t refilled_ms; /* when it last grew */
	uint64_t count;	      /* held back */
	uint64_t since_ms;    /* the first of these */
	char latest[LOG_LIMIT_KEPT_BYTES];
};

struct log_limit {
	struct kind kinds[LOG_LIMIT_KINDS];
};

struct log_limit *log_limit_create(void)
{
	return calloc(1, sizeof(struct log_limit));
}

void log_limit_free(struct log_limit *limit)
{
	free(limit);
}

static void refill(struct kind *kind, uint64_t now_ms)
{
	uint64_t intervals = (now_ms - kind->refilled_ms) / LOG_LIMIT_INTERVAL_MS;

	if (intervals >= LOG_LIMIT_BURST - kind->allowance) {
		/* An interval begins with the first line after the allowance was whole. */
		kind->allowance = LOG_LIMIT_BURST;
		kind->refilled_ms = now_ms;
		return;
	}
	kind->allowance += (unsigned)intervals;
	kind->refilled_ms += intervals * LOG_LIMIT_INTERVAL_MS;
}

/* The entry of a kind. One that is as good as new is taken for it; without any, the last is shared.
 */
static struct kind *find(struct log_limit *limit, const void *name, enum log_level level,
			 uint64_t now_ms)
{
	struct kind *spare = NULL;

	for (struct kind *kind = limit->kinds; kind < limit->kinds + LOG_LIMIT_KINDS; kind++) {
		if (kind->name == name && kind->level == level) {
			refill(kind, now_ms);
			return kind;
		}
		if (spare)
			continue;
		if (kind->name)
			refill(kind, now_ms);
		if (!kind->name || (kind->allowance == LOG_LIMIT_BURST && kind->count == 0))
			spare = kind;
	}
	if (!spare)
		return limit->kinds + LOG_LIMIT_KINDS - 1;
	spare->name = name;
	spare->level = level;
	spare->allowance = LOG_LIMIT_BURST;
	spare->refilled_ms = now_ms;
	return spare;
}

static void keep(char kept[static LOG_LIMIT_KEPT_BYTES], const char *message)
{
	size_t length = strlen(message), used = 0, step;

	while (used < length && (step = config_text_character(message + used, length - used)) > 0 &&
	       used + step < LOG_LIMIT_KEPT_BYTES)
		used += step;
	memcpy(kept, message, used);
	kept[used] = '\0';
}

static void take_out(struct kind *kind, uint64_t now_ms, struct log_held *held)
{
	held->count = kind->count;
	held->time_ms = kind->count > 0 ? now_ms - kind->since_ms : 0;
	held->level = kind->latest_level;
	strcpy(held->latest, kind->latest);
	kind->count = 0;
	kind->latest[0] = '\0';
}

static bool admit(struct kind *kind, enum log_level level, const char *message, uint64_t now_ms,
		  struct log_held *held)
{
	if (kind->allowance > 0) {
		kind->allowance--;
		take_out(kind, now_ms, held);
		return true;
	}
	if (kind->count++ == 0)
		kind->since_ms = now_ms;
	kind->latest_level = level;
	keep(kind->latest, message);
	return false;
}

bool log_limit_admit(struct log_limit *limit, const void *name, enum log_level level,
		     const char *message, uint64_t now_ms, struct log_held *held)
{
	return admit(find(limit, name, level, now_ms), level, message, now_ms, held);
}

bool log_limit_admit_change(struct log_limit *limit, const void *name, enum log_level level,
			    const char *message, uint64_t now_ms, struct log_held *held)
{
	return admit(find(limit, name, LOG_LEVEL_ERROR, now_ms), level, message, now_ms, held);
}

bool log_limit_due(struct log_limit *limit, uint64_t now_ms, struct log_held *held)
{
	for (struct kind *kind = limit->kinds; kind < limit->kinds + LOG_LIMIT_KINDS; kind++) {
		if (kind->count == 0)
			continue;
		refill(kind, now_ms);
		if (kind->allowance == 0)
			continue;
		kind->allowance--;
		take_out(kind, now_ms, held);
		return true;
	}
	return false;
}

bool log_limit_rest(struct log_limit *limit, uint64_t now_ms, struct log_held *held)
{
	for (struct kind *kind = limit->kinds; kind < limit->kinds + LOG_LIMIT_KINDS; kind++) {
		if (kind->count > 0) {
			take_out(kind, now_ms, held);
			return true;
		}
	}
	return false;
}
