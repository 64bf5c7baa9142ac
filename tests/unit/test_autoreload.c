/* SPDX-License-Identifier: MIT */
/* What is noticed of a file, by inotify, and that one save is one change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/autoreload.h"
#include "loop_wait.h"

#include <fcntl.h>
#include <sys/stat.h>

#define LIMIT_MS 5000
#define QUIET_MS 500 /* more than a change may take to be told */

/* A folder with the file that is watched, and another one for what lies behind links. */
struct fixture {
	struct loop_wait wait;
	char folder[64];
	char file[96];
	struct autoreload *autoreload;
	unsigned changes;
	unsigned expected;
};

/* Runs a command of the shell in the fixture's folder. */
static void in_folder(const struct fixture *fixture, const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "cd %s && %s", fixture->folder, command);
	assert_int_equal(system(line), 0);
}

static int begin(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	strcpy(fixture->folder, "/tmp/test_autoreload.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->file, sizeof(fixture->file), "%s/etc/config", fixture->folder);
	in_folder(fixture, "mkdir etc else && echo 1 >etc/config");
	loop_wait_begin(&fixture->wait);
	*state = fixture;
	return 0;
}

static int end(void **state)
{
	struct fixture *fixture = *state;

	autoreload_close(fixture->autoreload);
	loop_wait_end(&fixture->wait);
	in_folder(fixture, "rm -r etc else");
	rmdir(fixture->folder);
	free(fixture);
	return 0;
}

static void on_changed(void *context)
{
	struct fixture *fixture = context;

	fixture->changes++;
}

static void watch(struct fixture *fixture)
{
	assert_int_equal(autoreload_open(&fixture->autoreload, fixture->wait.base, fixture->file,
					 on_changed, fixture),
			 0);
}

static bool has_changed(void *context)
{
	const struct fixture *fixture = context;

	return fixture->changes >= fixture->expected;
}

/* The command is noticed, and told once. */
static void expect_one_change(struct fixture *fixture, const char *command)
{
	fixture->expected = fixture->changes + 1;
	in_folder(fixture, command);
	if (!loop_until(&fixture->wait, has_changed, fixture, LIMIT_MS))
		fail_msg("not noticed: %s", command);
	loop_for(&fixture->wait, QUIET_MS);
	if (fixture->changes != fixture->expected)
		fail_msg("told %u times: %s", fixture->changes - fixture->expected + 1, command);
}

static void every_way_to_save_a_file(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture);
	expect_one_change(fixture, "echo 2 >etc/config");
	expect_one_change(fixture, "echo 3 >etc/fresh && mv etc/fresh etc/config");
	expect_one_change(fixture, "ln -f etc/config else/held && rm etc/config &&"
				   " cp else/held etc/config && chmod 644 etc/config &&"
				   " touch etc/config");
	expect_one_change(fixture, "rm etc/config && ln else/held etc/config");
}

/* The daemon refuses a file that others can write, and this mends it. */
static void a_changed_mode(void **state)
{
	struct fixture *fixture = *state;

	in_folder(fixture, "chmod 666 etc/config");
	watch(fixture);
	expect_one_change(fixture, "chmod 644 etc/config");
}

static void other_files_are_none_of_its_business(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture);
	in_folder(fixture, "echo 2 >etc/other && chmod 600 etc/other && cat etc/config >etc/third"
			   " && chmod 700 etc");
	loop_for(&fixture->wait, QUIET_MS);
	assert_int_equal(fixture->changes, 0);
}

static void a_file_behind_a_link(void **state)
{
	struct fixture *fixture = *state;

	in_folder(fixture, "mv etc/config else/real && ln -s ../else/real etc/config");
	watch(fixture);
	expect_one_change(fixture, "echo 2 >else/real");
	expect_one_change(fixture, "echo 3 >else/fresh && mv else/fresh else/real");
	/* Another link in its place; then that one's file. */
	expect_one_change(fixture, "mkdir else/more && echo 4 >else/more/real &&"
				   " ln -sf ../else/more/real etc/config");
	expect_one_change(fixture, "echo 5 >else/more/real");
	in_folder(fixture, "echo 6 >else/real");
	loop_for(&fixture->wait, QUIET_MS);
	assert_int_equal(fixture->changes, 4);
	expect_one_change(fixture, "rm etc/config && echo 7 >etc/config");
	expect_one_change(fixture, "echo 8 >etc/config");
}

/* As a Kubernetes ConfigMap is mounted: a link to a file in a folder that is itself a link. */
static void a_folder_that_is_swapped(void **state)
{
	struct fixture *fixture = *state;

	in_folder(fixture, "mkdir etc/one etc/two && echo 2 >etc/two/config &&"
			   " mv etc/config etc/one/config && ln -s one etc/data &&"
			   " ln -s data/config etc/config");
	watch(fixture);
	expect_one_change(fixture, "ln -s two etc/fresh && mv -T etc/fresh etc/data &&"
				   " rm -r etc/one");
	expect_one_change(fixture, "echo 3 >etc/two/config");
}

static void a_folder_that_is_replaced(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture);
	expect_one_change(fixture, "mkdir new && echo 2 >new/config && mv etc else/old &&"
				   " mv new etc");
	expect_one_change(fixture, "echo 3 >etc/config");
	in_folder(fixture, "echo 4 >else/old/config");
	loop_for(&fixture->wait, QUIET_MS);
	assert_int_equal(fixture->changes, 2);
	in_folder(fixture, "rm -r etc");
	loop_for(&fixture->wait, QUIET_MS);
	assert_int_equal(fixture->changes, 2);
	expect_one_change(fixture, "mkdir etc && echo 5 >etc/config");
	expect_one_change(fixture, "echo 6 >etc/config");
}

/* It is not read before it is complete. */
static void a_slow_writer(void **state)
{
	struct fixture *fixture = *state;
	FILE *file;

	in_folder(fixture, "rm etc/config");
	in_folder(fixture, "echo 1 >etc/config");
	watch(fixture);
	in_folder(fixture, "rm etc/config");
	file = fopen(fixture->file, "w");
	assert_non_null(file);
	fputs("{", file);
	fflush(file);
	loop_for(&fixture->wait, QUIET_MS);
	assert_int_equal(fixture->changes, 0);
	fclose(file);
	expect_one_change(fixture, "true");
}

/* Other files of the folder change all the time, while a link has come to lead elsewhere. */
static void a_busy_folder(void **state)
{
	struct fixture *fixture = *state;

	in_folder(fixture, "mkdir etc/one etc/two && echo 2 >etc/two/config &&"
			   " mv etc/config etc/one/config && ln -s one etc/data &&"
			   " ln -s data/config etc/config");
	watch(fixture);
	in_folder(fixture, "ln -s two etc/fresh && mv -T etc/fresh etc/data");
	for (unsigned i = 0; i < 20 && fixture->changes == 0; i++) {
		in_folder(fixture, "echo >etc/other");
		loop_for(&fixture->wait, 100);
	}
	assert_int_equal(fixture->changes, 1);
}

#define watching(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		watching(every_way_to_save_a_file),
		watching(a_changed_mode),
		watching(other_files_are_none_of_its_business),
		watching(a_file_behind_a_link),
		watching(a_folder_that_is_swapped),
		watching(a_folder_that_is_replaced),
		watching(a_slow_writer),
		watching(a_busy_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
