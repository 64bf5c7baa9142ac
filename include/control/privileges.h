/* SPDX-License-Identifier: MIT */
/* Capabilities: what is needed to start, and what is kept. */
#ifndef TRAFFICDUPLICATOR_CONTROL_PRIVILEGES_H
#define TRAFFICDUPLICATOR_CONTROL_PRIVILEGES_H

/*
 * Returns NULL when this process holds what the start needs (CAP_NET_ADMIN for NFQUEUE and marks,
 * CAP_NET_RAW for raw sockets), else a message for the user, static.
 */
const char *privileges_missing(void);

enum privileges_role {
	/* CAP_NET_ADMIN, which every verdict needs (net/netfilter/nfnetlink.c). The kernel asks for
	 * no more to attach the program at the ingress that was loaded before (BPF_LINK_CREATE in
	 * kernel/bpf/syscall.c; measured with kernel.unprivileged_bpf_disabled 2). The user
	 * root also keeps CAP_DAC_READ_SEARCH: a reload and AUTORELOAD read the configuration that
	 * it named, in whose folder ever. Nothing is inherited: the daemon starts no program. */
	PRIVILEGES_DAEMON,
	/* CAP_NET_ADMIN, inherited by the rules script (nft asks for it). The user root also keeps
	 * its access to other users' files: the script and the control socket may lie there. */
	PRIVILEGES_HELPER,
};

/*
 * Gives up all other capabilities: permitted, effective, inheritable and ambient; and where the
 * process may (CAP_SETPCAP, as root has it), also what could bring them back: the bounding set, and
 * that root has capabilities for being root (SECBIT_NOROOT and its like, locked; capabilities(7)).
 * Must run before threads start, since capabilities are a thread's own. Returns 0 or -errno; on an
 * error nothing may be assumed, and the process must not go on.
 */
int privileges_drop(enum privileges_role role);

#endif
