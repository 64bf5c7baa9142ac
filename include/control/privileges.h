/* SPDX-License-Identifier: MIT */
/* Capabilities: what is needed to start, and what is kept. */
#ifndef TRAFFICDUPLICATOR_CONTROL_PRIVILEGES_H
#define TRAFFICDUPLICATOR_CONTROL_PRIVILEGES_H

/*
 * Returns NULL when this process holds what the start needs (CAP_NET_ADMIN for NFQUEUE and marks,
 * CAP_NET_RAW for raw sockets), else a message for the user, static.
 */
const char *privileges_missing(void);

/*
 * Gives up all but CAP_NET_ADMIN, which every verdict needs: permitted, effective, inheritable and
 * ambient. The user root also keeps its access to other users' files. Must run before threads
 * start, since capabilities are a thread's own. Returns 0 or -errno; on an error nothing may be
 * assumed, and the daemon must not go on.
 */
int privileges_drop(void);

#endif
