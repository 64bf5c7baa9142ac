/* SPDX-License-Identifier: MIT */
/* The client's side of the control socket. */
#include "control/control_socket.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/*
 * A bound for an answer that never ends. A file of CONFIG_TEXT_MAX has room for hundreds of
 * thousands of destinations, and each takes some 600 bytes of "status".
 */
#define ANSWER_MAX_BYTES (1u << 30)

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Returns the connected socket or -errno. */
static int connect_to(const char *path, unsigned timeout_s)
{
	/* A daemon that is busy lets connect and send wait as long as this (unix(7), socket(7)). */
	const struct timeval timeout = {.tv_sec = timeout_s};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		error = errno == EAGAIN ? ETIMEDOUT : errno;
		close(fd);
		return -error;
	}
	return fd;
}

static int send_request(int fd, const char *request)
{
	struct iovec parts[] = {
		{.iov_base = (void *)(uintptr_t)request, .iov_len = strlen(request)},
		{.iov_base = (char[]){'\n'}, .iov_len = 1},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

	/* A daemon that refuses a request closes without reading the rest: its answer is there. */
	if (sent < 0 && errno != EPIPE)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return 0;
}

/* Reads to the end of the stream into answer. */
static int receive_answer(int fd, struct evbuffer *answer, int64_t deadline_ms)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	for (;;) {
		int64_t left_ms = deadline_ms - now_ms();
		int got = left_ms > 0 ? poll(&readable, 1, (int)left_ms) : 0;

		if (got == 0)
			return -ETIMEDOUT;
		if (got > 0)
			got = evbuffer_read(answer, fd, -1);
		if (got == 0)
			return 0;
		/* The daemon closed on the rest of a request that it would not read. */
		if (got < 0 && errno == ECONNRESET && evbuffer_get_length(answer) > 0)
			return 0;
		if (got < 0 && errno != EINTR)
			return -errno;
		if (evbuffer_get_length(answer) > ANSWER_MAX_BYTES)
			return -EMSGSIZE;
	}
}

/*
 * Takes the first line away. Returns 0 for "ok", -EPROTO for "error", -EINVAL for "invalid",
 * -EBADMSG for all else, and -EPIPE where less follows than it says: the daemon leaves those who
 * are too slow.
 */
static int take_verdict(struct evbuffer *answer)
{
	char *verdict = evbuffer_readln(answer, NULL, EVBUFFER_EOL_LF);
	char *length = verdict ? strchr(verdict, ' ') : NULL, *end;
	int result = -EBADMSG;
	size_t bytes;

	if (!length)
		goto out;
	*length++ = '\0';
	if (!isdigit((unsigned char)*length)) /* nor the sign that strtoull takes */
		goto out;
	bytes = strtoull(length, &end, 10);
	if (*end)
		goto out;
	if (strcmp(verdict, "ok") == 0)
		result = 0;
	else if (strcmp(verdict, "error") == 0)
		result = -EPROTO;
	else if (strcmp(verdict, "invalid") == 0)
		result = -EINVAL;
	if (result != -EBADMSG && bytes != evbuffer_get_length(answer))
		result = -EPIPE;
out:
	free(verdict);
	return result;
}

int control_socket_ask(const char *path, const char *request, unsigned timeout_s, char **body)
{
	int64_t deadline_ms = now_ms() + (int64_t)timeout_s * 1000;
	struct evbuffer *answer = NULL;
	int fd, result;
	size_t length;

	*body = NULL;
	fd = connect_to(path, timeout_s);
	if (fd < 0)
		return fd;
	result = send_request(fd, request);
	if (result < 0)
		goto out;
	answer = evbuffer_new();
	result = answer ? receive_answer(fd, answer, deadline_ms) : -ENOMEM;
	if (result < 0)
		goto out;
	result = take_verdict(answer);
	if (result < 0 && result != -EPROTO && result != -EINVAL)
		goto out;
	length = evbuffer_get_length(answer);
	*body = malloc(length + 1);
	if (!*body) {
		result = -ENOMEM;
		goto out;
	}
	evbuffer_remove(answer, *body, length);
	(*body)[length] = '\0';
out:
	if (answer)
		evbuffer_free(answer);
	close(fd);
	return result;
}
