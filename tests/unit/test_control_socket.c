/* SPDX-License-Identifier: MIT */
/* The control socket as a file, and who may ask by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control_server.h"

#include <errno.h>

static void answers_and_refuses(void **state)
{
	const struct server *server = *state;
	char *body;

	expect_alive(server);
	assert_int_equal(control_socket_ask(server->path, "no", CONTROL_SOCKET_ANSWER_S, &body),
			 -EPROTO);
	assert_string_equal(body, "not today\n");
	free(body);
	assert_int_equal(control_socket_ask(server->path, "wrong", CONTROL_SOCKET_ANSWER_S, &body),
			 -EINVAL);
	assert_string_equal(body, "line 7\n");
	free(body);
}

static void only_its_user_may_open_the_file(void **state)
{
	const struct server *server = *state;
	struct stat status;

	assert_int_equal(stat(server->path, &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_int_equal(status.st_mode & 07777, 0600);
}

/* Asks as nobody; returns the errno of the asking. */
static int ask_as_nobody(const char *path)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		char *body;

		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(255);
		_exit(-control_socket_ask(path, "status", CONTROL_SOCKET_ANSWER_S, &body));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void other_users_get_no_answer(void **state)
{
	const struct server *server = *state;

	if (geteuid() != 0) {
		print_message("skipped: needs root, to become another user\n");
		skip();
	}
	assert_int_equal(ask_as_nobody(server->path), EACCES);
	/* Neither where somebody opened the file to them. */
	assert_int_equal(chmod(server->path, 0666), 0);
	assert_int_equal(ask_as_nobody(server->path), EPROTO);
	expect_alive(server);
}

static void a_living_socket_is_not_taken_over(void **state)
{
	const struct server *server = *state;
	struct event_base *base = event_base_new();
	struct control_socket *control;

	assert_non_null(base);
	assert_int_equal(control_socket_open(&control, base, server->path, answer, NULL),
			 -EADDRINUSE);
	event_base_free(base);
	expect_alive(server);
}

/* A socket that was bound at path and whose process has ended. */
static void leave_stale(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void a_stale_socket_is_replaced_and_nothing_else(void **state)
{
	struct event_base *base = event_base_new();
	struct control_socket *control;
	char folder[] = "/tmp/control_socket.XXXXXX", path[64], *body;
	int fd;

	(void)state;
	assert_non_null(base);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	assert_int_equal(control_socket_ask(path, "status", CONTROL_SOCKET_ANSWER_S, &body),
			 -ENOENT);
	assert_null(body);
	leave_stale(path);
	assert_int_equal(control_socket_ask(path, "status", CONTROL_SOCKET_ANSWER_S, &body),
			 -ECONNREFUSED);
	assert_int_equal(control_socket_open(&control, base, path, answer, NULL), 0);
	control_socket_close(control);
	assert_int_equal(unlink(path), 0);

	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(control_socket_open(&control, base, path, answer, NULL), -EEXIST);
	assert_int_equal(unlink(path), 0);
	rmdir(folder);
	event_base_free(base);
}

static void paths_that_no_socket_can_have_are_refused(void **state)
{
	struct event_base *base = event_base_new();
	struct control_socket *control;
	char path[200], *body;

	(void)state;
	assert_non_null(base);
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(control_socket_open(&control, base, path, answer, NULL), -ENAMETOOLONG);
	assert_int_equal(control_socket_ask(path, "status", CONTROL_SOCKET_ANSWER_S, &body),
			 -ENAMETOOLONG);
	assert_int_equal(control_socket_open(&control, base, "", answer, NULL), -EINVAL);
	assert_int_equal(control_socket_open(&control, base, "/proc/no/such", answer, NULL),
			 -ENOENT);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_server(answers_and_refuses),
		with_server(only_its_user_may_open_the_file),
		with_server(other_users_get_no_answer),
		with_server(a_living_socket_is_not_taken_over),
		cmocka_unit_test(a_stale_socket_is_replaced_and_nothing_else),
		cmocka_unit_test(paths_that_no_socket_can_have_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
