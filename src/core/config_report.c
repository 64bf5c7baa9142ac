/* SPDX-License-Identifier: MIT */
#include "core/config_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Stands in for a list of messages when there is no memory even for that. */
static char no_memory_message[] = "out of memory while reading the configuration";
static char *no_memory_messages[] = {no_memory_message};

static bool reserve(struct config_report *report)
{
	size_t capacity = report->capacity ? report->capacity * 2 : 16;
	struct config_finding *findings;

	if (report->count < report->capacity)
		return true;
	findings = reallocarray(report->findings, capacity, sizeof *findings);
	if (!findings)
		return false;
	report->findings = findings;
	report->capacity = capacity;
	return true;
}

static char *compose(const char *file, unsigned line, const char *format, va_list arguments)
{
	char *sentence = NULL, *message = NULL;
	int written;

	if (vasprintf(&sentence, format, arguments) < 0)
		return NULL;
	written = line > 0 ? asprintf(&message, "%s:%u: %s", file, line, sentence)
			   : asprintf(&message, "%s: %s", file, sentence);
	free(sentence);
	return written < 0 ? NULL : message;
}

void config_report_add(struct config_report *report, unsigned line, const char *format, ...)
{
	struct config_finding finding = {.line = line, .order = report->count};
	va_list arguments;

	va_start(arguments, format);
	finding.message = compose(report->file, line, format, arguments);
	va_end(arguments);
	if (!finding.message || !reserve(report)) {
		free(finding.message);
		report->no_memory = true;
		return;
	}
	report->findings[report->count++] = finding;
}

void config_report_no_memory(struct config_report *report)
{
	report->no_memory = true;
}

bool config_report_is_clean(const struct config_report *report)
{
	return report->count == 0 && !report->no_memory;
}

static int by_line(const void *left, const void *right)
{
	const struct config_finding *a = left, *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static bool append(struct config_errors *errors, char *message)
{
	char **messages =
		reallocarray(errors->messages, errors->count + 1, sizeof *errors->messages);

	if (!messages)
		return false;
	errors->messages = messages;
	errors->messages[errors->count++] = message;
	return true;
}

void config_report_finish(struct config_report *report, struct config_errors *errors)
{
	if (errors->messages == no_memory_messages)
		*errors = (struct config_errors){.unfinished = true};
	if (report->no_memory)
		config_report_add(report, 0, "out of memory");
	if (report->count > 1)
		qsort(report->findings, report->count, sizeof *report->findings, by_line);
	for (size_t i = 0; i < report->count; i++) {
		if (!append(errors, report->findings[i].message)) {
			free(report->findings[i].message);
			report->no_memory = true;
		}
	}
	errors->unfinished |= report->no_memory;
	if (report->no_memory && errors->count == 0) {
		errors->messages = no_memory_messages;
		errors->count = 1;
	}
	free(report->findings);
	*report = (struct config_report){.file = report->file};
}

void config_errors_free(struct config_errors *errors)
{
	if (errors->messages != no_memory_messages) {
		for (size_t i = 0; i < errors->count; i++)
			free(errors->messages[i]);
		free(errors->messages);
	}
	*errors = (struct config_errors){0};
}
