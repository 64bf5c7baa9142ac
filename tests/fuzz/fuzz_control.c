/* SPDX-License-Identifier: MIT */
/*
 * Requests to the daemon's control socket, in pieces, over a real socket: one answer at most, and
 * the one that the protocol says.
 */
#include "conversation.h"

#include "control/control_socket.h"

#include <sys/un.h>

enum { REQUEST_MAX = 4096 };

static struct event_base *base;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static enum control_answer handle(void *context, const char *request, struct evbuffer *body)
{
	(void)context;
	FUZZ_EXPECT(strlen(request) < REQUEST_MAX && !strchr(request, '\n'));
	evbuffer_add_printf(body, "%s", request);
	return request[0] == 'i' ? CONTROL_INVALID : CONTROL_OK;
}

static void open_once(void)
{
	static struct control_socket *control;
	char folder[] = "/tmp/fuzz-control.XXXXXX";

	if (base)
		return;
	base = event_base_new();
	FUZZ_EXPECT(base && mkdtemp(folder));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	FUZZ_EXPECT(control_socket_open(&control, base, address.sun_path, handle, NULL) == 0);
}

static void remove_socket(void)
{
	unlink(address.sun_path);
	*strrchr(address.sun_path, '/') = '\0';
	rmdir(address.sun_path);
}

static size_t talk(const uint8_t *data, size_t size, size_t piece, char *answer)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	FUZZ_EXPECT(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return conversation_hold(base, fd, data, size, piece, answer, 2 * REQUEST_MAX);
}

/* What the protocol says that the answer is. Returns its length. */
static size_t expected(const uint8_t *data, size_t size, char *answer)
{
	const uint8_t *end = memchr(data, '\n', size < REQUEST_MAX ? size : REQUEST_MAX);
	const char *request = (const char *)data;

	if (!end)
		return (size_t)sprintf(answer, "%s", size < REQUEST_MAX ? "" : "error 0\n");
	if (memchr(data, '\0', (size_t)(end - data)))
		return (size_t)sprintf(answer, "error 0\n");
	return (size_t)sprintf(answer, "%s %d\n%.*s", request[0] == 'i' ? "invalid" : "ok",
			       (int)(end - data), (int)(end - data), request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answer[2 * REQUEST_MAX], wanted[2 * REQUEST_MAX];
	size_t length;

	if (size < 2)
		return 0;
	if (!base) {
		open_once();
		atexit(remove_socket);
	}
	length = talk(data + 2, size - 2, 1 + (data[0] | (size_t)(data[1] & 15) << 8), answer);
	FUZZ_EXPECT(length == expected(data + 2, size - 2, wanted));
	FUZZ_EXPECT(memcmp(answer, wanted, length) == 0);
	return 0;
}
