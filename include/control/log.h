/* SPDX-License-Identifier: MIT */
/*
 * Diagnostics: one line per event on stderr. Under systemd (JOURNAL_STREAM is set) each line
 * begins with its syslog priority as sd-daemon(3) has it, so that the journal keeps the level.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_LOG_H
#define TRAFFICDUPLICATOR_CONTROL_LOG_H

#include "core/config.h"

/* Lines less urgent than this are not written. Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
