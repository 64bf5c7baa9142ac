/* SPDX-License-Identifier: MIT */
/* Lines for machines, and what a storm of lines leaves on stderr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/log_limit.h"
#include "control/log_line.h"
#include "log_stream.h"

#include <json-c/json.h>
#include <regex.h>

/* The text that a key of a JSON line has. */
static const char *text_at(struct json_object *line, const char *key)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(line, key, &value));
	assert_true(json_object_is_type(value, json_type_string));
	return json_object_get_string(value);
}

static void assert_matches(const char *text, const char *pattern)
{
	regex_t compiled;

	assert_int_equal(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&compiled, text, 0, NULL, 0) != 0)
		fail_msg("%s is not as %s", text, pattern);
	regfree(&compiled);
}

static void lines_for_machines(void **state)
{
	struct stream stream = redirect_to_pipe();
	struct json_object *line, *pid;
	char text[512];

	(void)state;
	log_set_format(LOG_FORMAT_JSON);
	log_warning("a \"quoted\" \\ b\n\xff/%s", "\xe2\x82\xac");
	take(&stream, text, sizeof(text));
	assert_int_equal(strcspn(text, "\n"), strlen(text) - 1);
	line = json_tokener_parse(text);
	assert_non_null(line);
	assert_int_equal(json_object_object_length(line), 4);
	assert_matches(text_at(line, "time"),
		       "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9](:[0-5][0-9]){2}\\.[0-9]{3}Z$");
	assert_string_equal(text_at(line, "level"), "warning");
	assert_string_equal(text_at(line, "message"),
			    "a \"quoted\" \\ b \xef\xbf\xbd/\xe2\x82\xac");
	assert_true(json_object_object_get_ex(line, "pid", &pid));
	assert_int_equal(json_object_get_int(pid), getpid());
	json_object_put(line);
}

static void the_time_is_utc(void **state)
{
	const struct log_line line = {
		LOG_LEVEL_INFO, "m", 7, {.tv_sec = 1795423815, .tv_nsec = 42999999}, 5,
	};
	char text[LOG_LINE_JSON_SIZE(2)];

	(void)state;
	setenv("TZ", "Asia/Tokyo", 1);
	tzset();
	log_line_json(&line, text);
	unsetenv("TZ");
	assert_string_equal(text, "{\"time\":\"2026-11-23T08:50:15.042Z\",\"level\":\"info\","
				  "\"pid\":5,\"held_back\":7,\"message\":\"m\"}");
}

