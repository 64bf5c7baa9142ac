/* SPDX-License-Identifier: MIT */
#include "core/config_scan.h"

#include "core/config_text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t column(const struct config_scan *scan)
{
	size_t characters = 1;

	for (size_t i = scan->line_begin; i < scan->at && i < scan->length; i++)
		if (((unsigned char)scan->text[i] & 0xc0) != 0x80)
			characters++;
	return characters;
}

bool config_scan_fail(struct config_scan *scan, const char *format, ...)
{
	char *sentence = NULL;
	va_list arguments;
	int written;

	va_start(arguments, format);
	written = vasprintf(&sentence, format, arguments);
	va_end(arguments);
	if (written < 0) {
		config_report_no_memory(scan->report);
		return false;
	}
	config_report_add(scan->report, scan->line, "column %zu: %s", column(scan), sentence);
	free(sentence);
	return false;
}

/* U+2018..U+201F, which word processors put in place of quotation marks. */
static bool is_typographic_quote(const char *text, size_t length)
{
	return length == 3 && memcmp(text, "\xe2\x80", 2) == 0 && (unsigned char)text[2] >= 0x98 &&
	       (unsigned char)text[2] <= 0x9f;
}

bool config_scan_unexpected(struct config_scan *scan, const char *expected)
{
	const char *here = scan->text + scan->at;
	size_t length = config_text_character(here, scan->length - scan->at);
	char character[5] = "", shown[CONFIG_TEXT_SIZE];

	if (length == 0)
		return config_scan_fail(scan, "the file ends where %s is expected", expected);
	memcpy(character, here, length);
	if (*here == '\'' || is_typographic_quote(here, length))
		return config_scan_fail(scan, "%s is no quotation mark in JSON; write \"",
					character);
	if (length == 2 && memcmp(here, "\xc2\xa0", 2) == 0)
		return config_scan_fail(scan, "a no-break space; write a plain space");
	if (*here == '/' || *here == '#')
		return config_scan_fail(scan, "JSON has no comments; remove this one");
	if (*here == '"')
		return config_scan_fail(scan, "a string where %s is expected", expected);
	return config_scan_fail(scan, "%s where %s is expected",
				config_text_quote(character, shown), expected);
}

/* The first character of a text that is not UTF-8, or is NUL: its place, else length. */
static size_t first_bad_byte(const char *text, size_t length)
{
	size_t at = 0, step;

	while (at < length && text[at] != '\0') {
		step = config_text_character(text + at, length - at);
		if (step == 0)
			return at;
		at += step;
	}
	return at;
}

static void move_to(struct config_scan *scan, size_t at)
{
	for (; scan->at < at; scan->at++) {
		if (scan->text[scan->at] == '\n') {
			scan->line++;
			scan->line_begin = scan->at + 1;
		}
	}
}

/* Whether the text begins with a UTF-16 byte order mark, as some editors save "Unicode". */
static bool is_utf16(const char *text, size_t length)
{
	return length >= 2 &&
	       (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0);
}

bool config_scan_begin(struct config_scan *scan)
{
	size_t bad = first_bad_byte(scan->text, scan->length);

	if (is_utf16(scan->text, scan->length))
		return config_scan_fail(scan, "the file is UTF-16; save it as UTF-8");
	if (bad < scan->length) {
		move_to(scan, bad);
		return config_scan_fail(scan, "the byte 0x%02x is %s",
					(unsigned char)scan->text[bad],
					scan->text[bad] ? "not valid UTF-8; save the file as UTF-8"
							: "not allowed in a text file");
	}
	if (scan->length >= 3 && memcmp(scan->text, "\xef\xbb\xbf", 3) == 0)
		scan->at = scan->line_begin = 3;
	return true;
}

void config_scan_space(struct config_scan *scan)
{
	size_t at = scan->at;

	while (at < scan->length && memchr(" \t\r\n", scan->text[at], 4))
		at++;
	move_to(scan, at);
}

char config_scan_peek(const struct config_scan *scan)
{
	return scan->at < scan->length ? scan->text[scan->at] : '\0';
}

static void emit(struct config_scan *scan, char **decoded, const char *bytes, size_t length)
{
	scan->string_bytes += length;
	if (*decoded) {
		memcpy(*decoded, bytes, length);
		*decoded += length;
	}
}

