/* SPDX-License-Identifier: MIT */
#include "control/fd_store.h"

#include "control/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* sd_listen_fds(3): they follow stderr. */
enum { FIRST_FD = 3, FDS_MAX = 4096 };

/* How many descriptors this process was started with. */
static size_t count_passed(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	long count;

	if (!pid || !fds || strtol(pid, NULL, 10) != (long)getpid())
		return 0;
	count = strtol(fds, NULL, 10);
	return count > 0 && count <= FDS_MAX ? (size_t)count : 0;
}

int fd_store_put(const char *name, int fd)
{
	char text[sizeof "FDSTORE=1\nFDPOLL=0\nFDNAME=" + FD_STORE_NAME_SIZE];

	/* FDPOLL=0: an error that waits on a socket is no reason to throw it away. */
	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	return notify_send_descriptor(text, fd);
}

void fd_store_remove(const char *name)
{
	char text[sizeof "FDSTOREREMOVE=1\nFDNAME=" + FD_STORE_NAME_SIZE];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	notify_send(text);
}

/* Takes the name before the next ':' out of *names. */
static void take_name(const char **names, char name[static FD_STORE_NAME_SIZE])
{
	size_t length = strcspn(*names, ":");

	snprintf(name, FD_STORE_NAME_SIZE, "%.*s", (int)length, *names);
	*names += length;
	*names += **names == ':';
}

size_t fd_store_take(struct fd_store_item **items)
{
	const char *names = getenv("LISTEN_FDNAMES");
	size_t count = count_passed();

	*items = count ? calloc(count, sizeof(**items)) : NULL;
	if (!*items)
		count = 0;
	names = names ? names : "";
	for (size_t i = 0; i < count; i++) {
		struct fd_store_item *item = &(*items)[i];

		item->fd = FIRST_FD + (int)i;
		fcntl(item->fd, F_SETFD, FD_CLOEXEC);
		take_name(&names, item->name);
		fd_store_remove(item->name);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return count;
}
