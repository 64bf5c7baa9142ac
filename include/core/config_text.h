/* SPDX-License-Identifier: MIT */
/* UTF-8, and pieces of the configuration's text as messages show them. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_TEXT_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Messages show at most this much of a value, in bytes. */
#define CONFIG_TEXT_SHOWN_MAX 60

/* A shown value with quotes, dots, the last escape and the terminating NUL. */
#define CONFIG_TEXT_SIZE 80

/*
 * The length in bytes of the UTF-8 character that text begins with, 1 to 4, or 0 when it is none
 * (RFC 3629 section 4: no overlong forms, no surrogates, nothing above U+10FFFF).
 */
size_t config_text_character(const char *text, size_t length);

/* Whether a character of this length is a control character: C0, DEL or C1. */
bool config_text_is_control(const char *character, size_t length);

/* Writes a string in JSON form, quotes included, cut when long. Returns out. */
const char *config_text_quote(const char *string, char out[static CONFIG_TEXT_SIZE]);

/*
 * Writes a piece of valid JSON as the file has it, white space between values shrunk to one space,
 * cut when long. Returns out.
 */
const char *config_text_excerpt(const char *json, size_t length, char out[static CONFIG_TEXT_SIZE]);

#endif
