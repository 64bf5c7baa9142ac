/* SPDX-License-Identifier: MIT */
/*
 * Where packets arrive: keeps a tc program at the ingress of every interface that it can serve, and
 * leaves nothing behind.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_INGRESS_H
#define TRAFFICDUPLICATOR_CONTROL_INGRESS_H

#include <stdbool.h>

/* Priority of our filter: nobody else's by chance. Its handle says whether the clsact qdisc is ours
 * as well, so that also the one after a daemon that was killed knows. */
#define INGRESS_PRIORITY 0x7464
#define INGRESS_HANDLE 1
#define INGRESS_HANDLE_WITH_QDISC 2

struct ingress;

/* For a loaded program of type BPF_PROG_TYPE_SCHED_CLS. NULL when memory runs out. */
struct ingress *ingress_create(int program_fd);

/*
 * By which means. A tcx link (Linux 6.6) costs nothing, and goes with us whatever happens. A clsact
 * qdisc can always be had, but to add or remove one makes the kernel stop the interface's sending
 * for a moment (net/sched/sch_api.c, qdisc_graft), and what leaves it then is lost.
 */
enum ingress_means { INGRESS_LINKS_ONLY, INGRESS_ANY };

/*
 * Attaches the program where it is not yet, as far as interfaces are there now: Ethernet devices,
 * but for bridges and whatever belongs to a bridge, bond or VRF: their packets take turns that this
 * program knows nothing of. One filter of ours that somebody has left there is replaced. What
 * cannot be done is logged once per interface. Returns how many interfaces have it.
 */
unsigned ingress_follow(struct ingress *ingress, enum ingress_means means);

/* Takes the program, and each clsact qdisc that was made for it and serves nothing else, away. */
void ingress_free(struct ingress *ingress);

#endif
