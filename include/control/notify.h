/* SPDX-License-Identifier: MIT */
/* Word to the service manager: the datagram protocol of sd_notify(3). */
#ifndef TRAFFICDUPLICATOR_CONTROL_NOTIFY_H
#define TRAFFICDUPLICATOR_CONTROL_NOTIFY_H

#include <stdint.h>

/*
 * Sends assignments such as "READY=1\nSTATUS=..." to $NOTIFY_SOCKET. Returns 0, also when nobody
 * asked to be told, or -errno: -EAGAIN when the manager has not read what it has for three seconds.
 */
int notify_send(const char *assignments);

/* The same with a descriptor; -1 is none. -ENOTCONN when nobody asked to be told. */
int notify_send_descriptor(const char *assignments, int fd);

/* Waits until the service manager has dealt with all that it was sent. Returns 0 or -errno:
 * -ETIMEDOUT, or -ENOTCONN when nobody asked to be told. */
int notify_barrier(int timeout_ms);

/* RELOADING=1 with the monotonic clock's time that systemd wants beside it. */
int notify_reloading(void);

/* How long the service manager waits for a WATCHDOG=1 in microseconds; 0: it does not. */
uint64_t notify_watchdog_us(void);

#endif
