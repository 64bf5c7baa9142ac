/* SPDX-License-Identifier: MIT */
/* Whether next hops answer ARP or neighbour discovery. */
#ifndef TRAFFICDUPLICATOR_CONTROL_DOCTOR_NEIGHBOURS_H
#define TRAFFICDUPLICATOR_CONTROL_DOCTOR_NEIGHBOURS_H

#include "core/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum doctor_neighbour_state {
	DOCTOR_NEIGHBOUR_KNOWN,	  /* it has answered lately, or need not be asked */
	DOCTOR_NEIGHBOUR_SILENT,  /* asked, and no answer */
	DOCTOR_NEIGHBOUR_UNKNOWN, /* not asked yet, or has not answered so far */
	DOCTOR_NEIGHBOUR_OLD,	  /* it had an address; whether it still answers is not known */
};

struct doctor_neighbour {
	uint32_t device; /* kernel index of the interface */
	struct ip_address address;
	enum doctor_neighbour_state state; /* the answer */
	bool asked_all;			   /* all on the link were asked for it; false at first */
};

/*
 * Has the kernel ask for those that it does not know (rtnetlink, NTF_USE: no packet but the
 * question leaves) or has not heard of for a while (NUD_PROBE), and waits until each has answered
 * or been given up, eight seconds at most. Without CAP_NET_ADMIN it only looks. Returns 0 or
 * -errno.
 */
int doctor_neighbours_find(struct doctor_neighbour *neighbours, size_t count);

#endif
