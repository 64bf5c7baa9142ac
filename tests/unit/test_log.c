/* SPDX-License-Identifier: MIT */
/* Lines as they come out of stderr, which is a pipe here, or the journal's socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log_stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define LINES_EACH 50

static void say_all(void)
{
	log_error("a%d", 1);
	log_warning("b%s", "2");
	log_info("c");
	log_debug("d");
}

static void a_line_says_who_and_how_bad(void **state)
{
	struct stream stream = redirect_to_pipe();
	char text[256];

	(void)state;
	say_all();
	take(&stream, text, sizeof(text));
	assert_string_equal(text, "program: error: a1\nprogram: warning: b2\nprogram: c\n");
}

static void levels(void **state)
{
	static const struct {
		enum log_level level;
		unsigned lines;
	} cases[] = {
		{LOG_LEVEL_ERROR, 1},
		{LOG_LEVEL_WARNING, 2},
		{LOG_LEVEL_INFO, 3},
		{LOG_LEVEL_DEBUG, 4},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct stream stream = redirect_to_pipe();

		log_set_level(cases[i].level);
		say_all();
		take(&stream, text, sizeof(text));
		assert_int_equal(lines_of(text), cases[i].lines);
	}
}

static void the_journal_gets_priorities(void **state)
{
	struct stream stream;
	char text[256];
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	name_the_journal(ends[1], 0);
	log_set_level(LOG_LEVEL_DEBUG);
	stream = redirect(ends[0], ends[1]);
	say_all();
	take(&stream, text, sizeof(text));
	assert_string_equal(text, "<3>a1\n<4>b2\n<6>c\n<7>d\n");
}

/* The variable is inherited, also by a child whose stderr goes elsewhere. */
static void nobody_else_gets_them(void **state)
{
	struct stream stream = redirect_to_pipe();
	char text[256];

	(void)state;
	name_the_journal(STDERR_FILENO, 1);
	log_info("c");
	setenv("JOURNAL_STREAM", "no numbers", 1);
	log_info("d");
	take(&stream, text, sizeof(text));
	assert_string_equal(text, "program: c\nprogram: d\n");
}

/* Whoever chose a text that is logged cannot forge a line with it. */
static void an_event_is_one_line(void **state)
{
	static const char expected[] = "program: one program: error: two  [31m \nprogram: xxx";
	struct stream stream = redirect_to_pipe();
	char text[8192], *longest = malloc(5000);

	(void)state;
	assert_non_null(longest);
	memset(longest, 'x', 4999);
	longest[4999] = '\0';
	log_info("one\nprogram: error: two\r\x1b[31m\x7f");
	log_info("%s", longest);
	take(&stream, text, sizeof(text));
	free(longest);
	assert_memory_equal(text, expected, strlen(expected));
	assert_ptr_equal(strchr(strchr(text, '\n') + 1, '\n'), text + strlen(text) - 1);
	assert_in_range(strlen(text), 1024, 4096);
}

/* Whatever the bytes, what is written is UTF-8: the journal shows nothing else as text. */
static void bytes_that_are_no_text(void **state)
{
	static const char expected[] = "program: a\xef\xbf\xbd\xef\xbf\xbd b \xe2\x82\xac "
				       "\xef\xbf\xbd\n";
	struct stream stream = redirect_to_pipe();
	char text[256];

	(void)state;
	log_info("a\xff\xc0 b\xc2\x9b\xe2\x82\xac \xe2");
	take(&stream, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void a_report_of_several_lines(void **state)
{
	struct stream stream = redirect_to_pipe();
	char text[256];

	(void)state;
	log_lines(LOG_LEVEL_WARNING, "report: ", "one\n\ntwo\nthree");
	log_lines(LOG_LEVEL_DEBUG, "report: ", "four\n");
	log_lines(LOG_LEVEL_ERROR, "report: ", "");
	take(&stream, text, sizeof(text));
	assert_string_equal(text, "program: warning: report: one\n"
				  "program: warning: report: two\n"
				  "program: warning: report: three\n");
}

static void *say_many(void *context)
{
	for (int i = 0; i < LINES_EACH; i++)
		log_info("%s", (const char *)context);
	return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
	static const char said[] = "a line that must stay in one piece";
	struct stream stream = redirect_to_pipe();
	static char text[THREADS * LINES_EACH * 64];
	pthread_t threads[THREADS];
	unsigned lines = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, say_many, (void *)said), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	take(&stream, text, sizeof(text));
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) && *line; lines++)
		assert_string_equal(line, "program: a line that must stay in one piece");
	assert_int_equal(lines, THREADS * LINES_EACH);
}

static void nobody_reads(void **state)
{
	struct stream stream = redirect_to_pipe();
	char text[16];

	(void)state;
	close(STDERR_FILENO);
	log_error("to a descriptor that is closed");
	take(&stream, text, sizeof(text));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		logging(a_line_says_who_and_how_bad),
		logging(levels),
		logging(the_journal_gets_priorities),
		logging(nobody_else_gets_them),
		logging(an_event_is_one_line),
		logging(bytes_that_are_no_text),
		logging(a_report_of_several_lines),
		logging(lines_of_threads_do_not_mix),
		logging(nobody_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
