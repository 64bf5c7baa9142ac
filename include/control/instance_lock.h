/* SPDX-License-Identifier: MIT */
/*
 * Sees to it that one daemon at most installs rules in a network namespace, where there is one
 * table for all: by an abstract AF_UNIX address (unix(7)), which belongs to a network namespace, as
 * the table does, and is held by the kernel for as long as the process lives.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_INSTANCE_LOCK_H
#define TRAFFICDUPLICATOR_CONTROL_INSTANCE_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

/* Who has the lock. */
struct instance_holder {
	pid_t pid; /* 0: not known, or not to be seen from here */
	/* Neither root, nor our own user, nor that of the service: any user may take an address,
	 * and none may keep the service from starting by that. */
	bool is_stranger;
};

/*
 * Returns a descriptor that holds the lock until it is closed, -EADDRINUSE with *holder filled in,
 * or another -errno.
 */
int instance_lock_take(struct instance_holder *holder);

/* To be called every now and then: sends away those who asked who holds it. */
void instance_lock_serve(int fd);

#endif
