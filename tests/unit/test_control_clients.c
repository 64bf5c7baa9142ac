/* SPDX-License-Identifier: MIT */
/* Long answers, slow clients, and clients that break off or ask too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control_server.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#define CLIENTS_MAX 16

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_server(hands_over_a_long_answer_whole),
		with_server(an_answer_may_take_its_time),
		with_server(takes_a_request_in_pieces),
		with_server(bounds_a_request),
		with_server(tells_the_client_that_asks_too_much),
		with_server(survives_clients_that_go_away),
		with_server(bounds_the_number_of_clients),
		with_server(slow_clients_are_left_after_five_seconds),
		with_server(a_slow_reader_is_waited_for),
		cmocka_unit_test(half_an_answer_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
