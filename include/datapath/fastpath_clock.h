/* SPDX-License-Identifier: MIT */
/* The fast path's two clocks: the daemon's, and that of its program in the kernel. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_FASTPATH_CLOCK_H
#define TRAFFICDUPLICATOR_DATAPATH_FASTPATH_CLOCK_H

#include <stdint.h>

/*
 * How far this process's CLOCK_MONOTONIC is ahead of the kernel program's, which knows of no time
 * namespaces (time_namespaces(7)), in nanoseconds; modulo 2^64, where it is behind. The kernel
 * tells the offsets of the namespace for children, which is our own since we were executed.
 */
uint64_t fastpath_clock_offset_ns(void);

#endif
