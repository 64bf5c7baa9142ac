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

#define CONFIG_RULE_NAME_MAX 64 /* bytes of UTF-8; of a destination's NAME too */
#define CONFIG_DESTINATIONS_MAX 64
#define CONFIG_HOST_MAX 253	     /* bytes of a host name, final dot aside (RFC 1035 2.3.4) */
#define CONFIG_INTERFACE_NAME_MAX 15 /* bytes: IFNAMSIZ less its NUL */
#define CONFIG_INTERFACES_MAX 1024
#define CONFIG_RATE_MAX 1000000000 /* of SAMPLE and RATELIMIT */
#define CONFIG_WORKERS_MAX 8

enum original_mode { ORIGINAL_AUTO, ORIGINAL_FORWARD, ORIGINAL_DROP };
enum oversize_mode { OVERSIZE_FRAGMENT, OVERSIZE_DROP };
enum balance_mode { BALANCE_ALL, BALANCE_ROUND_ROBIN, BALANCE_HASH, BALANCE_FAILOVER };
enum source_mode { SOURCE_CLIENT, SOURCE_APPLIANCE, SOURCE_FIXED };
enum check_kind { CHECK_NONE, CHECK_ICMP, CHECK_TCP };
enum when_full { WHEN_FULL_DROP, WHEN_FULL_FORWARD };
enum send_mode { SEND_IP, SEND_LINK };
enum fastpath_mode { FASTPATH_OFF, FASTPATH_AUTO };
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

/* One entry of SOURCEADDRESS or LISTENADDRESS. */
struct config_prefix {
	struct ip_prefix prefix;
	bool excluded; /* written with "!" in front */
};

struct config_destination {
	char *name; /* NAME, or else what config_destination_place writes: what status shows */
	/* A host name to resolve, in lower case, or NULL where the file has an address. A final dot
	 * stays: it keeps a resolver's search domains out of it. */
	char *host;
	struct ip_address address; /* family AF_UNSPEC while a host name is not resolved */
	/* The last address of host that config_unusable_here spoke against. */
	struct ip_address refused_address;
	uint16_t port; /* host byte order; 0: the copy keeps the packet's own port */
	enum source_mode source;
	struct ip_address source_address; /* with SOURCE_FIXED; a host name then has its family */
	struct ttl_policy ttl;		  /* its own, or the rule's */
	uint32_t sample;		  /* 1 copy in so many; 1: all */
	enum check_kind check;
	uint16_t check_port; /* with CHECK_TCP; host byte order */
	bool unsure;	     /* of config_parse_partly: something of it could not be read */
	unsigned line;
};

struct config_rule {
	bool unsure; /* of config_parse_partly: what it listens to could not be read */
	char *name;  /* UTF-8, 1 to CONFIG_RULE_NAME_MAX bytes, no control characters */
	unsigned line;
	bool enabled;
	struct port_range *ports; /* sorted, merged, never empty */
	size_t port_count;
	struct config_prefix *sources; /* SOURCEADDRESS, in the file's order; none: any client */
	size_t source_count;
	struct config_prefix *listens; /* LISTENADDRESS; none: any original destination */
	size_t listen_count;
	char **interfaces; /* none: any */
	size_t interface_count;
	struct config_destination *destinations; /* in the file's order */
	size_t destination_count;
	enum original_mode original;
	enum oversize_mode oversize;
	enum balance_mode balance;
	uint32_t sample;	 /* 1 packet in so many; 1: all */
	uint32_t rate_limit_pps; /* 0: no limit */
	struct ttl_policy ttl;
};

struct config_settings {
	uint16_t queue;	  /* first queue number */
	unsigned workers; /* as written; 0: one per CPU */
	uint32_t queue_length_pkts;
	enum when_full when_full;
	enum send_mode send;
	enum fastpath_mode fast_path;
	uint32_t mark;
	enum log_level log_level;
	bool auto_reload;
	struct ip_address http_address; /* unicast, loopback, or 0.0.0.0 or :: for all */
	uint16_t http_port;		/* host byte order; 0: no HTTP */
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
	/* The configuration could not be examined to its end, and may be right: memory ran out, or
	 * some other thing of this machine's. */
	bool unfinished;
};

void config_errors_free(struct config_errors *errors);

