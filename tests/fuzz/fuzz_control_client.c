/* SPDX-License-Identifier: MIT */
/* Answers on the control socket, as a client reads them, whoever wrote them. */
#include "fuzz.h"

#include "control/control_socket.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int listener = -1;

/* What the server is to say, and whether it reads the request first. */
static struct {
	const uint8_t *data;
	size_t size;
	bool reads;
} answer;
static sem_t over;

/* A server in a thread of its own, since the client waits for its answer. */
static void *serve(void *context)
{
	char request[64];

	(void)context;
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (answer.reads)
			FUZZ_EXPECT(recv(fd, request, sizeof(request), 0) > 0);
		(void)!send(fd, answer.data, answer.size, MSG_NOSIGNAL);
		close(fd);
		sem_post(&over);
	}
	return NULL;
}

static void remove_socket(void)
{
	unlink(address.sun_path);
	*strrchr(address.sun_path, '/') = '\0';
	rmdir(address.sun_path);
}

static void open_once(void)
{
	char folder[] = "/tmp/fuzz-client.XXXXXX";
	pthread_t thread;

	FUZZ_EXPECT(mkdtemp(folder) && sem_init(&over, 0, 0) == 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_EXPECT(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	FUZZ_EXPECT(listen(listener, 4) == 0);
	atexit(remove_socket);
	FUZZ_EXPECT(pthread_create(&thread, NULL, serve, NULL) == 0);
}

/* The number that the digits of text are, and nothing else is there; false otherwise. One that is
 * too large is the largest. */
static bool is_number(const char *text, size_t *number)
{
	size_t digits = strspn(text, "0123456789");

	*number = 0;
	for (size_t i = 0; i < digits; i++)
		if (__builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, (size_t)(text[i] - '0'), number)) {
			*number = SIZE_MAX;
			break;
		}
	return digits > 0 && text[digits] == '\0';
}

/* What the answer's first line stands for; *body is what follows it. What follows a NUL in the line
 * does not count. */
static int verdict(const uint8_t *data, size_t size, size_t *body)
{
	static const char *const words[] = {"ok ", "error ", "invalid "};
	static const int results[] = {0, -EPROTO, -EINVAL};
	const uint8_t *end = memchr(data, '\n', size);
	char *line = end ? strndup((const char *)data, (size_t)(end - data)) : NULL;
	int result = -EBADMSG;
	size_t length;

	if (!line)
		return result;
	*body = (size_t)(end - data) + 1;
	for (size_t i = 0; i < 3; i++)
		if (strncmp(line, words[i], strlen(words[i])) == 0 &&
		    is_number(line + strlen(words[i]), &length))
			result = length == size - *body ? results[i] : -EPIPE;
	free(line);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int result, wanted;
	size_t start = 0;
	char *body;

	if (size < 1)
		return 0;
	if (listener < 0)
		open_once();
	answer.data = data + 1;
	answer.size = size - 1;
	answer.reads = data[0] & 1;
	wanted = verdict(answer.data, answer.size, &start);
	result = control_socket_ask(address.sun_path, "status", 5, &body);
	sem_wait(&over);
	/* A daemon that does not read the request may be gone before the answer was taken. */
	FUZZ_EXPECT(result == wanted || (!answer.reads && result < 0 && !body));
	FUZZ_EXPECT((body != NULL) == (result == 0 || result == -EPROTO || result == -EINVAL));
	if (body)
		FUZZ_EXPECT(memcmp(body, answer.data + start, answer.size - start) == 0 &&
			    body[answer.size - start] == '\0');
	free(body);
	return 0;
}
