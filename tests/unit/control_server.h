/* SPDX-License-Identifier: MIT */
/* A server in a process of its own, as the daemon is one, and what its clients do. Include after
 * cmocka.h. */
#ifndef TRAFFICDUPLICATOR_TESTS_CONTROL_SERVER_H
#define TRAFFICDUPLICATOR_TESTS_CONTROL_SERVER_H

#include "control/control_socket.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Far more than a socket's buffers hold. */
#define BIG_BYTES (8u << 20)
/* The counters of some 150,000 destinations. */
#define HUGE_BYTES (90u << 20)

struct server {
	char folder[64];
	char path[128];
	pid_t pid;
};

/* "no" is refused, "wrong" called invalid, "big" and "huge" answered at length, "slow" late, all
 * else answered by itself. */
static inline enum control_answer answer(void *context, const char *request, struct evbuffer *body)
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

static inline void on_terminate(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(context);
}

/* Serves until SIGTERM; says on ready_fd when clients may come. */
static inline void serve(const char *path, int ready_fd)
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

static inline int start(void **state)
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
static inline int stop(void **state)
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

static inline struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	assert_true(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	return address;
}

static inline int connect_to(const struct server *server)
{
	struct sockaddr_un address = address_of(server->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* What a client that sends these bytes reads until the end. */
static inline void expect_answer(int fd, const void *request, size_t length, const char *expected)
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

static inline void expect_alive(const struct server *server)
{
	char *body;

	assert_int_equal(control_socket_ask(server->path, "status", CONTROL_SOCKET_ANSWER_S, &body),
			 0);
	assert_string_equal(body, "you said status\n");
	free(body);
}

#define with_server(test) cmocka_unit_test_setup_teardown(test, start, stop)

#endif
