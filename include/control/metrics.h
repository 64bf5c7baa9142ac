/* SPDX-License-Identifier: MIT */
/* The state of a running daemon as Prometheus reads it: what /metrics answers. */
#ifndef TRAFFICDUPLICATOR_CONTROL_METRICS_H
#define TRAFFICDUPLICATOR_CONTROL_METRICS_H

#include "control/status.h"

/* The media type of the text. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * The text, in Prometheus' format 0.0.4. No two of its series have the same labels, because no two
 * rules have the same name, and no two destinations of a rule. It has about 2 KiB for each
 * destination. The caller frees it; NULL when memory runs out.
 */
char *metrics_text(const struct status *status);

#endif
