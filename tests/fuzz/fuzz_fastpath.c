/* SPDX-License-Identifier: MIT */
/* Rules, their tables for the kernel's fast path, and packets: both datapaths do the same. */
#include "fuzz_random.h"

#include "fastpath_comparison.h"
#include "fuzz.h"

enum { PACKETS = 24 };

/* Tables with room enough in every other case. */
static struct fastpath_limits draw_limits(void)
{
	bool small = random_below(2);

	return (struct fastpath_limits){
		.classes = small ? 2 + random_below(12) : 1000,
		.ranges4 = small ? 1 + random_below(20) : 10000,
		.ranges6 = small ? 1 + random_below(20) : 10000,
		.plans = small ? 2 + random_below(20) : 1000,
		.steps = small ? random_below(100) : 20000,
		.own4 = small ? random_below(3) : 8,
		.own6 = small ? random_below(3) : 8,
		.samples = small ? random_below(100) : SAMPLES,
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fastpath_limits limits;

	random_from(data, size);
	limits = draw_limits();
	run_random(&limits, PACKETS);
	return 0;
}
