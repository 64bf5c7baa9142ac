/* SPDX-License-Identifier: MIT */
/*
 * What a process can still ask of the kernel once it has what it needs: a list of system calls
 * (seccomp(2), by libseccomp), no new privileges, and, of the daemon, no file that could be
 * written, made, removed or executed by its path (landlock(7), where the kernel has it).
 *
 * A call that is not on the list fails with EPERM, and the kernel's audit log says which it was. It
 * does not end the process: a daemon whose C library has learnt a new call since it was built has
 * to go on duplicating, and whoever has taken it over gains nothing by trying others. Calls through
 * the system call table of another architecture do end it: no library makes these.
 *
 * The environment variable TRAFFICDUPLICATOR_CONFINE, which only who starts the daemon can set:
 *   kill   what is refused ends the process (SIGSYS). The tests run so: none can be overlooked.
 *   off    no list and no landlock, with a warning; for debuggers, and kernels without seccomp.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_CONFINE_H
#define TRAFFICDUPLICATOR_CONTROL_CONFINE_H

#define CONFINE_ERROR_BYTES 512

enum confine_role {
	/* The daemon, once all that needs privileges is open and before packets are served. It can
	 * start threads, but no process; it can read files, and write none. */
	CONFINE_DAEMON,
	/* The helper (helper.h) and all that it starts: shell, nft, iptables, the program itself.
	 * These may work with files and processes, and have sockets, but not change what the
	 * machine is: no mounts, modules, namespaces, tracing, keys or BPF programs. */
	CONFINE_HELPER,
};

/*
 * Confines the calling thread, for good, and whatever it starts from then on. There is to be no
 * other thread yet but one that ends by itself: where a daemon takes over from another, the one
 * that loads the fast path, which keeps its rights until it has (daemon_fastpath.c). Returns 0, or
 * -errno with the reason, and what mends it, in why: then the process must not go on.
 */
int confine_apply(enum confine_role role, char why[static CONFINE_ERROR_BYTES]);

#endif
