/* SPDX-License-Identifier: MIT */
/* What fuzz targets have in common. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Called by libFuzzer for every input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program, for libFuzzer to keep the input, where an expectation does not hold. */
#define FUZZ_EXPECT(condition)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A copy that ends where its memory ends, so that a read beyond it is seen. Freed by the caller. */
static inline void *fuzz_copy(const uint8_t *data, size_t size)
{
	void *copy = malloc(size ? size : 1);

	FUZZ_EXPECT(copy);
	memcpy(copy, data, size);
	return copy;
}

#endif
