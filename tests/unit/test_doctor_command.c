/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/doctor_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static void input_goes_in_and_output_comes_back(void **state)
{
	const char *const argv[] = {"tr", "a-z", "A-Z", NULL};
	char *output;

	(void)state;
	assert_int_equal(doctor_command(argv, "what it prints", &output), 0);
	assert_string_equal(output, "WHAT IT PRINTS");
	free(output);
}

static void failures_are_told_apart(void **state)
{
	const char *const fails[] = {"sh", "-c", "exit 7", NULL};
	const char *const missing[] = {"no-such-program", NULL};

	(void)state;
	assert_int_equal(doctor_command(fails, NULL, NULL), 1);
	assert_int_equal(doctor_command(missing, NULL, NULL), -ENOENT);
}

/* Whether nobody has the file locked any more, or will not have within five seconds. */
static int is_unlocked_soon(const char *path)
{
	const struct timespec step = {.tv_nsec = 10000000};
	FILE *file = fopen(path, "r");
	int result = -1;

	assert_non_null(file);
	for (int i = 0; result < 0 && i < 500; i++) {
		result = flock(fileno(file), LOCK_EX | LOCK_NB);
		nanosleep(&step, NULL);
	}
	fclose(file);
	return result == 0;
}

/* A shell's child, which inherits a lock, outlives the shell unless it is ended too. */
static void what_takes_too_long_is_ended_with_its_children(void **state)
{
	char path[] = "/tmp/doctor.XXXXXX", script[128];
	const char *const argv[] = {"sh", "-c", script, NULL};

	(void)state;
	assert_true(close(mkstemp(path)) == 0);
	snprintf(script, sizeof(script), "exec 9<%s; flock 9; sleep 60 & wait", path);
	assert_int_equal(doctor_command_within(300, argv, NULL, NULL), -ETIMEDOUT);
	assert_true(is_unlocked_soon(path));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_goes_in_and_output_comes_back),
		cmocka_unit_test(failures_are_told_apart),
		cmocka_unit_test(what_takes_too_long_is_ended_with_its_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
