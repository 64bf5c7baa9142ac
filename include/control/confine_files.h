/* SPDX-License-Identifier: MIT */
/* What confine.c asks of the kernel about files. */
#ifndef TRAFFICDUPLICATOR_CONTROL_CONFINE_FILES_H
#define TRAFFICDUPLICATOR_CONTROL_CONFINE_FILES_H

/*
 * From now on this thread, and those that it starts, cannot write, make, remove, rename, truncate
 * or execute any file by its path (landlock(7)); what is open stays so. The list of system calls
 * says the same of this process; this holds whatever the call. Needs no_new_privs or CAP_SYS_ADMIN:
 * sets the former. Returns 0, also where the kernel has no landlock or its use is not allowed, or
 * -errno.
 */
int confine_files(void);

#endif
