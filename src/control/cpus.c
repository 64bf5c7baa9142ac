/* SPDX-License-Identifier: MIT */
#include "control/cpus.h"

#include <sched.h>

unsigned cpus_usable(void)
{
	cpu_set_t allowed;

	/* Fails only on machines of more than CPU_SETSIZE (1024) processors. */
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return CPU_SETSIZE;
	return (unsigned)CPU_COUNT(&allowed);
}
