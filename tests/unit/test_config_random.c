/* SPDX-License-Identifier: MIT */
/*
 * Random changes to valid files: never a crash, always a config or a message, and never a text that
 * our scanner takes and json-c does not. SEED=n repeats a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 60000
#define LARGEST 2048

static const char *const files[] = {
	"{\"DuplicateSyslog\" : {\n\t\"SOURCEPORT\" : \"514\",\n"
	"\t\"DESTINATION\" : [\"172.31.63.131/514\", \"172.31.62.154/514\"]\n}}\n",
	"{\"SETTINGS\": {\"QUEUE\": 7514, \"WORKERS\": 2, \"QUEUELENGTH\": 1024, \"WHENFULL\": "
	"\"forward\", \"SEND\": \"link\", \"FASTPATH\": \"auto\", \"MARK\": \"0x7464\", "
	"\"LOGLEVEL\": \"debug\"},\r\n"
	"\"R\\u00e9\\ud83d\\ude00\": {\"SOURCEPORT\": [1, \"2-3\"], \"DESTINATION\": [{\"ADDRESS\""
	": \"2001:db8::7\", \"PORT\": 514}, \"192.0.2.1\"], \"ORIGINAL\": \"drop\", \"OVERSIZE\": "
	"\"drop\", \"TTL\": 64}}",
	"{\"SETTINGS\": {\"AUTORELOAD\": true},\n\"R\": {\"SOURCEPORT\": 2055, \"SOURCEADDRESS\": "
	"[\"10.0.0.0/8\", \"!10.1.0.0/16\", \"2001:db8::/32\"], \"LISTENADDRESS\": "
	"[\"192.0.2.0/24\", \"::1\"], \"INTERFACE\": [\"eth0\", \"eth1\"], \"ENABLED\": false,\n"
	"\"BALANCE\": \"hash\", \"SAMPLE\": 10, \"RATELIMIT\": 1000, \"DESTINATION\": "
	"[{\"ADDRESS\":"
	" \"Flow.Example.\", \"PORT\": 1, \"NAME\": \"a\", \"SOURCE\": \"appliance\", \"SAMPLE\": "
	"2, "
	"\"CHECK\": \"icmp\", \"TTL\": 9},\n{\"ADDRESS\": \"192.0.2.1\", \"NAME\": \"b\", "
	"\"SOURCE\": \"192.0.2.9\", \"CHECK\": \"tcp/22\"}, \"flow.example/2\"]}}",
	"{\"\xc3\xa9\": {\"A\": [-0, 1.5e-3, 1E400, 99999999999999999999, true, false, null, {}, "
	"[], \"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]}, \"B\": {\"A\": 1, \"\\u0041\": {\"A\": 1, \"A\": "
	"\"x\"}}}",
};

/* Pieces that parsers stumble over. */
static const char *const pieces[] = {"{",
				     "}",
				     "[",
				     "]",
				     ",",
				     ":",
				     "\"",
				     "\\",
				     "\\u0000",
				     "\\ud800",
				     "\\udc00",
				     "\\u00e9",
				     "\xc3\xa9",
				     "\xff",
				     "\xef\xbb\xbf",
				     "\n",
				     "\r\n",
				     "0",
				     "-",
				     "1e9",
				     "1.",
				     "null",
				     "true",
				     "NaN",
				     "Infinity",
				     "-Infinity",
				     "//",
				     "/**/",
				     "'",
				     "\t",
				     "\x7f",
				     "\"A\":1,",
				     "{\"A\":",
				     "[[[[[[[[",
				     "\"SOURCEPORT\":514,",
				     "\"DESTINATION\":[\"192.0.2.1\"],",
				     "\x01",
				     "e",
				     ".",
				     "\xf0\x9f",
				     "!",
				     "/0",
				     "::/0",
				     "!0.0.0.0/0",
				     "-a.",
				     "localhost",
				     "\"NAME\":\"b\",",
				     "\"SOURCEADDRESS\":[\"!10.0.0.0/8\"],",
				     "\"LISTENADDRESS\":\"::1\",",
				     "\"INTERFACE\":\"eth0\",",
				     "\"flow.example\","};

