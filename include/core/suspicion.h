/* SPDX-License-Identifier: MIT */
/*
 * When it is worth asking whether a destination's copies come back: when more go there, for a
 * while, than ever did without a loop; and, since an answer can get lost, again after a pause that
 * grows. So a busy collector is asked about once for each doubling of its traffic, and then hardly
 * any more. Knows no clock: it is told the time, of any that goes evenly forward.
 */
#ifndef TRAFFICDUPLICATOR_CORE_SUSPICION_H
#define TRAFFICDUPLICATOR_CORE_SUSPICION_H

#include <stdbool.h>
#include <stdint.h>

/* Below this rate nothing is suspected: what circulates so slowly hurts nobody. */
#define SUSPICION_FIRST_PPS 500
/* Looks in a row that must find a suspicious rate. */
#define SUSPICION_LOOKS 3
/* The first pause before the same rate is asked about again; each is four times the one before. */
#define SUSPICION_PAUSE_MS 2000
#define SUSPICION_PAUSE_MAX_MS (3600 * 1000)

/* Of one destination; all zeros to begin with. */
struct suspicion {
	uint64_t sent_pkts;   /* at the last look */
	uint32_t cleared_pps; /* so much has been found to be no loop */
	uint32_t latest_pps;
	uint32_t peak_pps; /* since suspicion_age */
	uint32_t pause_ms; /* the latest; 0: there was none */
	uint64_t again_at_ms;
	uint8_t looks; /* in a row that were suspicious */
};

/* Takes a look: so many copies have been sent so far, elapsed_ms after the look before. Returns
 * whether there is reason to ask. */
bool suspicion_look(struct suspicion *suspicion, uint64_t sent_pkts, uint32_t elapsed_ms,
		    uint64_t now_ms);

/* Takes the number only, where too much time has passed since the look before. */
void suspicion_skip(struct suspicion *suspicion, uint64_t sent_pkts);

/* It is no loop, as far as can be seen: as much as now is well, for some time. */
void suspicion_clear(struct suspicion *suspicion, uint64_t now_ms);

/* What was cleared is to be asked about again at once, where it still goes on. */
void suspicion_renew(struct suspicion *suspicion);

/* From time to time: traffic that has not come up again since the last call is forgotten. */
void suspicion_age(struct suspicion *suspicion);

#endif
