/* SPDX-License-Identifier: MIT */
/* The daemon's side; control_client.c has the other. */
#include "control/control_socket.h"

#include "control/log.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 16
#define REQUEST_MAX_BYTES 4096
/* To ask; and then without having read anything of the answer. */
#define CLIENT_TIMEOUT_S 5
/* How long to leave clients in the backlog where the system has no descriptor for them. */
#define ACCEPT_PAUSE_S 1

struct client {
	LIST_ENTRY(client) entry;
	struct control_socket *control;
	int fd;
	struct event readable;
	struct event writable;
	struct event deadline;
	struct evbuffer *answer;
	size_t left_bytes; /* of it, when the deadline was last put off */
	size_t request_bytes;
	char request[REQUEST_MAX_BYTES];
};

struct control_socket {
	struct event_base *base;
	control_socket_handler *handler;
	void *context;
	struct sockaddr_un address;
	int fd;
	dev_t device; /* of the file that we made */
	ino_t inode;
	struct event acceptable;
	struct event accept_again;
	LIST_HEAD(, client) clients;
	unsigned client_count;
};

static void client_close(struct client *client)
{
	struct control_socket *control = client->control;

	LIST_REMOVE(client, entry);
	event_del(&client->readable);
	event_del(&client->writable);
	event_del(&client->deadline);
	evbuffer_free(client->answer);
	close(client->fd);
	free(client);
	/* Those who wait for a place are in the backlog. */
	if (control->client_count-- == CLIENTS_MAX)
		event_add(&control->acceptable, NULL);
}

/* Sends what the socket takes. Returns whether there is more to be sent. */
static bool send_some(struct client *client)
{
	struct evbuffer_iovec part;
	ssize_t sent;

	while (evbuffer_peek(client->answer, -1, NULL, &part, 1) > 0) {
		/* evbuffer_write would raise SIGPIPE where the client has gone. */
		sent = send(client->fd, part.iov_base, part.iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (sent < 0)
			return false;
		evbuffer_drain(client->answer, (size_t)sent);
	}
	return false;
}

/* Closes when all is sent, or nobody is there to read it. */
static void on_writable(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	if (!send_some(context))
		client_close(context);
}

/* Waits for the client to read. Returns false where that cannot be. */
static bool put_off_deadline(struct client *client)
{
	const struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};

	client->left_bytes = evbuffer_get_length(client->answer);
	return event_add(&client->deadline, &timeout) == 0;
}

/* One who goes on reading may wait for us, who have other things to do, more than we for him. */
static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	struct client *client = context;

	(void)fd;
	(void)what;
	if (!send_some(client) || evbuffer_get_length(client->answer) == client->left_bytes ||
	    !put_off_deadline(client))
		client_close(client);
}

/* Answers and reads no more. request is NULL where there is none that could be answered. */
static void client_answer(struct client *client, const char *request)
{
	struct control_socket *control = client->control;
	static const char *const words[] = {"ok", "error", "invalid"};
	const char *word = words[CONTROL_ERROR];
	char head[32];

	if (request)
		word = words[control->handler(control->context, request, client->answer)];

	event_del(&client->readable);
	/* With the length of what follows: one who is too slow to read it all has to know. */
	snprintf(head, sizeof(head), "%s %zu\n", word, evbuffer_get_length(client->answer));
	/* Whatever time the answer took us, the client has its own to read it. */
	if (evbuffer_prepend(client->answer, head, strlen(head)) < 0 || !send_some(client) ||
	    event_add(&client->writable, NULL) < 0 || !put_off_deadline(client))
		client_close(client);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct client *client = context;
	char *start = client->request + client->request_bytes;
	ssize_t got;
	char *end;

	(void)what;
	got = recv(fd, start, sizeof(client->request) - client->request_bytes, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		client_close(client);
		return;
	}
	client->request_bytes += (size_t)got;
	end = memchr(start, '\n', (size_t)got);
	if (end) {
		*end = '\0';
		client_answer(client, strlen(client->request) == (size_t)(end - client->request)
					      ? client->request
					      : NULL);
	} else if (client->request_bytes == sizeof(client->request)) {
		client_answer(client, NULL);
	}
}

/* Whether the peer is root or the daemon's own user. Says so where it is not. */
static bool is_allowed(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	log_warning("control socket: refused user %u (process %d): only root and the daemon's own "
		    "user are answered",
		    peer.uid, peer.pid);
	return false;
}

/* Takes fd over. */
static void client_open(struct control_socket *control, int fd)
{
	const struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};
	struct client *client = calloc(1, sizeof(*client));

	if (!client || !(client->answer = evbuffer_new())) {
		free(client);
		close(fd);
		return;
	}
	client->control = control;
	client->fd = fd;
	LIST_INSERT_HEAD(&control->clients, client, entry);
	if (++control->client_count == CLIENTS_MAX)
		event_del(&control->acceptable);
	event_assign(&client->readable, control->base, fd, EV_READ | EV_PERSIST, on_readable,
		     client);
	event_assign(&client->writable, control->base, fd, EV_WRITE | EV_PERSIST, on_writable,
		     client);
	evtimer_assign(&client->deadline, control->base, on_deadline, client);
	if (event_add(&client->readable, NULL) < 0 || event_add(&client->deadline, &timeout) < 0)
		client_close(client);
}

