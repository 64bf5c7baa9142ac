/* SPDX-License-Identifier: MIT */
#include "control/instance_lock.h"

#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NAME "trafficduplicator"

enum {
	ASKING_MAX = 16,
	TRIES = 20,
	PAUSE_NS = 10 * 1000 * 1000,
};

/* As the kernel shows it in /proc/net/unix: @trafficduplicator. */
static socklen_t set_address(struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path + 1, NAME, strlen(NAME));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(NAME));
}

static bool is_user_of_service(uid_t user)
{
	const struct passwd *entry = getpwnam("trafficduplicator");

	return entry && entry->pw_uid == user;
}

/* Asks the kernel who listens there. Returns false when nobody does, or too many ask. */
static bool find_holder(struct instance_holder *holder)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	socklen_t address_bytes = set_address(&address);
	struct ucred credentials;
	socklen_t bytes = sizeof(credentials);
	bool found;

	if (fd < 0)
		return false;
	found = connect(fd, (const struct sockaddr *)&address, address_bytes) == 0 &&
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) == 0;
	close(fd);
	if (found)
		*holder = (struct instance_holder){
			.pid = credentials.pid,
			.is_stranger = credentials.uid != 0 && credentials.uid != geteuid() &&
				       !is_user_of_service(credentials.uid),
		};
	return found;
}

/* Returns a descriptor or -errno. */
static int try(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	socklen_t address_bytes = set_address(&address);
	int error;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, address_bytes) == 0 &&
	    listen(fd, ASKING_MAX) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int instance_lock_take(struct instance_holder *holder)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int fd = -EADDRINUSE;

	for (int i = 0; i < TRIES; i++) {
		fd = try();
		if (fd != -EADDRINUSE || find_holder(holder))
			return fd;
		/* Another one is about to listen, or has just ended. */
		nanosleep(&pause, NULL);
	}
	/* A daemon would listen. */
	*holder = (struct instance_holder){.is_stranger = true};
	return fd;
}

void instance_lock_serve(int fd)
{
	for (int i = 0; i < ASKING_MAX; i++) {
		int asking = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (asking < 0)
			return;
		close(asking);
	}
}
