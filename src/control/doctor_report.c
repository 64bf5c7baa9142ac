/* SPDX-License-Identifier: MIT */
#include "control/doctor_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void doctor_report_free(struct doctor_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->findings[i].about);
		free(report->findings[i].title);
		free(report->findings[i].meaning);
		free(report->findings[i].mend);
	}
	free(report->findings);
	*report = (struct doctor_report){0};
}

__attribute__((format(printf, 1, 0))) static char *format_text(const char *format, va_list values)
{
	char *text;

	return vasprintf(&text, format, values) < 0 ? NULL : text;
}

struct doctor_finding *doctor_report_add(struct doctor_report *report, enum doctor_level level,
					 const char *id, const char *about, const char *title, ...)
{
	struct doctor_finding finding = {.level = level, .subject = report->subject, .id = id};
	struct doctor_finding *findings =
		reallocarray(report->findings, report->count + 1, sizeof(*findings));
	va_list values;

	if (findings) {
		report->findings = findings;
		finding.about = about ? strdup(about) : NULL;
		va_start(values, title);
		finding.title = format_text(title, values);
		va_end(values);
	}
	if (!findings || !finding.title || (about && !finding.about)) {
		free(finding.about);
		free(finding.title);
		report->out_of_memory = true;
		return NULL;
	}
	findings[report->count] = finding;
	return &findings[report->count++];
}

void doctor_meaning(struct doctor_finding *finding, const char *format, ...)
{
	va_list values;

	if (!finding)
		return;
	free(finding->meaning);
	va_start(values, format);
	finding->meaning = format_text(format, values);
	va_end(values);
}

void doctor_mend(struct doctor_finding *finding, const char *format, ...)
{
	va_list values;

	if (!finding)
		return;
	free(finding->mend);
	va_start(values, format);
	finding->mend = format_text(format, values);
	va_end(values);
}

size_t doctor_report_count(const struct doctor_report *report, enum doctor_level level)
{
	size_t count = 0;

	for (size_t i = 0; i < report->count; i++)
		count += report->findings[i].level == level;
	return count;
}

const char *doctor_level_name(enum doctor_level level)
{
	static const char *const names[DOCTOR_LEVEL_COUNT] = {
		[DOCTOR_OK] = "ok",
		[DOCTOR_CHECK] = "check",
		[DOCTOR_WARNING] = "warning",
		[DOCTOR_PROBLEM] = "problem",
	};

	return names[level];
}
