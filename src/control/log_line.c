/* SPDX-License-Identifier: MIT */
#include "control/log_line.h"

#include "core/config_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

size_t log_line_clean(char *out, size_t size, const char *text)
{
	size_t left = strlen(text), used = 0;

	while (left > 0) {
		size_t length = config_text_character(text, left), put_length = length;
		const char *put = text;

		if (length == 0) {
			put = REPLACEMENT;
			put_length = strlen(REPLACEMENT);
			length = 1;
		} else if (config_text_is_control(text, length)) {
			put = " ";
			put_length = 1;
		}
		if (used + put_length >= size)
			break;
		memcpy(out + used, put, put_length);
		used += put_length;
		text += length;
		left -= length;
	}
	out[used] = '\0';
	return used;
}

/* A clean text has nothing else that JSON wants escaped (RFC 8259 section 7). */
static char *put_escaped(char *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			*out++ = '\\';
		*out++ = *text;
	}
	return out;
}

void log_line_json(const struct log_line *line, char *out)
{
	struct tm utc;

	gmtime_r(&line->time.tv_sec, &utc);
	out += strftime(out, 32, "{\"time\":\"%Y-%m-%dT%H:%M:%S", &utc);
	out += sprintf(out, ".%03ldZ\",\"level\":\"%s\",\"pid\":%d", line->time.tv_nsec / 1000000,
		       log_level_name(line->level), (int)line->pid);
	if (line->held_back > 0)
		out += sprintf(out, ",\"held_back\":%" PRIu64, line->held_back);
	out += sprintf(out, ",\"message\":\"");
	out = put_escaped(out, line->message);
	strcpy(out, "\"}");
}