static void on_accept_again(evutil_socket_t fd, short what, void *context)
{
	struct control_socket *control = context;

	(void)fd;
	(void)what;
	if (control->client_count < CLIENTS_MAX)
		event_add(&control->acceptable, NULL);
}

/* Without a pause, a connection that cannot be accepted would wake us for ever. */
static void pause_accepting(struct control_socket *control)
{
	const struct timeval pause = {.tv_sec = ACCEPT_PAUSE_S};

	event_del(&control->acceptable);
	event_add(&control->accept_again, &pause);
}

static void on_acceptable(evutil_socket_t listener, short what, void *context)
{
	static const char refusal[] = "error 44\nonly root and the daemon's own user may ask\n";
	struct control_socket *control = context;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
		pause_accepting(control);
	if (fd < 0)
		return;
	if (is_allowed(fd)) {
		client_open(control, fd);
		return;
	}
	(void)!send(fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

/* Makes the last folder of the path. An error shows when the path is used. */
static void make_folder(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	(void)!mkdir(folder, 0755);
}

/* Removes a socket that nobody listens on any more; leaves anything else. */
static int remove_stale(const struct sockaddr_un *address)
{
	struct stat status;
	int fd, error;

	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	error = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	close(fd);
	if (error == 0 || error == EAGAIN) /* EAGAIN: its backlog is full */
		return -EADDRINUSE;
	if (error == ECONNREFUSED && unlink(address->sun_path) < 0)
		return -errno;
	return error == ECONNREFUSED || error == ENOENT ? 0 : -error;
}

/* Returns the listening socket or -errno. */
static int listen_at(const struct sockaddr_un *address)
{
	int fd, result;

	make_folder(address->sun_path);
	result = remove_stale(address);
	if (result < 0)
		return result;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* bind(2) gives the file the mode of the socket (net/unix/af_unix.c, unix_bind_bsd), so
	 * that there is no moment at which others could connect. */
	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		result = -errno;
		close(fd);
		return result;
	}
	if (listen(fd, CLIENTS_MAX) < 0) {
		result = -errno;
		unlink(address->sun_path);
		close(fd);
		return result;
	}
	return fd;
}

int control_socket_listen(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (path[0] == '\0')
		return -EINVAL;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	return listen_at(&address);
}

/* Takes a listening socket, whose file has just been made. */
static void take_listener(struct control_socket *control, int fd)
{
	struct stat status;

	if (lstat(control->address.sun_path, &status) == 0) {
		control->device = status.st_dev;
		control->inode = status.st_ino;
	}
	control->fd = fd;
	event_assign(&control->acceptable, control->base, fd, EV_READ | EV_PERSIST, on_acceptable,
		     control);
}

int control_socket_look(const struct control_socket *control)
{
	struct stat status;

	if (lstat(control->address.sun_path, &status) < 0)
		return -errno;
	return status.st_dev == control->device && status.st_ino == control->inode ? 0
										   : -EADDRINUSE;
}

void control_socket_adopt(struct control_socket *control, int fd)
{
	event_del(&control->acceptable);
	close(control->fd);
	take_listener(control, fd);
	/* Where there is no place for another client, the next one to leave sees to it. */
	if (control->client_count < CLIENTS_MAX)
		event_add(&control->acceptable, NULL);
}

int control_socket_open(struct control_socket **out, struct event_base *base, const char *path,
			control_socket_handler *handler, void *context)
{
	struct control_socket *control;
	int fd = control_socket_listen(path);

	if (fd < 0)
		return fd;
	control = calloc(1, sizeof(*control));
	if (!control) {
		unlink(path);
		close(fd);
		return -ENOMEM;
	}
	control->base = base;
	control->handler = handler;
	control->context = context;
	control->address.sun_family = AF_UNIX;
	strcpy(control->address.sun_path, path);
	LIST_INIT(&control->clients);
	take_listener(control, fd);
	evtimer_assign(&control->accept_again, base, on_accept_again, control);
	if (event_add(&control->acceptable, NULL) < 0) {
		unlink(path);
		control_socket_close(control);
		return -ENOMEM;
	}
	*out = control;
	return 0;
}

void control_socket_close(struct control_socket *control)
{
	struct client *client;

	if (!control)
		return;
	while ((client = LIST_FIRST(&control->clients)))
		/* Each leaves the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		client_close(client);
	event_del(&control->acceptable);
	event_del(&control->accept_again);
	close(control->fd);
	free(control);
}
