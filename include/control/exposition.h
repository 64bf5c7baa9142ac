/* SPDX-License-Identifier: MIT */
/*
 * Prometheus' text format, version 0.0.4: families of samples with their labels, one after another
 * into one text. When memory runs out the rest is not written, and there is no text in the end.
 * What it asks for: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_EXPOSITION_H
#define TRAFFICDUPLICATOR_CONTROL_EXPOSITION_H

#include <stdint.h>

enum exposition_type { EXPOSITION_COUNTER, EXPOSITION_GAUGE };

struct exposition;

/* NULL when memory runs out. */
struct exposition *exposition_create(void);

/*
 * Begins a family, of which all samples follow at once. Its name is written behind
 * "trafficduplicator_"; help is one line without backslashes. Both are kept until the next family.
 */
void exposition_family(struct exposition *out, const char *name, enum exposition_type type,
		       const char *help);

/* A sample of the family, from its begin to its value; labels stand between these two calls. */
void exposition_begin(struct exposition *out);
/* value may be any text: what is not UTF-8 in it becomes U+FFFD. */
void exposition_label(struct exposition *out, const char *name, const char *value);
void exposition_value(struct exposition *out, uint64_t value);

/* Memory has run out while something was prepared for it: there is no text in the end. */
void exposition_fail(struct exposition *out);

/* Releases *out and returns its text, which the caller frees. NULL when memory ran out. */
char *exposition_finish(struct exposition *out);

#endif
