/* SPDX-License-Identifier: MIT */
/* Two answers of "status", whatever is in them, as `trafficduplicator status` shows them. */
#include "fuzz.h"

#include "cli/status_view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1), *shown = NULL, *second;
	struct json_object *earlier, *later;
	size_t length;
	FILE *out;

	FUZZ_EXPECT(text);
	memcpy(text, data, size);
	/* The second answer stands behind a NUL; without one it is the same again. */
	second = memchr(text, '\0', size);
	later = json_tokener_parse(second ? second + 1 : text);
	earlier = json_tokener_parse(text);
	out = open_memstream(&shown, &length);
	FUZZ_EXPECT(out);
	if (later)
		status_view_print(out, earlier, later, (double)(size % 3), size % 2);
	fclose(out);
	json_object_put(earlier);
	json_object_put(later);
	free(shown);
	free(text);
	return 0;
}
