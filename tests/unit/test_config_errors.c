/* SPDX-License-Identifier: MIT */
/* Texts, rule names and ports that are wrong. test_config_refusals.c has the other keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_expect.h"

static void refuses_wrong_syntax(void **state)
{
	static const struct wrong cases[] = {
		{"", "1: column 1: the file is empty"},
		{" \r\n\t\n", "3: column 1: the file is empty"},
		{"\xef\xbb\xbf", "1: column 1: the file is empty"},
		{"{", "1: column 2: the file ends where a key in double quotes is expected"},
		{"{\n\"A\"", "2: column 4: the file ends where \":\" is expected"},
		{"{\"A\"}", "1: column 5: \"}\" where \":\" is expected"},
		{"{\"A\":", "1: column 6: the file ends where a value is expected"},
		{"{\"A\":}", "1: column 6: \"}\" where a value is expected"},
		{"{\"A\":1", "1: column 7: the file ends where \",\" or \"}\" is expected"},
		{"{\"A\":[1", "1: column 8: the file ends where \",\" or \"]\" is expected"},
		{"{\"A\":[1}", "1: column 8: \"}\" where \",\" or \"]\" is expected"},
		{"{\"A\":1\n \"B\":2}", "2: column 2: a string where \",\" or \"}\" is expected"},
		{"{\"A\":1,\n}", "2: column 1: nothing follows the comma before \"}\"; remove it"},
		{"{\"A\":[1,]}", "1: column 9: nothing follows the comma before \"]\"; remove it"},
		{"{,}", "1: column 2: \",\" where a key in double quotes is expected"},
		{"{\"A\":[,]}", "1: column 7: \",\" where a value is expected"},
		{"{A:1}", "1: column 2: \"A\" where a key in double quotes is expected"},
		{"{1:1}", "1: column 2: \"1\" where a key in double quotes is expected"},
		{"{'A':1}", "1: column 2: ' is no quotation mark in JSON; write \""},
		{"{\xe2\x80\x9c"
		 "A\xe2\x80\x9d:1}",
		 "1: column 2: \xe2\x80\x9c is no quotation mark in JSON; write \""},
		{"{\n// x\n}", "2: column 1: JSON has no comments; remove this one"},
		{"# x\n{}", "1: column 1: JSON has no comments; remove this one"},
		{"{} {}", "1: column 4: \"{\" where the end of the file is expected"},
		{"{}\n}", "2: column 1: \"}\" where the end of the file is expected"},
		{"{}\xc2\xa0", "1: column 3: a no-break space; write a plain space"},
		{"{}\f", "1: column 3: \"\\u000c\" where the end of the file is expected"},
		{"{\"A\":01}", "1: column 6: a number has no leading zeros; remove them"},
		{"{\"A\":-00}", "1: column 7: a number has no leading zeros; remove them"},
		{"{\"A\":-}", "1: column 7: \"}\" where a digit is expected"},
		{"{\"A\":1.}", "1: column 8: \"}\" where a digit is expected"},
		{"{\"A\":1e+}", "1: column 9: \"}\" where a digit is expected"},
		{"{\"A\":+1}", "1: column 6: \"+\" where a value is expected"},
		{"{\"A\":.5}", "1: column 6: \".\" where a value is expected"},
		{"{\"A\":514abc}", "1: column 9: \"a\" where \",\" or \"}\" is expected"},
		{"{\"A\":\"\xc3\xa9\t\"}",
		 "1: column 8: a control character in a string; write \\u0009"},
		{"{\"A\":\"a\nb\"}",
		 "1: column 8: a string must end in its own line: \" is missing"},
		{"{\"A\":\"a", "1: column 8: a string must end in its own line: \" is missing"},
		{"{\"A\":\"\\u12G4\"}", "1: column 8: \\u is followed by four hexadecimal digits"},
		{"{\"A\":\"\\u12", "1: column 8: \\u is followed by four hexadecimal digits"},
		{"{\"A\":\"\\u0000\"}", "1: column 8: \\u0000 is not allowed in a string"},
		{"{\"\\u0000\":1}", "1: column 4: \\u0000 is not allowed in a string"},
		{"{\"A\":\"\\ud836\\ude00\"}",
		 "1: column 8: write this character itself in place of its escape"},
		{"{\"A\":\"\\ud800\"}", "1: column 8: half of a surrogate pair is no character"},
		{"{\"A\":\"\\udc00\\ud800\"}",
		 "1: column 8: half of a surrogate pair is no character"},
		{"{\"A\":\"\\ud800\\u0041\"}",
		 "1: column 8: half of a surrogate pair is no character"},
	};

	(void)state;
	EACH(cases, "", "", "t:");
}

static void refuses_wrong_names_and_escapes(void **state)
{
	static const struct wrong names[] = {
		{"True", "True"},	  {"nul", "nul"},	    {"NaN", "NaN"},
		{"Infinity", "Infinity"}, {"truetrue", "truetrue"},
	};
	static const struct wrong escapes[] = {{"x", ""}, {"'", ""}, {"U0041", ""}, {"", ""}};
	char expected[512];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(expected, sizeof expected,
			 "t:1: column 6: %s is no value; a string stands in double quotes, and "
			 "the only names are true, false and null, in small letters",
			 names[i].message);
		expect_each(&(struct wrong){names[i].text, ""}, 1, "{\"A\":", "}", expected);
	}
	EACH(escapes, "{\"A\":\"\\", "\n\"}",
	     "t:1: column 8: a backslash in a string is followed by one of \" \\ / b f n r t u; "
	     "for a backslash write \\\\");
}

static void refuses_wrong_encodings(void **state)
{
	static const struct wrong cases[] = {
		{"\xe9", "0xe9"},
		{"\x80", "0x80"},
		{"\xc0\x80", "0xc0"},
		{"\xc1\xbf", "0xc1"},
		{"\xe0\x80\x80", "0xe0"},
		{"\xed\xa0\x80", "0xed"},
		{"\xf0\x80\x80\x80", "0xf0"},
		{"\xf4\x90\x80\x80", "0xf4"},
		{"\xf5\x80\x80\x80", "0xf5"},
		{"\xe2\x82", "0xe2"},
		{"\xe2\x82\"", "0xe2"},
		{"\xf0\x9f\x98", "0xf0"},
	};
	char expected[128];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(expected, sizeof expected,
			 "t:2: column 3: the byte %s is not valid UTF-8; save the file as UTF-8",
			 cases[i].message);
		expect_each(&(struct wrong){cases[i].text, ""}, 1, "{\n\"\xc3\xa9", "\":1}",
			    expected);
	}
	expect_bytes("{\n\0}", 4, "t:2: column 1: the byte 0x00 is not allowed in a text file\n");
	expect_bytes("\xff\xfe{\0}\0", 6, "t:1: column 1: the file is UTF-16; save it as UTF-8\n");
}

static void refuses_depth_and_size_beyond_the_limits(void **state)
{
	char text[256] = "{\"A\":", *large = malloc(CONFIG_TEXT_MAX + 1);

	(void)state;
	memset(text + 5, '[', CONFIG_DEPTH_MAX);
	expect(text, "t:1: column 37: nested deeper than 32 levels\n");
	memset(large, ' ', CONFIG_TEXT_MAX + 1);
	expect_bytes(large, CONFIG_TEXT_MAX, "t:1: column 16777217: the file is empty\n");
	expect_bytes(large, CONFIG_TEXT_MAX + 1, "t: larger than 16 MiB\n");
	free(large);
}

/* The deepest that is allowed comes to json-c too, and only what it means is wrong. */
static void takes_the_deepest_nesting_to_json_c(void **state)
{
	char text[256] = "[";

	(void)state;
	memset(text, '[', CONFIG_DEPTH_MAX - 2);
	strcpy(text + CONFIG_DEPTH_MAX - 2, "1");
	memset(text + CONFIG_DEPTH_MAX - 1, ']', CONFIG_DEPTH_MAX - 2);
	expect_each(&(struct wrong){text, ""}, 1,
		    "{\"R\": {\"SOURCEPORT\": 1, \"DESTINATION\": [\"192.0.2.1\"], \"X\": ", "}}",
		    "t:1: rule \"R\": X: unknown key; the keys here are SOURCEPORT, DESTINATION, "
		    "SOURCEADDRESS, LISTENADDRESS, INTERFACE, ORIGINAL, BALANCE, SAMPLE, "
		    "RATELIMIT, TTL, OVERSIZE, ENABLED");
}

