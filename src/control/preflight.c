/* SPDX-License-Identifier: MIT */
#include "control/preflight.h"

#include "control/log.h"

#include <dirent.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define IPV4_CONF "/proc/sys/net/ipv4/conf"

/* Room for a list of interface names in a message; what does not fit becomes "...". */
#define NAMES_SIZE 128

/* Returns a setting's value, or -1 where there is none. */
static int read_setting(const char *path)
{
	FILE *file = fopen(path, "re");
	int value;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

static void add_name(char names[static NAMES_SIZE], const char *name)
{
	size_t length = strlen(names);
	const char *comma = length ? ", " : "";

	if (length + strlen(comma) + strlen(name) + sizeof(", ...") <= NAMES_SIZE)
		snprintf(names + length, NAMES_SIZE - length, "%s%s", comma, name);
	else if (!strstr(names, "..."))
		snprintf(names + length, NAMES_SIZE - length, "%s...", comma);
}

/* Whether an original packet of this family may have to go on after its copies were made. */
static bool has_transit(const struct config *config, uint8_t family)
{
	for (size_t i = 0; i < config->rule_count; i++) {
		const struct config_rule *rule = &config->rules[i];

		if (!rule->enabled || rule->original == ORIGINAL_DROP)
			continue;
		for (size_t j = 0; j < rule->destination_count; j++) {
			if (config_destination_takes(&rule->destinations[j], family))
				return true;
		}
	}
	return false;
}

/* Whom to tell. */
struct listener {
	preflight_tell *tell;
	void *context;
};

static void tell(const struct listener *listener, const struct preflight_finding *finding)
{
	listener->tell(listener->context, finding);
}

static void examine_forwarding(const struct config *config, const struct listener *listener)
{
	static const struct {
		uint8_t family;
		const char *path;
		struct preflight_finding finding;
	} families[] = {
		{AF_INET,
		 "/proc/sys/net/ipv4/ip_forward",
		 {"ipv4_forwarding", "IPv4 forwarding is off",
		  "packets in transit will not be forwarded; if clients address this machine "
		  "itself that is all right",
		  "sysctl -w net.ipv4.ip_forward=1"}},
		{AF_INET6,
		 "/proc/sys/net/ipv6/conf/all/forwarding",
		 {"ipv6_forwarding", "IPv6 forwarding is off",
		  "packets in transit will not be forwarded; if clients address this machine "
		  "itself that is all right",
		  "sysctl -w net.ipv6.conf.all.forwarding=1"}},
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (has_transit(config, families[i].family) && read_setting(families[i].path) == 0)
			tell(listener, &families[i].finding);
	}
}

/* Lists the machine's bridges. Returns whether there are any. */
static bool find_bridges(char names[static NAMES_SIZE])
{
	struct nl_sock *socket = nl_socket_alloc();
	struct nl_cache *links = NULL;

	names[0] = '\0';
	if (!socket || nl_connect(socket, NETLINK_ROUTE) < 0 ||
	    rtnl_link_alloc_cache(socket, AF_UNSPEC, &links) < 0)
		goto out;
	for (struct nl_object *object = nl_cache_get_first(links); object;
	     object = nl_cache_get_next(object)) {
		struct rtnl_link *link = (struct rtnl_link *)object;
		const char *kind = rtnl_link_get_type(link);

		if (kind && strcmp(kind, "bridge") == 0)
			add_name(names, rtnl_link_get_name(link));
	}
out:
	nl_cache_free(links);
	nl_socket_free(socket);
	return names[0] != '\0';
}

static bool has_family(const struct config *config, uint8_t family)
{
	for (size_t i = 0; i < config->rule_count; i++) {
		const struct config_rule *rule = &config->rules[i];

		for (size_t j = 0; rule->enabled && j < rule->destination_count; j++) {
			if (config_destination_takes(&rule->destinations[j], family))
				return true;
		}
	}
	return false;
}

static void examine_bridges(const struct config *config, const struct listener *listener)
{
	static const struct {
		uint8_t family;
		const char *id, *name, *path, *sysctl;
	} families[] = {
		{AF_INET, "ipv4_bridge", "IPv4", "/proc/sys/net/bridge/bridge-nf-call-iptables",
		 "net.bridge.bridge-nf-call-iptables"},
		{AF_INET6, "ipv6_bridge", "IPv6", "/proc/sys/net/bridge/bridge-nf-call-ip6tables",
		 "net.bridge.bridge-nf-call-ip6tables"},
	};
	char names[NAMES_SIZE], title[NAMES_SIZE + 64], command[128];

	if (!find_bridges(names))
		return;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		int value = read_setting(families[i].path);

		if (value == 1 || !has_family(config, families[i].family))
			continue;
		snprintf(title, sizeof(title), "%s packets that cross a bridge (%s) are not seen",
			 families[i].name, names);
		snprintf(command, sizeof(command), "%ssysctl -w %s=1",
			 value < 0 ? "modprobe br_netfilter && " : "", families[i].sysctl);
		tell(listener,
		     &(struct preflight_finding){
			     families[i].id, title,
			     "they are not duplicated; if none should be that is all right",
			     command});
	}
}

/* The larger of the interface's own value and that of all is what holds
 * (Documentation/networking/ip-sysctl.rst). */
static bool is_strict(const char *interface, int all)
{
	char path[sizeof(IPV4_CONF) + NAME_MAX + sizeof("//rp_filter")];
	int own;

	snprintf(path, sizeof(path), IPV4_CONF "/%s/rp_filter", interface);
	own = read_setting(path);
	return (own > all ? own : all) == 1;
}

static void examine_reverse_path(const struct config *config, const struct listener *listener)
{
	int all = read_setting(IPV4_CONF "/all/rp_filter");
	char names[NAMES_SIZE] = "", title[NAMES_SIZE + 64];
	struct dirent *entry;
	DIR *folder;

	if (!has_transit(config, AF_INET) || !(folder = opendir(IPV4_CONF)))
		return;
	while ((entry = readdir(folder))) {
		const char *name = entry->d_name;

		if (name[0] != '.' && strcmp(name, "all") != 0 && strcmp(name, "default") != 0 &&
		    strcmp(name, "lo") != 0 && is_strict(name, all))
			add_name(names, name);
	}
	closedir(folder);
	if (names[0] == '\0')
		return;
	snprintf(title, sizeof(title), "reverse path filtering is strict on %s", names);
	tell(listener,
	     &(struct preflight_finding){
		     "reverse_path", title,
		     "originals from clients that are reached by another interface will not go on; "
		     "if there are no such clients that is all right",
		     "sysctl -w net.ipv4.conf.all.rp_filter=2"});
}

void preflight_examine(const struct config *config, preflight_tell *whom, void *context)
{
	const struct listener listener = {whom, context};

	examine_forwarding(config, &listener);
	examine_bridges(config, &listener);
	examine_reverse_path(config, &listener);
}

static void log_finding(void *context, const struct preflight_finding *finding)
{
	(void)context;
	log_warning("%s: %s, else: %s", finding->title, finding->meaning, finding->command);
}

void preflight_warn(const struct config *config)
{
	preflight_examine(config, log_finding, NULL);
}
