/* SPDX-License-Identifier: MIT */
/* The machine's processors, as far as they are ours. */
#ifndef TRAFFICDUPLICATOR_CONTROL_CPUS_H
#define TRAFFICDUPLICATOR_CONTROL_CPUS_H

/* How many CPUs this thread may run on (sched_getaffinity(2)): at least 1. */
unsigned cpus_usable(void);

#endif
