/* SPDX-License-Identifier: MIT */
#include "core/config_text.h"

#include <stdio.h>
#include <string.h>

/* What follows the first byte: how many bytes, and where the first of them must lie. */
static size_t lead(unsigned char byte, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (byte >= 0xc2 && byte <= 0xdf)
		return 1;
	if (byte >= 0xe0 && byte <= 0xef) {
		if (byte == 0xe0)
			*low = 0xa0;
		if (byte == 0xed)
			*high = 0x9f;
		return 2;
	}
	if (byte >= 0xf0 && byte <= 0xf4) {
		if (byte == 0xf0)
			*low = 0x90;
		if (byte == 0xf4)
			*high = 0x8f;
		return 3;
	}
	return 0;
}

size_t config_text_character(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)text;
	unsigned char low, high;
	size_t more;

	if (length == 0)
		return 0;
	if (bytes[0] < 0x80)
		return 1;
	more = lead(bytes[0], &low, &high);
	if (more == 0 || more >= length || bytes[1] < low || bytes[1] > high)
		return 0;
	for (size_t i = 2; i <= more; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	return more + 1;
}

bool config_text_is_control(const char *character, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)character;

	if (length == 1)
		return bytes[0] < 0x20 || bytes[0] == 0x7f;
	return length == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0;
}

/* Appends a piece, or dots in its place when there is no more room to show it. */
static bool put(char *out, size_t *used, const char *piece, size_t length)
{
	bool fits = *used + length <= CONFIG_TEXT_SHOWN_MAX;

	if (!fits) {
		piece = "...";
		length = 3;
	}
	memcpy(out + *used, piece, length);
	*used += length;
	out[*used] = '\0';
	return fits;
}

/* Appends a character; a control character, which could upset a terminal, as its escape. */
static bool put_character(char *out, size_t *used, const char *character, size_t length)
{
	char escape[8];

	if (!config_text_is_control(character, length))
		return put(out, used, character, length);
	snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)character[length - 1]);
	return put(out, used, escape, 6);
}

const char *config_text_quote(const char *string, char out[static CONFIG_TEXT_SIZE])
{
	size_t left = strlen(string), used = 1, length;

	out[0] = '"';
	out[1] = '\0';
	for (; left > 0; string += length, left -= length) {
		char escaped[2] = {'\\', *string};

		length = config_text_character(string, left);
		if (length == 0)
			break;
		if (*string == '"' || *string == '\\') {
			if (!put(out, &used, escaped, sizeof escaped))
				break;
		} else if (!put_character(out, &used, string, length)) {
			break;
		}
	}
	memcpy(out + used, "\"", 2);
	return out;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

const char *config_text_excerpt(const char *json, size_t length, char out[static CONFIG_TEXT_SIZE])
{
	size_t used = 0, step;
	bool in_string = false, escaped = false, after_space = false, fits = true;

	out[0] = '\0';
	for (size_t at = 0; at < length && fits; at += step) {
		char c = json[at];

		step = config_text_character(json + at, length - at);
		if (step == 0)
			break;
		if (!in_string && is_space(c)) {
			if (!after_space)
				fits = put(out, &used, " ", 1);
			after_space = true;
			continue;
		}
		after_space = false;
		fits = put_character(out, &used, json + at, step);
		if (c == '"' && !escaped)
			in_string = !in_string;
		escaped = in_string && c == '\\' && !escaped;
	}
	return out;
}
