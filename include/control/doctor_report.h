/* SPDX-License-Identifier: MIT */
/* What an examination of the machine found: an ordered list of findings. */
#ifndef TRAFFICDUPLICATOR_CONTROL_DOCTOR_REPORT_H
#define TRAFFICDUPLICATOR_CONTROL_DOCTOR_REPORT_H

#include <stdbool.h>
#include <stddef.h>

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_CHECK,	/* cannot be seen from this machine: to be checked where it can */
	DOCTOR_WARNING, /* may be meant so, or may be the cause */
	DOCTOR_PROBLEM, /* packets do not arrive as long as it lasts */
	DOCTOR_LEVEL_COUNT
};

struct doctor_finding {
	enum doctor_level level;
	const char *subject; /* heading; static */
	const char *id;	     /* stable, snake_case; static */
	char *about;	     /* destination, interface or rule; NULL: the machine */
	char *title;
	char *meaning; /* NULL: the title says it */
	char *mend;    /* a command, or several after each other; NULL: nothing to mend */
};

/* Zero-initialise before first use. */
struct doctor_report {
	struct doctor_finding *findings;
	size_t count;
	const char *subject; /* of findings added from now on; static */
	bool out_of_memory;  /* something is missing */
};

void doctor_report_free(struct doctor_report *report);

/*
 * Adds a finding; title is a format for what follows. Returns the new finding, valid until the next
 * is added, or NULL when memory ran out, which doctor_meaning and doctor_mend accept.
 */
struct doctor_finding *doctor_report_add(struct doctor_report *report, enum doctor_level level,
					 const char *id, const char *about, const char *title, ...)
	__attribute__((format(printf, 5, 6)));

/* What the finding means for packets, as whole sentences. */
void doctor_meaning(struct doctor_finding *finding, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* What mends it. */
void doctor_mend(struct doctor_finding *finding, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* How many findings have this level. */
size_t doctor_report_count(const struct doctor_report *report, enum doctor_level level);

/* "ok", "check", "warning", "problem". */
const char *doctor_level_name(enum doctor_level level);

#endif