/*
 * Reads a configuration. file is the name for messages. Returns a config that the caller frees
 * with config_free, or NULL with at least one message appended to *errors (out of memory included).
 */
struct config *config_parse(const char *text, size_t length, const char *file,
			    struct config_errors *errors);

/*
 * The same, but where there were errors (*clean is false) returns what could be read all the same,
 * if anything: good for nothing but to look for further errors, and to be freed.
 */
struct config *config_parse_partly(const char *text, size_t length, const char *file, bool *clean,
				   struct config_errors *errors);

/*
 * Checks a config against the addresses of the machine that it is to run on: a destination that is
 * the machine itself on a port that a rule listens to (at that address, where the rule has
 * LISTENADDRESS; a disabled one to its own copies only), or a directed broadcast address of one of
 * its networks as destination or SOURCE. Appends a message per finding and returns whether there
 * was none.
 */
bool config_check_addresses(const struct config *config, const char *file,
			    const struct ip_interface_address *addresses, size_t address_count,
			    struct config_errors *errors);

/*
 * Why copies to a destination, at the address that it has now, cannot go there from the machine
 * with these addresses: config_check_addresses' findings, for names that are resolved later. NULL
 * where they can, else a text that fits behind "which is".
 */
const char *config_unusable_here(const struct config *config, const struct config_rule *rule,
				 const struct config_destination *destination,
				 const struct ip_interface_address *addresses,
				 size_t address_count);

void config_free(struct config *config);

/* Longest text of a destination: a host name, a slash, a port and the terminating NUL. */
#define CONFIG_PLACE_SIZE (CONFIG_HOST_MAX + sizeof "/65535")

/*
 * Writes where a destination is, NAME aside: "address/port", or "address" where copies keep the
 * packet's own port; a host name without its final dot. Returns out.
 */
const char *config_destination_place(const struct config_destination *destination,
				     char out[static CONFIG_PLACE_SIZE]);

/*
 * Whether copies of this family can go to a destination. A host name may have addresses of either,
 * unless a fixed SOURCE decides it.
 */
bool config_destination_takes(const struct config_destination *destination, uint8_t family);

/* The number of workers to start on a machine with this many CPUs: 1..CONFIG_WORKERS_MAX. */
unsigned config_workers(const struct config_settings *settings, unsigned cpu_count);

/*
 * Bits of the packet mark that are ours for a moment, and never part of the copies' mark but where
 * that has them all: the one by which nft tells iptables what to queue, and the one of originals
 * that have been dealt with at the ingress.
 */
uint32_t config_queue_bit(const struct config_settings *settings);
uint32_t config_served_bit(const struct config_settings *settings);

/* A rule's ports, as in "514, 2055-2060". Freed by the caller; NULL when memory runs out. */
char *config_ports_text(const struct config_rule *rule);

/* Longest text of HTTP, with its terminating NUL. */
#define CONFIG_HTTP_SIZE (IP_TEXT_SIZE + sizeof "[]:65535")

/* Writes HTTP as the file has it: "127.0.0.1:9514", "[::1]:9514" or "off". Returns out. */
const char *config_http_format(const struct config_settings *settings,
			       char out[static CONFIG_HTTP_SIZE]);

/* Whether others than this machine may reach HTTP, and what to tell who wrote it so. */
bool config_http_is_exposed(const struct config_settings *settings);
#define CONFIG_HTTP_EXPOSED                                                                        \
	"whoever reaches this port can read all addresses and counters; let a firewall keep "      \
	"others away, or write \"127.0.0.1:9514\" and put a server with a password before it"

/* Names as the file spells them: "auto", "fragment", "forward", "info", ... */
const char *original_mode_name(enum original_mode mode);
const char *oversize_mode_name(enum oversize_mode mode);
const char *balance_mode_name(enum balance_mode mode);
const char *source_mode_name(enum source_mode mode);
const char *check_kind_name(enum check_kind kind);
const char *when_full_name(enum when_full when_full);
const char *send_mode_name(enum send_mode mode);
const char *fastpath_mode_name(enum fastpath_mode mode);
const char *log_level_name(enum log_level level);

/*
 * Describes a config as understood, for people: its rules, then its settings with the queues that
 * a machine with this many CPUs gets. Returns text that the caller frees, or NULL: out of memory.
 */
char *config_describe(const struct config *config, unsigned cpu_count);

#endif
