/* SPDX-License-Identifier: MIT */
#include "core/config_settings.h"

#include "core/config_http.h"
#include "core/config_names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define QUEUE_MAX UINT16_MAX
#define QUEUE_LENGTH_MAX_PKTS (1 << 20)

void config_settings_default(struct config_settings *settings)
{
	*settings = (struct config_settings){
		.queue = 7514,
		.queue_length_pkts = 16384,
		.when_full = WHEN_FULL_DROP,
		.mark = 0x7464,
		.log_level = LOG_LEVEL_INFO,
		.http_address = {.family = AF_INET, .bytes = {127, 0, 0, 1}},
		.http_port = 9514,
	};
}

static void read_queue(const struct config_value *value, void *target)
{
	struct config_settings *settings = target;
	int64_t number;

	if (config_read_integer(value, 0, QUEUE_MAX, &number))
		settings->queue = (uint16_t)number;
}

static void read_workers(const struct config_value *value, void *target)
{
	struct config_settings *settings = target;
	int64_t number;

	/* A wrong number raises no second error about the room that QUEUE leaves. */
	if (!config_read_integer(value, 0, CONFIG_WORKERS_MAX, &number))
		number = 1;
	settings->workers = (unsigned)number;
}

static void read_queue_length(const struct config_value *value, void *target)
{
	struct config_settings *settings = target;
	int64_t number;

	if (config_read_integer(value, 1, QUEUE_LENGTH_MAX_PKTS, &number))
		settings->queue_length_pkts = (uint32_t)number;
}

static void read_when_full(const struct config_value *value, void *target)
{
	struct config_settings *settings = target;
	unsigned choice;

	if (config_read_choice(value, config_names_when_full, &choice))
		settings->when_full = (enum when_full)choice;
}

static void read_send(const struct config_value *value, void *target)
{
	struct config_settings *settings = target;
	unsigned choice;

	if (config_read_choice(value, config_names_send, &choice))
		settings->send = (enum send_mode)choice;
}

static void read_fast_path(const struct config_value *value, void *target)
{
	struct config_settings *settings = target;
	unsigned choice;

	if (config_read_choice(value, config_names_fast_path, &choice))
		settings->fast_path = (enum fastpath_mode)choice;
}

static bool parse_mark(const char *text, size_t length, uint32_t *mark)
{
	if (length < 3 || memcmp(text, "0x", 2) != 0)
		return config_read_digits(text, length, UINT32_MAX, mark);
	if (length > 10 || strspn(text + 2, "0123456789abcdefABCDEF") != length - 2)
		return false;
	*mark = (uint32_t)strtoul(text + 2, NULL, 16);
	return true;
}

static void read_mark(const struct config_value *value, void *target)
{
	struct config_settings *settings = target;
	uint32_t mark;

	if (json_object_is_type(value->json, json_type_string) &&
	    parse_mark(json_object_get_string(value->json),
		       (size_t)json_object_get_string_len(value->json), &mark) &&
	    mark != 0)
		settings->mark = mark;
	else
		config_read_error(value, "write a number from 1 to 0xffffffff in quotation marks, "
					 "for example \"0x7464\"");
}

static void read_log_level(const struct config_value *value, void *target)
{
	struct config_settings *settings = target;
	unsigned choice;

	if (config_read_choice(value, config_names_log_level, &choice))
		settings->log_level = (enum log_level)choice;
}

static void read_auto_reload(const struct config_value *value, void *target)
{
	struct config_settings *settings = target;

	config_read_bool(value, &settings->auto_reload);
}

void config_settings_read(const struct config_value *value, struct config_settings *settings)
{
	static const struct config_key keys[] = {
		{"QUEUE", NULL, read_queue},
		{"WORKERS", NULL, read_workers},
		{"QUEUELENGTH", NULL, read_queue_length},
		{"WHENFULL", NULL, read_when_full},
		{"SEND", NULL, read_send},
		{"FASTPATH", NULL, read_fast_path},
		{"HTTP", NULL, config_http_read},
		{"MARK", NULL, read_mark},
		{"LOGLEVEL", NULL, read_log_level},
		{"AUTORELOAD", NULL, read_auto_reload},
	};
	struct config_value queue;
	unsigned workers_max;

	if (!json_object_is_type(value->json, json_type_object)) {
		config_read_error(value, "write an object, for example { \"QUEUE\": 7514 }");
		return;
	}
	config_read_object(value, keys, sizeof keys / sizeof *keys, settings);
	workers_max = settings->workers ? settings->workers : CONFIG_WORKERS_MAX;
	if (settings->queue + workers_max - 1 > QUEUE_MAX &&
	    config_read_find(value, "QUEUE", &queue))
		config_read_error(&queue,
				  "leaves no room for the queues of %u workers; write at most %u",
				  workers_max, QUEUE_MAX + 1 - workers_max);
}
