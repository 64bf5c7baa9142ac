/* SPDX-License-Identifier: MIT */
/* What 'reload' ends with when nobody answers; tests/netns has it with a daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/verbs.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* From now on, the kernel refuses connect(2) with this error, as seccomp(2) has it do. */
static int refuse_connect(unsigned error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* The exit code of 'reload', with connect(2) refused, or let through to where nobody is. */
static int reload_exit_code(unsigned error)
{
	const struct options options = {.socket_path = "/tmp/nobody/control.sock"};
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (error && refuse_connect(error))
			_exit(99);
		_exit(verb_reload(&options));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* 3 is for the daemon that has read the file and calls it invalid. */
static void errors_on_the_way_are_no_invalid_configuration(void **state)
{
	(void)state;
	assert_int_equal(reload_exit_code(0), EXIT_FAILED);
	assert_int_equal(reload_exit_code(EACCES), EXIT_FAILED);
	assert_int_equal(reload_exit_code(EINVAL), EXIT_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_on_the_way_are_no_invalid_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