static void refuses_wrong_top_levels(void **state)
{
	static const struct wrong cases[] = {
		{"[1,\n 2]", "t:2: [1, 2]: the file must hold one object; write { ... }"},
		{"null", "t:2: null: the file must hold one object; write { ... }"},
		{"\"{}\"", "t:2: \"{}\": the file must hold one object; write { ... }"},
		{"{\"R\": null}",
		 "t:2: rule \"R\": null: a rule is an object; write { \"SOURCEPORT\": \"514\", "
		 "\"DESTINATION\": [\"192.0.2.10/514\"] }"},
		{"{\"SETTINGS\": []}",
		 "t:2: SETTINGS: []: write an object, for example { \"QUEUE\": 7514 }\n"
		 "t:2: no rule; write at least one, for example \"Syslog\": { \"SOURCEPORT\": "
		 "\"514\", \"DESTINATION\": [\"192.0.2.10/514\"] }"},
		{"{}",
		 "t:2: no rule; write at least one, for example \"Syslog\": { \"SOURCEPORT\": "
		 "\"514\", \"DESTINATION\": [\"192.0.2.10/514\"] }"},
		{"{\n\"R\":\n{}}",
		 "t:3: rule \"R\": SOURCEPORT is missing; add it, for example \"SOURCEPORT\": "
		 "\"514\"\n"
		 "t:3: rule \"R\": DESTINATION is missing; add it, for example \"DESTINATION\": "
		 "[\"192.0.2.10/514\"]"},
	};

	(void)state;
	EACH(cases, "\n", "", "");
}