/* Reads the "uXXXX" of an escape whose backslash stands before the present place. */
static bool read_unit(struct config_scan *scan, unsigned *unit)
{
	*unit = 0;
	for (size_t i = 1; i <= 4; i++) {
		char digit = scan->at + i < scan->length ? scan->text[scan->at + i] : '\0';

		if (!isxdigit((unsigned char)digit))
			return config_scan_fail(scan, "\\u is followed by four hexadecimal digits");
		digit = (char)tolower((unsigned char)digit);
		*unit = *unit * 16 + (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
	}
	scan->at += 5;
	return true;
}

static void emit_code_point(struct config_scan *scan, char **decoded, unsigned code)
{
	char bytes[4];
	size_t length;

	if (code < 0x80) {
		bytes[0] = (char)code;
		length = 1;
	} else if (code < 0x800) {
		bytes[0] = (char)(0xc0 | code >> 6);
		length = 2;
	} else if (code < 0x10000) {
		bytes[0] = (char)(0xe0 | code >> 12);
		length = 3;
	} else {
		bytes[0] = (char)(0xf0 | code >> 18);
		length = 4;
	}
	for (size_t i = 1; i < length; i++)
		bytes[i] = (char)(0x80 | (code >> 6 * (length - 1 - i) & 0x3f));
	emit(scan, decoded, bytes, length);
}

static bool scan_unicode_escape(struct config_scan *scan, char **decoded)
{
	size_t begin = scan->at;
	unsigned code, low = 0;

	if (!read_unit(scan, &code))
		return false;
	if (code >= 0xd800 && code < 0xdc00 && config_scan_peek(scan) == '\\' &&
	    scan->at + 1 < scan->length && scan->text[scan->at + 1] == 'u') {
		scan->at++;
		if (!read_unit(scan, &low))
			return false;
		if (low >= 0xdc00 && low < 0xe000)
			code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	if (code == 0 || (code >= 0xd800 && code < 0xe000)) {
		scan->at = begin;
		return config_scan_fail(scan, code == 0
						      ? "\\u0000 is not allowed in a string"
						      : "half of a surrogate pair is no character");
	}
	/* json-c takes these for half of a pair, and would read another character. */
	if (code >= 0x10000 && (code & 0xf800) == 0xd800) {
		scan->at = begin;
		return config_scan_fail(scan, "write this character itself in place of its escape");
	}
	emit_code_point(scan, decoded, code);
	return true;
}

static bool scan_escape(struct config_scan *scan, char **decoded)
{
	static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *letter;

	scan->at++;
	if (config_scan_peek(scan) == 'u')
		return scan_unicode_escape(scan, decoded);
	letter = scan->at < scan->length ? strchr(letters, scan->text[scan->at]) : NULL;
	if (!letter)
		return config_scan_fail(scan, "a backslash in a string is followed by one of "
					      "\" \\ / b f n r t u; for a backslash write \\\\");
	emit(scan, decoded, &values[letter - letters], 1);
	scan->at++;
	return true;
}

bool config_scan_string(struct config_scan *scan, char *decoded)
{
	scan->string_bytes = 0;
	scan->at++;
	for (;;) {
		char c = config_scan_peek(scan);

		if (c == '\0' || c == '\n' || c == '\r')
			return config_scan_fail(scan,
						"a string must end in its own line: \" is missing");
		if ((unsigned char)c < 0x20)
			return config_scan_fail(scan,
						"a control character in a string; "
						"write \\u%04x",
						(unsigned char)c);
		if (c == '"')
			break;
		if (c == '\\') {
			if (!scan_escape(scan, &decoded))
				return false;
		} else {
			emit(scan, &decoded, &c, 1);
			scan->at++;
		}
	}
	if (decoded)
		*decoded = '\0';
	scan->at++;
	return true;
}

static bool scan_digits(struct config_scan *scan)
{
	size_t begin = scan->at;

	while (isdigit((unsigned char)config_scan_peek(scan)))
		scan->at++;
	return scan->at > begin || config_scan_unexpected(scan, "a digit");
}

bool config_scan_number(struct config_scan *scan)
{
	size_t begin;

	if (config_scan_peek(scan) == '-')
		scan->at++;
	begin = scan->at;
	if (!scan_digits(scan))
		return false;
	if (scan->text[begin] == '0' && scan->at - begin > 1) {
		scan->at = begin;
		return config_scan_fail(scan, "a number has no leading zeros; remove them");
	}
	if (config_scan_peek(scan) == '.') {
		scan->at++;
		if (!scan_digits(scan))
			return false;
	}
	if (config_scan_peek(scan) == 'e' || config_scan_peek(scan) == 'E') {
		scan->at++;
		if (config_scan_peek(scan) == '+' || config_scan_peek(scan) == '-')
			scan->at++;
		return scan_digits(scan);
	}
	return true;
}

bool config_scan_name(struct config_scan *scan)
{
	static const char *const names[] = {"true", "false", "null"};
	const char *here = scan->text + scan->at;
	size_t length = 0;

	while (scan->at + length < scan->length && isalnum((unsigned char)here[length]))
		length++;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (length == strlen(names[i]) && memcmp(here, names[i], length) == 0) {
			scan->at += length;
			return true;
		}
	}
	return config_scan_fail(scan,
				"%.*s is no value; a string stands in double quotes, and the "
				"only names are true, false and null, in small letters",
				length > 40 ? 40 : (int)length, here);
}
