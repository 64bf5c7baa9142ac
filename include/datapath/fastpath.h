/* SPDX-License-Identifier: MIT */
/*
 * The fast path: the kernel program of src/datapath/bpf/, its tables and counters. It serves at the
 * ingress of interfaces what it can serve exactly as the workers would, and refuses there what
 * their queues have no room for. Used by the control thread.
 */
#ifndef TRAFFICDUPLICATOR_DATAPATH_FASTPATH_H
#define TRAFFICDUPLICATOR_DATAPATH_FASTPATH_H

#include "core/config.h"
#include "core/fastpath_tables.h"
#include "datapath/counters.h"
#include "datapath/fastpath_left.h"
#include "datapath/generation.h"

#include <stdint.h>

struct fastpath;
struct fastpath_state; /* datapath/fastpath_shared.h */

#define FASTPATH_ERROR_BYTES 256

/*
 * Loads the program, with room in its tables for about twice what the config needs. It does nothing
 * until it is attached and something is published. Needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN
 * (or CAP_SYS_ADMIN, where the kernel is older than 5.8); no call after this one needs more than
 * CAP_NET_ADMIN. Returns 0, or -errno with the reason in why.
 */
int fastpath_open(struct fastpath **fastpath, const struct config *config,
		  char why[static FASTPATH_ERROR_BYTES]);

/* Unloads. Where the program is still attached it stays, and does nothing. */
void fastpath_close(struct fastpath *fastpath);

/* A descriptor of the program, for those who attach it; it stays the fastpath's. */
int fastpath_program_fd(const struct fastpath *fastpath);

struct fastpath_publication;

/*
 * Makes new tables beside those in force. kinship is with the ruleset of the publication before;
 * NULL where that is the same, or there is none. Until fastpath_publish or fastpath_discard there
 * is no other. NULL when memory runs out.
 */
struct fastpath_publication *fastpath_prepare(struct fastpath *fastpath,
					      const struct generation_basis *basis,
					      const struct kinship *kinship);

/* Has a worker's SAMPLE go by the counts of the kernel program. */
void fastpath_share_samples(const struct fastpath *fastpath,
			    const struct fastpath_publication *publication,
			    struct selection *selection);

/*
 * Puts what was prepared in force, between two packets: none is lost or served twice. What was
 * counted for the tables before is added to *former, made for their ruleset; NULL at the first
 * call. On return nothing uses the former ruleset any more. Takes the publication over.
 */
void fastpath_publish(struct fastpath *fastpath, struct fastpath_publication *publication,
		      struct counters *former);
void fastpath_discard(struct fastpath_publication *publication);

/* Moves what was counted so far to *sum, of the ruleset in force. The equations hold for it, since
 * the program is made to count elsewhere first. */
void fastpath_harvest(struct fastpath *fastpath, struct counters *sum);

/* Packets refused because a queue was full, ever. */
uint64_t fastpath_refused_pkts(const struct fastpath *fastpath);

/* One for each rule of the ruleset in force. */
const struct fastpath_verdict *fastpath_verdicts(const struct fastpath *fastpath);

/* Has to be called every second: a program that has not heard of its daemon for three leaves all
 * packets alone. ahead_s: as if called in so many seconds, mostly 0. */
void fastpath_beat(struct fastpath *fastpath, uint64_t ahead_s);

/*
 * Has the program go on by itself for lasts_s seconds, as long as it is attached: fastpath_close
 * does not end it any more. To be called when the workers have ended.
 */
void fastpath_leave(struct fastpath *fastpath, unsigned lasts_s);

/* When the workers have ended, none of which will say that there is room again: all packets are
 * queued, and none is refused any more once this returns. */
void fastpath_admit_all(struct fastpath *fastpath);

/* Where it counts, for the next daemon; the descriptors stay the fastpath's. */
void fastpath_counter_maps(const struct fastpath *fastpath, struct fastpath_left *left);

/* The memory that workers write to and the program reads. */
struct fastpath_state *fastpath_state(struct fastpath *fastpath);

#endif
