/* SPDX-License-Identifier: MIT */
#include "core/suspicion.h"

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t rate_pps(uint64_t pkts, uint32_t elapsed_ms)
{
	uint64_t rate = elapsed_ms ? pkts * 1000 / elapsed_ms : 0;

	return rate > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)rate;
}

bool suspicion_look(struct suspicion *suspicion, uint64_t sent_pkts, uint32_t elapsed_ms,
		    uint64_t now_ms)
{
	bool is_time = suspicion->cleared_pps == 0 || now_ms >= suspicion->again_at_ms;
	uint32_t well_pps = larger(SUSPICION_FIRST_PPS, is_time ? 0 : 2 * suspicion->cleared_pps);
	uint32_t pps = rate_pps(sent_pkts - suspicion->sent_pkts, elapsed_ms);

	suspicion->sent_pkts = sent_pkts;
	suspicion->latest_pps = pps;
	suspicion->peak_pps = larger(suspicion->peak_pps, pps);
	if (pps < well_pps)
		suspicion->looks = 0;
	else if (suspicion->looks < SUSPICION_LOOKS)
		suspicion->looks++;
	return suspicion->looks == SUSPICION_LOOKS;
}

void suspicion_skip(struct suspicion *suspicion, uint64_t sent_pkts)
{
	suspicion->sent_pkts = sent_pkts;
	suspicion->looks = 0;
}

void suspicion_clear(struct suspicion *suspicion, uint64_t now_ms)
{
	bool is_news = suspicion->latest_pps > 2 * suspicion->cleared_pps;

	suspicion->pause_ms =
		is_news || suspicion->pause_ms == 0 ? SUSPICION_PAUSE_MS : 4 * suspicion->pause_ms;
	if (suspicion->pause_ms > SUSPICION_PAUSE_MAX_MS)
		suspicion->pause_ms = SUSPICION_PAUSE_MAX_MS;
	suspicion->again_at_ms = now_ms + suspicion->pause_ms;
	suspicion->cleared_pps = larger(suspicion->cleared_pps, suspicion->latest_pps);
	suspicion->looks = 0;
}

void suspicion_renew(struct suspicion *suspicion)
{
	suspicion->again_at_ms = 0;
}

void suspicion_age(struct suspicion *suspicion)
{
	if (suspicion->peak_pps < suspicion->cleared_pps)
		suspicion->cleared_pps = suspicion->peak_pps;
	suspicion->peak_pps = 0;
}
