/* SPDX-License-Identifier: MIT */
/* What is wrong with a configuration, gathered while it is read. Used by the config modules only.
 */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_REPORT_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_REPORT_H

#include "core/config.h"

struct config_finding {
	unsigned line; /* 0: not known */
	size_t order;
	char *message;
};

/* Begins as { .file = the name for messages }; ends with config_report_finish. */
struct config_report {
	const char *file;
	struct config_finding *findings;
	size_t count;
	size_t capacity;
	bool no_memory;
};

/* Adds a finding; the report puts "FILE:LINE: " before it. Line 0: not known. */
void config_report_add(struct config_report *report, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Notes that memory ran out, so that what was read is not complete. */
void config_report_no_memory(struct config_report *report);

/* Whether nothing was found wrong. */
bool config_report_is_clean(const struct config_report *report);

/* Moves the findings, in the order of their lines, to the end of *errors, and releases the rest. */
void config_report_finish(struct config_report *report, struct config_errors *errors);

#endif
