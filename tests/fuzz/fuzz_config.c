/* SPDX-License-Identifier: MIT */
/*
 * The configuration: a text becomes rules or messages, never both. Rules written back as a text
 * become the same rules again.
 */
#include "config_writer.h"
#include "fuzz.h"
#include "messages.h"

#include "core/config_diff.h"

#include <stdbool.h>
#include <sys/socket.h>

static struct config *parse(const char *text, size_t length)
{
	struct config_errors errors = {0};
	struct config *config = config_parse(text, length, "fuzz", &errors);

	FUZZ_EXPECT(config ? errors.count == 0 : errors.count > 0);
	messages_check(&errors);
	config_errors_free(&errors);
	return config;
}

static void check_same(const struct config *one, const struct config *other)
{
	char *words = config_describe(one, 2), *other_words = config_describe(other, 2);
	char *difference = config_diff(one, other);

	FUZZ_EXPECT(words && other_words && difference);
	FUZZ_EXPECT(strcmp(words, other_words) == 0);
	FUZZ_EXPECT(strncmp(difference, "no change", 9) == 0);
	free(words);
	free(other_words);
	free(difference);
}

static void check_written(const struct config *config)
{
	char *text = config_writer_write(config);
	struct config *again = parse(text, strlen(text));

	if (!again)
		fprintf(stderr, "%s", text);
	FUZZ_EXPECT(again);
	check_same(config, again);
	config_free(again);
	free(text);
}

/* On a machine with these addresses it may be another matter, but never a crash. */
static void check_here(const struct config *config)
{
	static const struct ip_interface_address own[] = {
		{{AF_INET, {192, 0, 2, 1}}, 24},
		{{AF_INET6, {0x20, 1, 0xd, 0xb8, [15] = 7}}, 64},
	};
	struct config_errors errors = {0};
	bool good = config_check_addresses(config, "fuzz", own, 2, &errors);

	FUZZ_EXPECT(good == (errors.count == 0));
	messages_check(&errors);
	config_errors_free(&errors);
}

/* What can be read of a text with errors is looked at for more of them. */
static void check_partly(const char *text, size_t length)
{
	struct config_errors errors = {0};
	bool clean;
	struct config *config = config_parse_partly(text, length, "fuzz", &clean, &errors);

	FUZZ_EXPECT(clean == (errors.count == 0) && (config || !clean));
	if (config)
		check_here(config);
	config_free(config);
	config_errors_free(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	struct config *config = parse(text, size);

	if (config) {
		check_written(config);
		check_here(config);
	} else {
		check_partly(text, size);
	}
	config_free(config);
	free(text);
	return 0;
}
