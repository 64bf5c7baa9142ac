/* SPDX-License-Identifier: MIT */
/* What becomes of the other programs' formats. SEED=n repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/import.h"

#include "import_conversions.h"
#include "random.h"

#include <json-c/json.h>
#include <string.h>

#define ROUNDS 40000
#define LARGEST 1024

static struct import_result convert(const char *format, const char *text, size_t length,
				    uint16_t port)
{
	struct import_result result;
	char *copy = malloc(length ? length : 1); /* of this size, so that ASan sees the end */

	memcpy(copy, text, length);
	import_convert(import_format_find(format), copy, length, "f", port, &result);
	free(copy);
	return result;
}

static bool begins(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* Whether the configuration is one that the program takes. */
static void expect_valid(const char *config, const char *from)
{
	struct config_errors errors = {0};
	struct config *parsed = config_parse(config, strlen(config), "imported", &errors);

	if (!parsed)
		fail_msg("%s\nfrom %s\nbecame\n%s", errors.messages[0], from, config);
	config_free(parsed);
	config_errors_free(&errors);
}

static void expect_config(const struct import_result *result, const struct conversion *wanted)
{
	struct json_object *json;

	if (!wanted->config) {
		assert_null(result->config);
		return;
	}
	if (!result->config)
		fail_msg("nothing became of %s", wanted->text);
	json = json_tokener_parse(result->config);
	assert_string_equal(json_object_to_json_string_ext(
				    json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
			    wanted->config);
	json_object_put(json);
	expect_valid(result->config, wanted->text);
}

static void expect_messages(const struct config_errors *messages, const struct conversion *wanted)
{
	size_t next = 0;

	for (size_t i = 0; i < messages->count; i++) {
		const char *message = messages->messages[i];

		if (begins(message, "f: "))
			continue;
		if (next == 6 || !wanted->messages[next])
			fail_msg("more than wanted about %s: %s", wanted->text, message);
		if (!begins(message, wanted->messages[next]))
			fail_msg("\"%s\" begins not as \"%s\"", message, wanted->messages[next]);
		next++;
	}
	if (next < 6 && wanted->messages[next])
		fail_msg("missing about %s: %s", wanted->text, wanted->messages[next]);
}

static void expect(const char *format, const struct conversion *all, size_t count)
{
	for (const struct conversion *wanted = all; wanted < all + count; wanted++) {
		struct import_result result =
			convert(format, wanted->text, strlen(wanted->text), 0);

		expect_config(&result, wanted);
		expect_messages(&result.messages, wanted);
		if (result.complete != wanted->complete)
			fail_msg("%scomplete: %s", result.complete ? "" : "in", wanted->text);
		import_result_free(&result);
	}
}

static void converts_samplicator(void **state)
{
	(void)state;
	expect("samplicator", samplicator, sizeof samplicator / sizeof *samplicator);
}

static void converts_pmacct(void **state)
{
	(void)state;
	expect("pmacct", pmacct, sizeof pmacct / sizeof *pmacct);
}

static bool has_message(const struct config_errors *messages, const char *part)
{
	for (size_t i = 0; i < messages->count; i++)
		if (strstr(messages->messages[i], part))
			return true;
	return false;
}

static void says_what_the_file_does_not(void **state)
{
	static const char line[] = "0.0.0.0/0: 192.0.2.1/1", pool[] = "id=1 ip=192.0.2.1:1";
	struct import_result result = convert("samplicator", line, strlen(line), 0);

	(void)state;
	assert_true(has_message(&result.messages, "f: note: SOURCEPORT is 2000, samplicate's"));
	assert_true(has_message(&result.messages, "f: note: copies carry the client's own"));
	assert_true(has_message(&result.messages, "f: note: destinations on samplicate's command"));
	import_result_free(&result);
	result = convert("samplicator", line, strlen(line), 9996);
	assert_true(has_message(&result.messages, "f: note: SOURCEPORT is 9996, as --port says"));
	assert_non_null(strstr(result.config, "\"9996\""));
	import_result_free(&result);
	result = convert("pmacct", pool, strlen(pool), 0);
	assert_true(has_message(&result.messages, "f: note: SOURCEPORT is 2100, nfacctd's"));
	assert_true(has_message(&result.messages, "tee_transparent"));
	assert_int_equal(result.messages.count, 2);
	import_result_free(&result);
	result = convert("pmacct", "", 0, 0);
	assert_int_equal(result.messages.count, 1);
	assert_string_equal(result.messages.messages[0], "f: nothing to convert in this file");
	import_result_free(&result);
	assert_null(import_format_find("nprobe"));
}

static void refuses_what_is_no_text(void **state)
{
	static const char text[] = "0.0.0.0/0: 192.0.2.1/1\n0.0.0.0/0: 192.0.2.2\0/1\n";
	struct import_result result = convert("samplicator", text, sizeof text - 1, 0);

	(void)state;
	assert_false(result.complete);
	assert_true(has_message(&result.messages, "f:2: a NUL byte"));
	import_result_free(&result);
}

static void takes_as_many_destinations_as_a_rule_can_have(void **state)
{
	char text[4096] = "0.0.0.0/0:", *end = text + strlen(text);
	struct import_result result;

	(void)state;
	for (int i = 1; i <= CONFIG_DESTINATIONS_MAX; i++)
		end += sprintf(end, " 192.0.2.%d", i);
	result = convert("samplicator", text, strlen(text), 0);
	assert_true(result.complete);
	expect_valid(result.config, text);
	import_result_free(&result);
	strcpy(end, " 192.0.2.99");
	result = convert("samplicator", text, strlen(text), 0);
	assert_false(result.complete);
	assert_true(has_message(&result.messages, "\"192.0.2.99\": more than 64 destinations"));
	assert_null(strstr(result.config, "192.0.2.99"));
	expect_valid(result.config, text);
	import_result_free(&result);
}

/* Labels of 63 bytes and names of 253, and not one more. */
static void takes_host_names_of_any_valid_length(void **state)
{
	static const struct {
		int labels, label_length, last_length;
		bool valid;
	} cases[] = {{0, 0, 63, true}, {0, 0, 64, false}, {3, 63, 61, true}, {3, 63, 62, false}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[512] = "0.0.0.0/0: ", *end = text + strlen(text);
		struct import_result result;

		for (int label = 0; label < cases[i].labels; label++)
			end += sprintf(end, "%0*d.", cases[i].label_length, label);
		sprintf(end, "%0*d/65535", cases[i].last_length, 0);
		end[cases[i].last_length - 1] = 'x';
		result = convert("samplicator", text, strlen(text), 0);
		assert_int_equal(result.complete, cases[i].valid);
		if (result.config)
			expect_valid(result.config, text);
		import_result_free(&result);
	}
}

static void writes_for_people(void **state)
{
	static const char text[] = "10.0.0.0/8: 192.0.2.1/514\n";
	struct import_result result = convert("samplicator", text, strlen(text), 514);

	(void)state;
	assert_string_equal(result.config, "{\n"
					   "\t\"from-10.0.0.0/8\": {\n"
					   "\t\t\"SOURCEPORT\": \"514\",\n"
					   "\t\t\"SOURCEADDRESS\": \"10.0.0.0/8\",\n"
					   "\t\t\"DESTINATION\": [\n"
					   "\t\t\t\"192.0.2.1/514\"\n"
					   "\t\t]\n"
					   "\t}\n"
					   "}\n");
	import_result_free(&result);
}

/* Puts random bytes, or pieces that parsers stumble over, in random places. */
static size_t change(char *text, size_t length)
{
	static const char *const pieces[] = {
		"\n", "[",  "]",   "/",	 ":",	"=",   ",",   "#", "!",	  " ",	  "\t", "::1",
		"%",  "/0", "/32", "\r", "id=", "ip=", "tag", "0", "255", "\xc3", "\"", "\\"};
	const char *piece = pieces[random_below(sizeof pieces / sizeof *pieces)];
	size_t at = random_below((uint32_t)length + 1), added = strlen(piece);
	size_t removed = random_below(4);
	char byte = (char)random_below(256);

	if (random_below(4) == 0) {
		piece = &byte;
		added = 1;
	}
	if (removed > length - at)
		removed = length - at;
	if (length - removed + added > LARGEST)
		return length;
	memmove(text + at + added, text + at + removed, length - at - removed);
	memcpy(text + at, piece, added);
	return length - removed + added;
}

/* Never a crash, never a configuration that the program refuses, never silence. */
static bool try_changed(const char *format, const struct conversion *from)
{
	struct import_result result;
	char text[LARGEST + 1];
	size_t length = strlen(from->text);
	bool converted;

	memcpy(text, from->text, length);
	for (uint32_t changes = random_below(6); changes > 0; changes--)
		length = change(text, length);
	result = convert(format, text, length, 0);
	converted = result.config;
	text[length] = '\0';
	if (result.config)
		expect_valid(result.config, text);
	assert_true(result.messages.count > 0);
	assert_false(result.complete && !result.config);
	import_result_free(&result);
	return converted;
}

static void survives_random_changes(void **state)
{
	size_t converted = 0;

	(void)state;
	random_begin();
	for (int round = 0; round < ROUNDS; round++) {
		if (round % 2)
			converted += try_changed(
				"pmacct", &pmacct[random_below(sizeof pmacct / sizeof *pmacct)]);
		else
			converted += try_changed("samplicator",
						 &samplicator[random_below(sizeof samplicator /
									   sizeof *samplicator)]);
	}
	/* Otherwise the changes are too coarse or too fine. */
	assert_in_range(converted, ROUNDS / 4, ROUNDS * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(converts_samplicator),
		cmocka_unit_test(converts_pmacct),
		cmocka_unit_test(says_what_the_file_does_not),
		cmocka_unit_test(refuses_what_is_no_text),
		cmocka_unit_test(takes_as_many_destinations_as_a_rule_can_have),
		cmocka_unit_test(takes_host_names_of_any_valid_length),
		cmocka_unit_test(writes_for_people),
		cmocka_unit_test(survives_random_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
