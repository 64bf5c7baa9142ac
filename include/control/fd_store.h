/* SPDX-License-Identifier: MIT */
/*
 * The service manager's store of descriptors: what one process of a service puts there, the next
 * one is started with (FileDescriptorStoreMax= in systemd.service(5), FDSTORE=1 in sd_notify(3)).
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_FD_STORE_H
#define TRAFFICDUPLICATOR_CONTROL_FD_STORE_H

#include <stddef.h>

/* With its NUL. */
#define FD_STORE_NAME_SIZE 32

struct fd_store_item {
	char name[FD_STORE_NAME_SIZE];
	int fd;
};

/*
 * Takes what this process was started with out of the store, so that it ends with this process, and
 * out of the environment. *items and the descriptors are the caller's then. Returns how many there
 * are; 0 also where memory runs out. Once.
 */
size_t fd_store_take(struct fd_store_item **items);

/* Puts a descriptor in; ours stays open. Returns 0 or -errno; -ENOTCONN where there is no service
 * manager. notify_barrier says when it is there. */
int fd_store_put(const char *name, int fd);

/* Takes what is there under this name out. */
void fd_store_remove(const char *name);

#endif