static void refuses_wrong_rule_names(void **state)
{
	static const struct wrong cases[] = {
		{"", "\"\": the name has 0 bytes; write a name of 1 to 64"},
		{"0123456789012345678901234567890123456789012345678901234567890123x",
		 "\"01234567890123456789012345678901234567890123456789012345678...\": the name "
		 "has 65 bytes; write a name of 1 to 64"},
		{"a\\n", "\"a\\u000a\": a control character in the name; write a name without"},
		{"\x7f", "\"\\u007f\": a control character in the name; write a name without"},
		{"\\u001f", "\"\\u001f\": a control character in the name; write a name without"},
		{"a\xc2\x85",
		 "\"a\\u0085\": a control character in the name; write a name without"},
		{"\\u009f", "\"\\u009f\": a control character in the name; write a name without"},
	};

	(void)state;
	EACH(cases, "{\n\"", "\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.1\"]}}",
	     "t:2: rule ");
}

static void refuses_wrong_ports(void **state)
{
	static const char *const wrong[] = {
		"\"514abc\"",
		"\" 514\"",
		"\"514 \"",
		"\"+514\"",
		"\"-514\"",
		"\"0514\"",
		"\"\"",
		"\"0\"",
		"\"65536\"",
		"\"0-5\"",
		"\"5-\"",
		"\"5-65536\"",
		"\"1-2-3\"",
		"\"1 - 2\"",
		"\"0x202\"",
		"\"4294967810\"",
		"\"514,515\"",
		"0",
		"-1",
		"65536",
		"514.0",
		"5e2",
		"99999999999999999999",
		"true",
		"null",
		"{}",
		"{\"A\": 1}",
		"\"*\"",
		"18446744073709552130",
	};
	char expected[512];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct wrong one = {wrong[i], ""};

		snprintf(expected, sizeof expected,
			 "t:2: rule \"R\": SOURCEPORT: %s: write a port from 1 to 65535, for "
			 "example \"514\", or a range, for example \"2055-2060\"",
			 wrong[i]);
		expect_each(&one, 1, "{\"R\": {\"SOURCEPORT\":\n",
			    ", \"DESTINATION\": [\"192.0.2.1\"]}}", expected);
		snprintf(expected, sizeof expected,
			 "t:3: rule \"R\": SOURCEPORT[2]: %s: write a port from 1 to 65535, for "
			 "example \"514\", or a range, for example \"2055-2060\"",
			 wrong[i]);
		expect_each(&one, 1, "{\"R\": {\"SOURCEPORT\":\n[1,\n",
			    "], \"DESTINATION\": [\"192.0.2.1\"]}}", expected);
	}
}

static void refuses_wrong_port_lists(void **state)
{
	static const struct wrong cases[] = {
		{"[]", ": []: no port at all; write for example [\"514\"]"},
		{"\"2060-2055\"", ": \"2060-2055\": the first port is the larger one; write "
				  "\"2055-2060\""},
		{"[514, \"514\"]", "[2]: \"514\": port 514 stands in entry 1 already; write each "
				   "port once"},
		{"[\"9-20\", 5, \"1-10\"]",
		 "[3]: \"1-10\": port 5 stands in entry 2 already; write each port once\n"
		 "t:2: rule \"R\": SOURCEPORT[3]: \"1-10\": port 9 stands in entry 1 already; "
		 "write each port once"},
		{"[\"1-100\", \"2-3\", 50]",
		 "[2]: \"2-3\": port 2 stands in entry 1 already; write each port once\n"
		 "t:2: rule \"R\": SOURCEPORT[3]: 50: port 50 stands in entry 1 already; write "
		 "each port once"},
		{"[1, \"5-100\", 50]",
		 "[3]: 50: port 50 stands in entry 2 already; write each port once"},
		{"[[1]]", "[1]: [1]: write a port from 1 to 65535, for example \"514\", or a "
			  "range, for example \"2055-2060\""},
	};

	(void)state;
	EACH(cases, "{\"R\": {\"SOURCEPORT\":\n", ", \"DESTINATION\": [\"192.0.2.1\"]}}",
	     "t:2: rule \"R\": SOURCEPORT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_wrong_syntax),
		cmocka_unit_test(refuses_wrong_names_and_escapes),
		cmocka_unit_test(refuses_wrong_encodings),
		cmocka_unit_test(refuses_depth_and_size_beyond_the_limits),
		cmocka_unit_test(takes_the_deepest_nesting_to_json_c),
		cmocka_unit_test(refuses_wrong_top_levels),
		cmocka_unit_test(refuses_wrong_rule_names),
		cmocka_unit_test(refuses_wrong_ports),
		cmocka_unit_test(refuses_wrong_port_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
