/* SPDX-License-Identifier: MIT */
/*
 * The control socket: a Unix stream socket, mode 0600, on which root and the daemon's own user ask
 * questions. A request is one word and a newline; the answer is "ok", "error" or "invalid", the
 * length of the body in bytes, a newline, the body, and the end of the stream.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_CONTROL_SOCKET_H
#define TRAFFICDUPLICATOR_CONTROL_CONTROL_SOCKET_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdbool.h>

#define CONTROL_SOCKET_DEFAULT_PATH "/run/trafficduplicator/control.sock"

struct control_socket;

enum control_answer {
	CONTROL_OK,
	CONTROL_ERROR,
	CONTROL_INVALID, /* the request was understood; the configuration is what is wrong */
};

/* Writes the answer's body. */
typedef enum control_answer control_socket_handler(void *context, const char *request,
						   struct evbuffer *body);

/*
 * Binds and listens. A socket file that nobody listens on any more is replaced; one that a living
 * daemon answers on is -EADDRINUSE. Makes the last folder of the path where it is missing. Clients
 * are bounded in number, time and bytes. Returns 0 or -errno.
 */
int control_socket_open(struct control_socket **control, struct event_base *base, const char *path,
			control_socket_handler *handler, void *context);
/* What is at the path: 0: our file; -ENOENT: nothing, so that nobody can ask any more; -EADDRINUSE:
 * something else; or other -errno. */
int control_socket_look(const struct control_socket *control);

/*
 * Makes the file anew, and the folder where need be: the listening socket, or -errno. It needs no
 * struct control_socket, since the daemon itself may write no file any more: helper.h.
 */
int control_socket_listen(const char *path);
/* Has the clients come by fd from now on, which control_socket_listen has made elsewhere. */
void control_socket_adopt(struct control_socket *control, int fd);

/* Closes. The file is left to those who may remove it (helper_remove_socket), or to be replaced. */
void control_socket_close(struct control_socket *control);

/* How long a client waits: a daemon with a large configuration takes its time to load it anew. */
#define CONTROL_SOCKET_ANSWER_S 5
#define CONTROL_SOCKET_RELOAD_S 60

/*
 * The client's side: asks and waits, as many seconds as said at most. *body is the answer's body,
 * NUL-terminated, freed by the caller, also when the daemon answered "error" (-EPROTO) or "invalid"
 * (-EINVAL). Other errors: -errno, with *body NULL; -EPIPE is an answer that was cut short.
 */
int control_socket_ask(const char *path, const char *request, unsigned timeout_s, char **body);

#endif
