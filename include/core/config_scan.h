/* SPDX-License-Identifier: MIT */
/*
 * The tokens of JSON (RFC 8259) for config_locate: strings, numbers, names, white space, and what
 * to say about what is none of them. Used by the config modules only.
 */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_SCAN_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_SCAN_H

#include "core/config_report.h"

/* Where the scan of a text is. */
struct config_scan {
	struct config_report *report;
	const char *text;
	size_t length;
	size_t at;
	unsigned line;
	size_t line_begin;
	size_t string_bytes; /* the length of the last string's value */
};

/*
 * Reports what is wrong at the present place, with line and column. Columns begin at 1 and count
 * characters, a tab as one. Returns false, for the caller to return.
 */
bool config_scan_fail(struct config_scan *scan, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Reports that something else was expected here, and names what stands here instead. */
bool config_scan_unexpected(struct config_scan *scan, const char *expected);

/* Checks that the whole text is UTF-8 without NUL, and steps over a byte order mark. */
bool config_scan_begin(struct config_scan *scan);

void config_scan_space(struct config_scan *scan);

/* The byte at the present place, or NUL at the end: the text holds no other NUL. */
char config_scan_peek(const struct config_scan *scan);

/*
 * Reads a string. When decoded is not NULL, its value and a terminating NUL are written there:
 * never more bytes than the string has in the file, quotes included.
 */
bool config_scan_string(struct config_scan *scan, char *decoded);

bool config_scan_number(struct config_scan *scan);

/* Reads true, false or null. */
bool config_scan_name(struct config_scan *scan);

#endif
