/* SPDX-License-Identifier: MIT */
/*
 * The configuration file: JSON text in, checked values out. Pure: reads no file, asks no clock and
 * no network. Every error of a text is reported, not only the first.
 */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_H

#include "core/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_DEFAULT_PATH "/etc/trafficduplicator/trafficduplicator.config"

/* Largest file, in bytes, and deepest nesting that config_parse takes. */
#define CONFIG_TEXT_MAX (16u << 20)
#define CONFIG_DEPTH_MAX 32

#define CONFIG_RULE_NAME_MAX 64 /* bytes of UTF-8 */
#define CONFIG_DESTINATIONS_MAX 64
#define CONFIG_WORKERS_MAX 8

enum original_mode { ORIGINAL_AUTO, ORIGINAL_FORWARD, ORIGINAL_DROP };
enum oversize_mode { OVERSIZE_FRAGMENT, OVERSIZE_DROP };
enum when_full { WHEN_FULL_DROP, WHEN_FULL_FORWARD };
enum ttl_mode { TTL_KEEP, TTL_DECREMENT, TTL_SET };
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct ttl_policy {
	enum ttl_mode mode;
	uint8_t value; /* 1..255 with TTL_SET, else 0 */
};

/* UDP ports first..last, both included, in host byte order. */
struct port_range {
	uint16_t first;
	uint16_t last;
};

struct config_destination {
	char *name; /* "address/port" or "address", in canonical text: what status shows */
	struct ip_address address;
	uint16_t port; /* host byte order; 0: the copy keeps the packet's own port */
	unsigned line;
};

struct config_rule {
	char *name; /* UTF-8, 1 to CONFIG_RULE_NAME_MAX bytes, no control characters */
	unsigned line;
	struct port_range *ports; /* sorted, merged, never empty */
	size_t port_count;
	struct config_destination *destinations; /* in the file's order */
	size_t destination_count;
	enum original_mode original;
	enum oversize_mode oversize;
	struct ttl_policy ttl;
};

struct config_settings {
	uint16_t queue;	  /* first queue number */
	unsigned workers; /* as written; 0: one per CPU */
	uint32_t queue_length_pkts;
	enum when_full when_full;
	uint32_t mark;
	enum log_level log_level;
};

struct config {
	struct config_settings settings;
	struct config_rule *rules; /* in the file's order */
	size_t rule_count;
};

/*
 * Errors, each a complete sentence that begins with "FILE:LINE: " (or "FILE: " where no line is
 * known) and names rule, key, value and what would be right. Zero-initialise before first use.
 */
struct config_errors {
	char **messages;
	size_t count;
};

void config_errors_free(struct config_errors *errors);

/*
 * Reads a configuration. file is the name for messages. Returns a config that the caller frees
 * with config_free, or NULL with at least one message appended to *errors (out of memory included).
 */
struct config *config_parse(const char *text, size_t length, const char *file,
			    struct config_errors *errors);

/*
 * Checks a config against the addresses of the machine that it is to run on: a destination that is
 * the machine itself on a port that a rule listens to, or a directed broadcast address of one of
 * its networks. Appends a message per finding and returns whether there was none.
 */
bool config_check_addresses(const struct config *config, const char *file,
			    const struct ip_interface_address *addresses, size_t address_count,
			    struct config_errors *errors);

void config_free(struct config *config);

/* The number of workers to start on a machine with this many CPUs: 1..CONFIG_WORKERS_MAX. */
unsigned config_workers(const struct config_settings *settings, unsigned cpu_count);

/* Names as the file spells them: "auto", "fragment", "forward", "info", ... */
const char *original_mode_name(enum original_mode mode);
const char *oversize_mode_name(enum oversize_mode mode);
const char *when_full_name(enum when_full when_full);
const char *log_level_name(enum log_level level);

/*
 * Describes a config as understood, for people: its rules, then its settings with the queues that
 * a machine with this many CPUs gets. Returns text that the caller frees, or NULL: out of memory.
 */
char *config_describe(const struct config *config, unsigned cpu_count);

#endif