/* Nothing but escapes, as many as a message can have. */
static void the_longest_line_for_machines(void **state)
{
	struct stream stream = redirect_to_pipe();
	char text[8192], longest[5000];
	struct json_object *line;

	(void)state;
	memset(longest, '\\', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	log_set_format(LOG_FORMAT_JSON);
	log_error("%s", longest);
	take(&stream, text, sizeof(text));
	line = json_tokener_parse(text);
	assert_in_range(strlen(text_at(line, "message")), 1024, 2048);
	json_object_put(line);
}

/* The journal takes the priority; what is left is the object. */
static void the_journal_gets_priorities_of_json_lines(void **state)
{
	struct stream stream;
	char text[256];
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	name_the_journal(ends[1], 0);
	log_set_format(LOG_FORMAT_JSON);
	stream = redirect(ends[0], ends[1]);
	log_error("e");
	take(&stream, text, sizeof(text));
	assert_matches(text, "^<3>\\{\"time\":.*\"level\":\"error\".*\\}\n$");
}

static uint64_t now_ms;

static uint64_t clock_of_the_test(void)
{
	return now_ms;
}

/* Where the line that comes last but so many begins. */
static const char *from_the_end(const char *text, int lines)
{
	const char *at = text + strlen(text);

	for (; at > text; at--)
		if (at[-1] == '\n' && lines-- == 0)
			break;
	return at;
}

static void a_storm_is_held_back_and_counted(void **state)
{
	static const char expected[] =
		"program: warning: server 999 is down (949 more like this held back in the last 20 "
		"s)\n"
		"program: warning: server 2001 is down (the latest of 2 like this held back in the "
		"last 20 s)\n"
		"program: warning: server 2002 is down (held back 3 s ago)\n"
		"program: stopped\n";
	struct stream stream = redirect_to_pipe();
	static char text[16384];

	(void)state;
	now_ms = 1;
	log_limit_begin(clock_of_the_test);
	for (int i = 0; i < 1000; i++) {
		if (i == 999)
			now_ms += LOG_LIMIT_INTERVAL_MS;
		log_warning("server %d is down", i);
	}
	log_warning("server %d is down", 2000);
	log_warning("server %d is down", 2001);
	log_limit_tick();
	now_ms += LOG_LIMIT_INTERVAL_MS;
	log_limit_tick();
	log_limit_tick();
	log_warning("server %d is down", 2002);
	now_ms += 2001;
	log_limit_end();
	log_info("stopped");
	take(&stream, text, sizeof(text));
	assert_int_equal(lines_of(text), LOG_LIMIT_BURST + 4);
	assert_string_equal(from_the_end(text, 4), expected);
}

/* Of one that never rests, the last line is the last change; others are told of all the same. */
static void changes_to_and_fro(void **state)
{
	struct stream stream = redirect_to_pipe();
	static char text[16384];

	(void)state;
	log_limit_begin(clock_of_the_test);
	for (int i = 0; i < 1000; i++) {
		log_change("a", LOG_LEVEL_WARNING, "%s is down", "a");
		log_change("a", LOG_LEVEL_INFO, "%s is up again", "a");
	}
	log_change("b", LOG_LEVEL_WARNING, "%s is down", "b");
	log_change("a", LOG_LEVEL_WARNING, "%s is down", "a");
	now_ms += LOG_LIMIT_INTERVAL_MS;
	log_limit_tick();
	log_change("a", LOG_LEVEL_INFO, "%s is up again", "a");
	log_limit_end();
	take(&stream, text, sizeof(text));
	assert_int_equal(lines_of(text), LOG_LIMIT_BURST + 3);
	assert_string_equal(from_the_end(text, 3),
			    "program: warning: b is down\n"
			    "program: warning: a is down (the latest of 1951 like this held back "
			    "in the last 20 s)\n"
			    "program: a is up again (held back 1 s ago)\n");
}

/* As many lines as they have, they come and go together. */
static void reports_count_once(void **state)
{
	struct stream stream = redirect_to_pipe();
	static char text[16384];

	(void)state;
	log_limit_begin(clock_of_the_test);
	for (int i = 0; i < 1000; i++)
		log_lines(LOG_LEVEL_ERROR, "report: ", "one\ntwo\nthree\n");
	log_limit_end();
	take(&stream, text, sizeof(text));
	assert_int_equal(lines_of(text), 3 * LOG_LIMIT_BURST + 1);
	assert_string_equal(from_the_end(text, 1),
			    "program: error: report: one (the latest of 950 like this held back in "
			    "the last 1 s)\n");
}

static void machines_are_told_how_many(void **state)
{
	struct stream stream = redirect_to_pipe();
	struct json_object *line, *count;
	static char text[16384];

	(void)state;
	log_set_format(LOG_FORMAT_JSON);
	log_limit_begin(clock_of_the_test);
	for (int i = 0; i < LOG_LIMIT_BURST + 7; i++)
		log_info("again");
	now_ms += LOG_LIMIT_INTERVAL_MS;
	log_info("again");
	log_limit_end();
	take(&stream, text, sizeof(text));
	line = json_tokener_parse(from_the_end(text, 1));
	assert_true(json_object_object_get_ex(line, "held_back", &count));
	assert_int_equal(json_object_get_int(count), 7);
	json_object_put(line);
}

/* What is not wanted any more when its turn comes is not told. */
static void a_level_that_was_changed_meanwhile(void **state)
{
	struct stream stream = redirect_to_pipe();
	static char text[16384];

	(void)state;
	log_limit_begin(clock_of_the_test);
	for (int i = 0; i < LOG_LIMIT_BURST + 7; i++)
		log_info("again");
	log_set_level(LOG_LEVEL_WARNING);
	log_limit_end();
	take(&stream, text, sizeof(text));
	assert_int_equal(lines_of(text), LOG_LIMIT_BURST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		logging(lines_for_machines),
		logging(the_time_is_utc),
		logging(the_longest_line_for_machines),
		logging(the_journal_gets_priorities_of_json_lines),
		logging(a_storm_is_held_back_and_counted),
		logging(changes_to_and_fro),
		logging(reports_count_once),
		logging(machines_are_told_how_many),
		logging(a_level_that_was_changed_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
