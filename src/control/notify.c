/* SPDX-License-Identifier: MIT */
#include "control/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int notify_send(const char *assignments)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t path_bytes, length = strlen(assignments);
	socklen_t address_bytes;
	int fd, result = 0;

	if (!path || path[0] == '\0')
		return 0;
	if (path[0] != '/' && path[0] != '@')
		return -EAFNOSUPPORT;
	path_bytes = strlen(path);
	if (path_bytes >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, path_bytes);
	/* "@" stands for the NUL that begins the name of an abstract socket (unix(7)). */
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_bytes);

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, assignments, length, MSG_NOSIGNAL, (struct sockaddr *)&address,
		   address_bytes) < 0)
		result = -errno;
	close(fd);
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
