/* SPDX-License-Identifier: MIT */
/* The hosts file: addresses and the names that they have on this machine (hosts(5)). */
#ifndef TRAFFICDUPLICATOR_CONTROL_HOSTS_FILE_H
#define TRAFFICDUPLICATOR_CONTROL_HOSTS_FILE_H

#include "core/ip.h"

/* Called for each name of each line, aliases included; host is as written, and valid in the call.
 */
typedef void hosts_file_entry(void *context, const char *host, const struct ip_address *address);

/*
 * Reads the file from start to end. Lines that do not begin with an address are passed over, as the
 * C library does. Returns 0 or -errno; entries before an error were given.
 */
int hosts_file_read(const char *path, hosts_file_entry *entry, void *context);

#endif