static uint64_t random_state;

/* xorshift64 (Marsaglia 2003): the same numbers everywhere. */
static size_t random_below(size_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t)(random_state % limit);
}

static size_t splice(char *text, size_t length, size_t at, size_t removed, const char *piece,
		     size_t added)
{
	if (at + removed > length)
		removed = length - at;
	if (length - removed + added > LARGEST)
		added = 0;
	memmove(text + at + added, text + at + removed, length - at - removed);
	memcpy(text + at, piece, added);
	return length - removed + added;
}

static size_t mutate(char *text, size_t length)
{
	size_t at = random_below(length + 1), from, count;
	char byte = (char)random_below(256), copy[64];
	const char *piece;

	switch (random_below(5)) {
	case 0:
		return splice(text, length, at, 1, &byte, 1);
	case 1:
		return splice(text, length, at, 1 + random_below(8), "", 0);
	case 2:
		piece = pieces[random_below(sizeof pieces / sizeof *pieces)];
		return splice(text, length, at, random_below(3), piece, strlen(piece));
	case 3:
		from = random_below(length + 1);
		count = random_below(sizeof copy);
		if (count > length - from)
			count = length - from;
		memcpy(copy, text + from, count);
		return splice(text, length, at, 0, copy, count);
	default:
		return random_below(40) == 0 ? at : length;
	}
}

/* Whether json-c reads the whole text as one value, in its strict mode. */
static bool json_c_accepts(const char *text, size_t length)
{
	struct json_tokener *tokener = json_tokener_new_ex(CONFIG_DEPTH_MAX + 2);
	struct json_object *json;
	char *copy = calloc(1, length + 1);
	bool accepted;

	memcpy(copy, text, length);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	json = json_tokener_parse_ex(tokener, copy, (int)length + 1);
	accepted = json_tokener_get_error(tokener) == json_tokener_success;
	json_object_put(json);
	json_tokener_free(tokener);
	free(copy);
	return accepted;
}

/* Syntax errors name a column; errors of meaning do not. */
static bool passed_scanner(const struct config_errors *errors)
{
	return errors->count == 0 || !strstr(errors->messages[0], ": column ");
}

/* Whether the scanner took it. */
static bool try_text(const char *text, size_t length)
{
	struct config_errors errors = {0};
	char *copy = malloc(length ? length : 1), *description = NULL;
	struct config *config;
	size_t mark = length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	bool passed;

	memcpy(copy, text, length);
	config = config_parse(copy, length, "random", &errors);
	assert_true(config ? errors.count == 0 : errors.count > 0);
	if (config) {
		description = config_describe(config, 2);
		assert_non_null(description);
	}
	for (size_t i = 0; i < errors.count; i++)
		assert_null(strstr(errors.messages[i], "json-c"));
	passed = passed_scanner(&errors);
	if (passed && !json_c_accepts(text + mark, length - mark))
		fail_msg("taken, but not by json-c: %.*s", (int)length, text);
	free(description);
	config_free(config);
	config_errors_free(&errors);
	free(copy);
	return passed;
}

static void survives_random_changes(void **state)
{
	const char *chosen = getenv("SEED");
	unsigned long seed = chosen ? strtoul(chosen, NULL, 10) : (unsigned long)time(NULL);
	size_t passed = 0;

	(void)state;
	print_message("SEED=%lu\n", seed);
	random_state = seed * 2654435761u + 1;
	for (int round = 0; round < ROUNDS; round++) {
		const char *file = files[random_below(sizeof files / sizeof *files)];
		char text[LARGEST + 1];
		size_t length = strlen(file), changes = 1 + random_below(6);

		memcpy(text, file, length);
		for (size_t i = 0; i < changes; i++)
			length = mutate(text, length);
		passed += try_text(text, length);
	}
	/* Otherwise the changes are too coarse to try anything behind the scanner. */
	assert_in_range(passed, ROUNDS / 50, ROUNDS * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_random_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
