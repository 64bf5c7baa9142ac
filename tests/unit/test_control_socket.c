/* SPDX-License-Identifier: MIT */
/* A server in a process of its own, as the daemon is one, and its clients in this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Far more than a socket's buffers hold. */
#define BIG_BYTES (8u << 20)
/* The counters of some 150,000 destinations. */
#define HUGE_BYTES (90u << 20)
#define CLIENTS_MAX 16

struct server {
	char folder[64];
	char path[128];
	pid_t pid;
};

/* "no" is refused, "wrong" called invalid, "big" and "huge" answered at length, "slow" late, all
 * else answered by itself. */
static enum control_answer answer(void *context, const char *request, struct evbuffer *body)
{
	size_t length = strcmp(request, "huge") == 0 ? HUGE_BYTES : BIG_BYTES;
	char *big;

	assert_string_equal(context, "context");
	if (strcmp(request, "no") == 0) {
		evbuffer_add_printf(body, "not today\n");
		return CONTROL_ERROR;
	}
	if (strcmp(request, "wrong") == 0) {
		evbuffer_add_printf(body, "line 7\n");
		return CONTROL_INVALID;
	}
	if (strcmp(request, "slow") == 0)
		sleep(6); /* longer than the daemon waits for a client */
	if (strcmp(request, "big") != 0 && strcmp(request, "huge") != 0) {
		evbuffer_add_printf(body, "you said %s\n", request);
		return CONTROL_OK;
	}
	big = malloc(length);
	assert_non_null(big);
	memset(big, 'b', length);
	evbuffer_add(body, big, length);
	free(big);
	return CONTROL_OK;
}

static void on_terminate(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(context);
}

/* Serves until SIGTERM; says on ready_fd when clients may come. */
static void serve(const char *path, int ready_fd)
{
	struct event_base *base = event_base_new();
	struct event *terminate = evsignal_new(base, SIGTERM, on_terminate, base);
	struct control_socket *control;
	char context[] = "context";

	event_add(terminate, NULL);
	if (control_socket_open(&control, base, path, answer, context) < 0)
		exit(1);
	if (write(ready_fd, "", 1) != 1)
		exit(2);
	close(ready_fd);
	event_base_dispatch(base);
	control_socket_close(control);
	event_free(terminate);
	event_base_free(base);
	libevent_global_shutdown();
	exit(0);
}

static int start(void **state)
{
	struct server *server = calloc(1, sizeof(*server));
	int ready[2];
	char byte;

	assert_non_null(server);
	strcpy(server->folder, "/tmp/control_socket.XXXXXX");
	assert_non_null(mkdtemp(server->folder));
	assert_int_equal(chmod(server->folder, 0755), 0);
	snprintf(server->path, sizeof(server->path), "%s/made/control.sock", server->folder);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0)
		serve(server->path, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*state = server;
	return 0;
}

