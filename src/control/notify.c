/* SPDX-License-Identifier: MIT */
#include "control/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* How long a message waits for room in the service manager's queue. */
enum { PATIENCE_S = 3 };

/* Returns 0 or -errno; -ENOTCONN: nobody asked to be told. */
static int manager_address(struct sockaddr_un *address, socklen_t *address_bytes)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t path_bytes;

	if (!path || path[0] == '\0')
		return -ENOTCONN;
	if (path[0] != '/' && path[0] != '@')
		return -EAFNOSUPPORT;
	path_bytes = strlen(path);
	if (path_bytes >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path, path, path_bytes);
	/* "@" stands for the NUL that begins the name of an abstract socket (unix(7)). */
	if (path[0] == '@')
		address->sun_path[0] = '\0';
	*address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_bytes);
	return 0;
}

static void attach_descriptor(struct msghdr *message, int fd)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);

	if (!control) /* as never, where there is room */
		return;
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(control), &fd, sizeof(fd));
}

int notify_send_descriptor(const char *assignments, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = {0};
	struct sockaddr_un address;
	struct iovec text = {(void *)(uintptr_t)assignments, strlen(assignments)};
	struct msghdr message = {.msg_name = &address, .msg_iov = &text, .msg_iovlen = 1};
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	int result = manager_address(&address, &message.msg_namelen), notify_fd;

	if (result < 0)
		return result;
	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		attach_descriptor(&message, fd);
	}
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify_fd < 0)
		return -errno;
	/* A manager that is busy may have a full queue for a while; one that hangs must not hold us
	 * up. */
	if (setsockopt(notify_fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    sendmsg(notify_fd, &message, MSG_NOSIGNAL) < 0)
		result = -errno;
	close(notify_fd);
	return result;
}

int notify_send(const char *assignments)
{
	int result = notify_send_descriptor(assignments, -1);

	return result == -ENOTCONN ? 0 : result;
}

int notify_barrier(int timeout_ms)
{
	struct pollfd end = {0};
	int ends[2], result;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	/* The service manager closes its end once it has come so far: sd_notify_barrier(3). */
	result = notify_send_descriptor("BARRIER=1", ends[1]);
	close(ends[1]);
	end.fd = ends[0];
	if (!result) {
		int ready = poll(&end, 1, timeout_ms);

		result = ready > 0 ? 0 : ready == 0 ? -ETIMEDOUT : -errno;
	}
	close(ends[0]);
	return result;
}

int notify_reloading(void)
{
	struct timespec now;
	char assignments[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(assignments, sizeof(assignments), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		 (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	return notify_send(assignments);
}

/* Reads a decimal number that fills the whole text. */
static int parse_u64(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' ? 0 : -EINVAL;
}

/* sd_watchdog_enabled(3): meant for us where WATCHDOG_PID is missing or our own. */
uint64_t notify_watchdog_us(void)
{
	const char *period = getenv("WATCHDOG_USEC");
	const char *owner = getenv("WATCHDOG_PID");
	uint64_t period_us, pid;

	if (!period || parse_u64(period, &period_us) < 0)
		return 0;
	if (owner && (parse_u64(owner, &pid) < 0 || pid != (uint64_t)getpid()))
		return 0;
	return period_us;
}
