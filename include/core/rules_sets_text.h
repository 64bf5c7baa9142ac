/* SPDX-License-Identifier: MIT */
/* The named sets as text for nft(8). For rules_text.c only. */
#ifndef TRAFFICDUPLICATOR_CORE_RULES_SETS_TEXT_H
#define TRAFFICDUPLICATOR_CORE_RULES_SETS_TEXT_H

#include "core/rules_sets.h"

#include <stdio.h>

/* All sets of both families without elements: what stands in a table block. */
void rules_sets_text_declare(FILE *out);

/* Statements that empty all sets but those of all ports. */
void rules_sets_text_flush(FILE *out, const char *table);

/* Statements that fill the same sets of one family. */
void rules_sets_text_add(FILE *out, const struct rules_sets *sets, uint8_t family,
			 const char *table);

/* The rules of one family that look packets up, in those of these sets that have elements. */
void rules_sets_text_match(FILE *out, const struct rules_sets *sets, uint8_t family,
			   const char *verdict);

/* The same for the sets of all ports: statements that empty both and fill one, and its rule. */
void rules_sets_text_flush_all_ports(FILE *out, const char *table);
void rules_sets_text_add_all_ports(FILE *out, const struct rules_sets *sets, uint8_t family,
				   const char *table);
void rules_sets_text_match_all_ports(FILE *out, uint8_t family, const char *verdict);

#endif
