/* SPDX-License-Identifier: MIT */
#include "core/config_read.h"
#include "core/import_draft.h"

#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

const char *import_span_quote(struct import_span span, char out[static CONFIG_TEXT_SIZE])
{
	char text[CONFIG_TEXT_SIZE * 2];
	size_t length = span.length < sizeof text ? span.length : sizeof text - 1;

	memcpy(text, span.at, length);
	text[length] = '\0';
	return config_text_quote(text, out);
}

struct import_span import_span_trim(struct import_span span)
{
	while (span.length > 0 && is_space(span.at[span.length - 1]))
		span.length--;
	while (span.length > 0 && is_space(*span.at)) {
		span.at++;
		span.length--;
	}
	return span;
}

struct import_span import_span_unbracket(struct import_span span)
{
	if (span.length >= 2 && span.at[0] == '[' && span.at[span.length - 1] == ']')
		return (struct import_span){span.at + 1, span.length - 2};
	return span;
}

bool import_span_cut(struct import_span *rest, const char *separators, struct import_span *piece)
{
	size_t count = strlen(separators);

	*piece = (struct import_span){rest->at, 0};
	while (piece->length < rest->length && !memchr(separators, rest->at[piece->length], count))
		piece->length++;
	if (piece->length == rest->length) {
		*rest = (struct import_span){rest->at + rest->length, 0};
		return false;
	}
	rest->at += piece->length + 1;
	rest->length -= piece->length + 1;
	return true;
}

bool import_span_is(struct import_span span, const char *word)
{
	return span.length == strlen(word) && memcmp(span.at, word, span.length) == 0;
}

bool import_span_number(struct import_span span, uint32_t minimum, uint32_t maximum, uint32_t *out)
{
	while (span.length > 1 && *span.at == '0') {
		span.at++;
		span.length--;
	}
	return config_read_digits(span.at, span.length, maximum, out) && *out >= minimum;
}
