/* SPDX-License-Identifier: MIT */
/*
 * Where packets arrive: keeps a tc program at the ingress of every interface that it can serve, and
 * leaves nothing behind.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_INGRESS_H
#define TRAFFICDUPLICATOR_CONTROL_INGRESS_H

#include <stdbool.h>
#include <stddef.h>

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

/*
 * Before the first ingress_follow, for the daemon that comes after another one, whose program is
 * still attached: it gives way to ours at each interface between two packets, by whatever means it
 * was attached there.
 */
void ingress_succeed(struct ingress *ingress);

/* The link by which it is attached at an interface, taken over. Returns false when memory runs out.
 */
bool ingress_inherit(struct ingress *ingress, int interface, int link_fd);

/* Visits every link of ours; the descriptors stay the ingress's. Returns how many there are. */
typedef void ingress_link_visitor(void *context, int interface, int link_fd);
size_t ingress_links(const struct ingress *ingress, ingress_link_visitor *visitor, void *context);

/* Ends, with the program left where it is attached; by links only as long as somebody has another
 * descriptor of them. */
void ingress_leave(struct ingress *ingress);

/* Takes away what a former daemon has left attached by filters, at every interface. */
void ingress_clear(void);

/* Takes the program, and each clsact qdisc that was made for it and serves nothing else, away. */
void ingress_free(struct ingress *ingress);

#endif
