/* SPDX-License-Identifier: MIT */
/*
 * Requests to the HTTP server, in pieces, over a real connection: it always ends, with one answer
 * at most, that is whole and belongs to what was asked.
 */
#include "conversation.h"

#include "control/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>

enum { ANSWER_MAX = 1 << 16 };

static struct event_base *base;
static struct sockaddr_in address = {.sin_family = AF_INET};
static unsigned made;

static int make(void *context, char **text)
{
	(void)context;
	made++;
	*text = strdup("made\n");
	return 200;
}

static const struct http_route routes[] = {
	{.path = "/", .type = "text/html", .policy = "default-src", .text = "page\n"},
	{.path = "/made", .type = HTTP_TYPE_TEXT, .make = make},
	{.path = "/shared", .type = HTTP_TYPE_JSON, .make = make, .is_shared = true},
};

static uint16_t free_port(void)
{
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = 0;
	FUZZ_EXPECT(bind(fd, (struct sockaddr *)&address, size) == 0);
	FUZZ_EXPECT(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void open_once(void)
{
	static const struct ip_address loopback = {AF_INET, {127, 0, 0, 1}};
	static struct http *http; /* reachable, so that it is no leak */

	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	base = event_base_new();
	http = http_create(base, routes, sizeof(routes) / sizeof(*routes), NULL);
	FUZZ_EXPECT(base && http && http_listen(http, &loopback, free_port()) == 0);
}

static size_t talk(const uint8_t *data, size_t size, size_t piece, char *answer)
{
	/* Ends with a reset, so that no port is left waiting. */
	const struct linger at_once = {.l_onoff = 1};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t length;

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	FUZZ_EXPECT(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	length = conversation_hold(base, fd, data, size, piece, answer, ANSWER_MAX - 1);
	answer[length] = '\0';
	return length;
}

/* How often a text stands in another. */
static unsigned count(const char *text, const char *wanted)
{
	unsigned found = 0;

	while ((text = strstr(text, wanted))) {
		text++;
		found++;
	}
	return found;
}

/*
 * There is one answer of ours at most, and its length is the body's but where HEAD was asked.
 * libevent may have said before, once or twice, that it could not read what came.
 */
static void check_answer(const uint8_t *data, size_t size, const char *answer, size_t length)
{
	const char *end = answer + length, *ours = answer, *body, *header;
	size_t bytes;

	FUZZ_EXPECT(strncmp(answer, "HTTP/", 5) == 0);
	FUZZ_EXPECT(count(answer, "Cache-Control: no-store") <= 1);
	if (!strstr(answer, "Cache-Control: no-store"))
		return;
	while ((header = strstr(ours + 1, "HTTP/")))
		ours = header;
	body = strstr(ours, "\r\n\r\n");
	FUZZ_EXPECT(body && strstr(ours, "Cache-Control: no-store"));
	body += 4;
	bytes = (size_t)(end - body);
	header = strstr(ours, "Content-Length: ");
	FUZZ_EXPECT(header && header < body);
	FUZZ_EXPECT(bytes == 0 || bytes == strtoul(header + 16, NULL, 10));
	if (strncmp(strchr(ours, ' '), " 200 ", 5) != 0)
		return;
	FUZZ_EXPECT(bytes == 0 || strcmp(body, "page\n") == 0 || strcmp(body, "made\n") == 0);
	FUZZ_EXPECT(memmem(data, size, bytes > 0 ? "GET " : "HEAD ", bytes > 0 ? 4 : 5));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answer[ANSWER_MAX];
	size_t length;

	if (size < 2)
		return 0;
	if (!base)
		open_once();
	made = 0;
	length = talk(data + 2, size - 2, 1 + (data[0] | (size_t)(data[1] & 63) << 8), answer);
	FUZZ_EXPECT(made <= 1);
	if (length > 0)
		check_answer(data + 2, size - 2, answer, length);
	return 0;
}
