/* SPDX-License-Identifier: MIT */
/* A client that talks over a real socket to a server on the same event loop. */
#ifndef TESTS_FUZZ_CONVERSATION_H
#define TESTS_FUZZ_CONVERSATION_H

#include "fuzz.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads what is there. Returns whether the answer is over. */
static inline bool conversation_receive(int fd, char *answer, size_t room, size_t *length)
{
	ssize_t got;

	while ((got = recv(fd, answer + *length, room - *length, MSG_DONTWAIT)) > 0)
		*length += (size_t)got;
	return got == 0 || errno != EAGAIN;
}

/*
 * Says data in pieces of so many bytes by a connected socket, which is closed then, and hears the
 * answer out, in a buffer of room bytes. Returns the answer's length.
 */
static inline size_t conversation_hold(struct event_base *base, int fd, const uint8_t *data,
				       size_t size, size_t piece, char *answer, size_t room)
{
	size_t length = 0;

	while (size > 0) {
		size_t now = size < piece ? size : piece;

		if (send(fd, data, now, MSG_NOSIGNAL) < 0)
			break; /* it was closed on us, with or without an answer */
		data += now;
		size -= now;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	shutdown(fd, SHUT_WR);
	while (!conversation_receive(fd, answer, room, &length))
		event_base_loop(base, EVLOOP_ONCE);
	close(fd);
	return length;
}

#endif
