/* SPDX-License-Identifier: MIT */
#include "datapath/admission.h"

#include "datapath/fastpath_shared.h"

#include <string.h>

enum { REFUSE_PERMILLE = 875, ADMIT_PERMILLE = 625 };

struct admission admission_of_worker(struct fastpath_state *state, unsigned index)
{
	return (struct admission){
		.worker_of_flow = state->worker_of_flow,
		.queue_is_full = &state->queue_is_full[index],
		.number = (uint8_t)(index + 1),
	};
}

/* The same as the kernel program's queue(): all words of an address in one. */
static uint32_t word(const struct ip_address *address)
{
	uint32_t words[4];

	memcpy(words, address->bytes, sizeof(words));
	return words[0] ^ words[1] ^ words[2] ^ words[3];
}

void admission_note(const struct admission *admission, const struct ip_address *source,
		    const struct ip_address *destination)
{
	uint8_t *noted;

	if (!admission->worker_of_flow)
		return;
	noted = &admission->worker_of_flow[fastpath_flow(word(source), word(destination))];
	/* Most often it stands there already, and the line stays clean for the other CPUs. */
	if (__atomic_load_n(noted, __ATOMIC_RELAXED) != admission->number)
		__atomic_store_n(noted, admission->number, __ATOMIC_RELAXED);
}

void admission_set_fill(const struct admission *admission, unsigned permille)
{
	uint8_t *is_full = admission->queue_is_full;
	uint8_t was_full;

	if (!is_full)
		return;
	was_full = __atomic_load_n(is_full, __ATOMIC_RELAXED);
	if (!was_full && permille >= REFUSE_PERMILLE)
		__atomic_store_n(is_full, 1, __ATOMIC_RELAXED);
	else if (was_full && permille <= ADMIT_PERMILLE)
		__atomic_store_n(is_full, 0, __ATOMIC_RELAXED);
}
