/* SPDX-License-Identifier: MIT */
/* Other duplicators' files: what they become, our own parser takes, and nothing goes in silence. */
#include "fuzz.h"
#include "messages.h"

#include "core/import.h"

static void check(const struct import_result *result)
{
	struct config_errors errors = {0};
	struct config *config;

	FUZZ_EXPECT(result->messages.count > 0);
	messages_check(&result->messages);
	FUZZ_EXPECT(result->config || !result->complete);
	if (!result->config)
		return;
	config = config_parse(result->config, strlen(result->config), "imported", &errors);
	if (!config)
		fprintf(stderr, "%s\n%s\n", errors.messages[0], result->config);
	FUZZ_EXPECT(config);
	config_free(config);
	config_errors_free(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct import_result result;
	char *text;

	if (size < 1)
		return 0;
	text = fuzz_copy(data + 1, size - 1);
	import_convert(import_format_find(data[0] & 1 ? "pmacct" : "samplicator"), text, size - 1,
		       "fuzz", data[0] & 2 ? 2055 : 0, &result);
	free(text);
	check(&result);
	import_result_free(&result);
	return 0;
}
