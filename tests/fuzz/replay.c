/* SPDX-License-Identifier: MIT */
/* In place of libFuzzer: runs each file of the command line once. The last name shown is at fault.
 */
#include "fuzz.h"

static void run(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *file = fopen(path, "re");
	size_t size;

	FUZZ_EXPECT(file);
	size = fread(data, 1, sizeof(data), file);
	FUZZ_EXPECT(!ferror(file) && size < sizeof(data));
	fclose(file);
	fprintf(stderr, "input %s\n", path);
	LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run(argv[i]);
	return 0;
}
