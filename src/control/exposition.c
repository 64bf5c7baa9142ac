/* SPDX-License-Identifier: MIT */
#include "control/exposition.h"

#include "core/config_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "trafficduplicator_"

enum { FIRST_BYTES = 16384, DIGITS_MAX = 20 };

struct exposition {
	char *text;
	size_t used, size;
	const char *family;
	bool has_labels; /* of the present sample */
	bool failed;
};

struct exposition *exposition_create(void)
{
	return calloc(1, sizeof(struct exposition));
}

/*
 * Memory that is not touched yet is not ours yet, and what is large is moved by the kernel without
 * being copied: so doubling costs little.
 */
static bool make_room(struct exposition *out, size_t length)
{
	size_t size = out->size ? out->size : FIRST_BYTES;
	char *text;

	if (out->failed)
		return false;
	if (length <= out->size - out->used)
		return true;
	while (size - out->used < length)
		size *= 2;
	text = realloc(out->text, size);
	if (!text) {
		out->failed = true;
		return false;
	}
	out->text = text;
	out->size = size;
	return true;
}

static void add_bytes(struct exposition *out, const char *bytes, size_t length)
{
	if (!make_room(out, length))
		return;
	memcpy(out->text + out->used, bytes, length);
	out->used += length;
}

static void add(struct exposition *out, const char *text)
{
	add_bytes(out, text, strlen(text));
}

void exposition_family(struct exposition *out, const char *name, enum exposition_type type,
		       const char *help)
{
	out->family = name;
	add(out, "# HELP " PREFIX);
	add(out, name);
	add(out, " ");
	add(out, help);
	add(out, "\n# TYPE " PREFIX);
	add(out, name);
	add(out, type == EXPOSITION_COUNTER ? " counter\n" : " gauge\n");
}

void exposition_begin(struct exposition *out)
{
	add(out, PREFIX);
	add(out, out->family);
	out->has_labels = false;
}

/* Adds what a character is written as; returns the length of the character in bytes. */
static size_t add_character(struct exposition *out, const char *character, size_t left)
{
	size_t length = config_text_character(character, left);

	if (length == 0)
		add(out, "\xef\xbf\xbd");
	else if (*character == '\\')
		add(out, "\\\\");
	else if (*character == '"')
		add(out, "\\\"");
	else if (*character == '\n')
		add(out, "\\n");
	else
		add_bytes(out, character, length);
	return length ? length : 1;
}

static bool is_plain(char character)
{
	unsigned char byte = (unsigned char)character;

	return byte > 0 && byte < 0x80 && byte != '\\' && byte != '"' && byte != '\n';
}

/* How much of a text goes as it is: nearly always all. */
static size_t plain_length(const char *text)
{
	size_t length = 0;

	while (is_plain(text[length]))
		length++;
	return length;
}

void exposition_label(struct exposition *out, const char *name, const char *value)
{
	size_t length;

	add(out, out->has_labels ? "," : "{");
	out->has_labels = true;
	add(out, name);
	add(out, "=\"");
	while (*value) {
		length = plain_length(value);
		add_bytes(out, value, length);
		value += length;
		if (*value)
			value += add_character(out, value, strlen(value));
	}
	add(out, "\"");
}

void exposition_value(struct exposition *out, uint64_t value)
{
	char digits[DIGITS_MAX];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	add(out, out->has_labels ? "} " : " ");
	add_bytes(out, digits + at, sizeof(digits) - at);
	add(out, "\n");
}

void exposition_fail(struct exposition *out)
{
	out->failed = true;
}

char *exposition_finish(struct exposition *out)
{
	char *text;

	add_bytes(out, "", 1);
	text = out->text;
	if (out->failed) {
		free(text);
		text = NULL;
	}
	free(out);
	return text;
}