/* The server must have ended by itself and well: not by a signal, nor by a sanitizer. */
static int stop(void **state)
{
	struct server *server = *state;
	char made[96];
	int status;

	kill(server->pid, SIGTERM);
	assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
	assert_int_equal(unlink(server->path), 0);
	snprintf(made, sizeof(made), "%s/made", server->folder);
	rmdir(made);
	rmdir(server->folder);
	free(server);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	assert_true(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	return address;
}

static int connect_to(const struct server *server)
{
	struct sockaddr_un address = address_of(server->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* What a client that sends these bytes reads until the end. */
static void expect_answer(int fd, const void *request, size_t length, const char *expected)
{
	char text[8192];
	size_t held = 0;
	ssize_t got;

	/* With nothing to send the server may have answered and gone already. */
	if (length > 0)
		assert_int_equal(send(fd, request, length, MSG_NOSIGNAL), length);
	while ((got = recv(fd, text + held, sizeof(text) - 1 - held, 0)) > 0)
		held += (size_t)got;
	text[held] = '\0';
	assert_string_equal(text, expected);
	close(fd);
}

static void expect_alive(const struct server *server)
{
	char *body;

	assert_int_equal(control_socket_ask(server->path, "status", CONTROL_SOCKET_ANSWER_S, &body),
			 0);
	assert_string_equal(body, "you said status\n");
	free(body);
}

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

static void expect_long(const struct server *server, const char *request, size_t length)
{
	char *body;

	assert_int_equal(control_socket_ask(server->path, request, CONTROL_SOCKET_RELOAD_S, &body),
			 0);
	assert_int_equal(strlen(body), length);
	assert_int_equal(strspn(body, "b"), length);
	free(body);
}

static void hands_over_a_long_answer_whole(void **state)
{
	expect_long(*state, "big", BIG_BYTES);
	expect_long(*state, "huge", HUGE_BYTES);
}

static void an_answer_may_take_its_time(void **state)
{
	const struct server *server = *state;
	char *body;

	assert_int_equal(control_socket_ask(server->path, "slow", CONTROL_SOCKET_RELOAD_S, &body),
			 0);
	assert_string_equal(body, "you said slow\n");
	free(body);
}

static void takes_a_request_in_pieces(void **state)
{
	int fd = connect_to(*state);

	assert_int_equal(send(fd, "sta", 3, MSG_NOSIGNAL), 3);
	expect_alive(*state); /* in between, so that the first piece is read alone */
	expect_answer(fd, "tus\n", 4, "ok 16\nyou said status\n");
}

static void bounds_a_request(void **state)
{
	char request[4096], expected[8192];

	memset(request, 'r', sizeof(request));
	request[sizeof(request) - 1] = '\n';
	snprintf(expected, sizeof(expected), "ok 4105\nyou said %.*s\n", (int)sizeof(request) - 1,
		 request);
	expect_answer(connect_to(*state), request, sizeof(request), expected);
	request[sizeof(request) - 1] = 'r';
	expect_answer(connect_to(*state), request, sizeof(request), "error 0\n");
	expect_answer(connect_to(*state), "sta\0tus\n", 8, "error 0\n");
	expect_alive(*state);
}

static void tells_the_client_that_asks_too_much(void **state)
{
	const struct server *server = *state;
	char *request = malloc(BIG_BYTES + 1), *body;

	assert_non_null(request);
	memset(request, 'r', BIG_BYTES);
	request[BIG_BYTES] = '\0';
	assert_int_equal(control_socket_ask(server->path, request, CONTROL_SOCKET_ANSWER_S, &body),
			 -EPROTO);
	assert_string_equal(body, "");
	free(body);
	free(request);
	expect_alive(server);
}

static void survives_clients_that_go_away(void **state)
{
	for (int i = 0; i < 3 * CLIENTS_MAX; i++) {
		int fd = connect_to(*state);

		if (i % 2)
			assert_int_equal(send(fd, "big\n", 4, MSG_NOSIGNAL), 4);
		close(fd);
	}
	expect_alive(*state);
}

/* Those beyond the limit wait, and are answered when a place is free. */
static void bounds_the_number_of_clients(void **state)
{
	struct pollfd waiting = {.events = POLLIN};
	int idle[CLIENTS_MAX];

	for (int i = 0; i < CLIENTS_MAX; i++)
		idle[i] = connect_to(*state);
	waiting.fd = connect_to(*state);
	assert_int_equal(send(waiting.fd, "status\n", 7, MSG_NOSIGNAL), 7);
	assert_int_equal(poll(&waiting, 1, 300), 0);
	close(idle[0]);
	assert_int_equal(poll(&waiting, 1, 3000), 1);
	expect_answer(waiting.fd, "", 0, "ok 16\nyou said status\n");
	for (int i = 1; i < CLIENTS_MAX; i++)
		close(idle[i]);
	expect_alive(*state);
}

/* One that never ends its request, and one that never reads its answer. */
static void slow_clients_are_left_after_five_seconds(void **state)
{
	struct pollfd clients[] = {{.fd = connect_to(*state)}, {.fd = connect_to(*state)}};
	struct timespec begin, end;
	double elapsed_s;

	assert_int_equal(send(clients[0].fd, "sta", 3, MSG_NOSIGNAL), 3);
	assert_int_equal(send(clients[1].fd, "big\n", 4, MSG_NOSIGNAL), 4);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(poll(&clients[i], 1, 10000), 1);
		assert_true(clients[i].revents & POLLHUP);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	elapsed_s =
		(double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	assert_true(elapsed_s > 4.5 && elapsed_s < 8);
	close(clients[0].fd);
	close(clients[1].fd);
	expect_alive(*state);
}

/* What a client makes of an answer; server: it says that and hangs up. */
static int ask_one_that_says(const char *said)
{
	char folder[] = "/tmp/control_socket.XXXXXX", path[64], request[16], *body;
	struct sockaddr_un address;
	pid_t child;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), result;

	assert_true(listener >= 0);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	address = address_of(path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int client = accept(listener, NULL, NULL);

		if (recv(client, request, sizeof(request), 0) > 0)
			(void)!write(client, said, strlen(said));
		_exit(0);
	}
	result = control_socket_ask(path, "status", CONTROL_SOCKET_ANSWER_S, &body);
	free(body);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(listener);
	unlink(path);
	rmdir(folder);
	return result;
}

/* Whoever is too slow for the daemon has half an answer, and must not take it for a whole one. */
static void half_an_answer_is_none(void **state)
{
	(void)state;
	assert_int_equal(ask_one_that_says("ok 7\nwhole\n\n"), 0);
	assert_int_equal(ask_one_that_says("ok 7\nhalf"), -EPIPE);
	assert_int_equal(ask_one_that_says("ok 3\nmore than three"), -EPIPE);
	assert_int_equal(ask_one_that_says("error 20\nthe rules"), -EPIPE);
	assert_int_equal(ask_one_that_says("invalid 9"), -EBADMSG);
	assert_int_equal(ask_one_that_says("ok 7x\nwhole\n\n"), -EBADMSG);
	assert_int_equal(ask_one_that_says("ok \n"), -EBADMSG);
	assert_int_equal(ask_one_that_says("yes 0\n"), -EBADMSG);
	assert_int_equal(ask_one_that_says(""), -EBADMSG);
	assert_int_equal(ask_one_that_says("ok\nwhole\n"), -EBADMSG);
}

/* One that reads little by little, for longer than another is waited for, gets all. */
static void a_slow_reader_is_waited_for(void **state)
{
	static char part[BIG_BYTES / 12];
	const struct timespec pause = {.tv_nsec = 600000000};
	int fd = connect_to(*state);
	size_t total = 0;
	ssize_t got;

	assert_int_equal(send(fd, "big\n", 4, MSG_NOSIGNAL), 4);
	while ((got = recv(fd, part, sizeof(part), MSG_WAITALL)) > 0) {
		total += (size_t)got;
		nanosleep(&pause, NULL); /* a slow reader's pace */
	}
	close(fd);
	assert_int_equal(total, strlen("ok 8388608\n") + BIG_BYTES);
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

#define with_server(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_server(answers_and_refuses),
		with_server(only_its_user_may_open_the_file),
		with_server(hands_over_a_long_answer_whole),
		with_server(an_answer_may_take_its_time),
		with_server(takes_a_request_in_pieces),
		with_server(bounds_a_request),
		with_server(tells_the_client_that_asks_too_much),
		with_server(survives_clients_that_go_away),
		with_server(bounds_the_number_of_clients),
		with_server(slow_clients_are_left_after_five_seconds),
		with_server(a_slow_reader_is_waited_for),
		with_server(other_users_get_no_answer),
		with_server(a_living_socket_is_not_taken_over),
		cmocka_unit_test(half_an_answer_is_none),
		cmocka_unit_test(a_stale_socket_is_replaced_and_nothing_else),
		cmocka_unit_test(paths_that_no_socket_can_have_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
