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
static bool has_transit(const struct config *config, int family)
{
	for (size_t i = 0; i < config->rule_count; i++) {
		const struct config_rule *rule = &config->rules[i];

		if (rule->original == ORIGINAL_DROP)
			continue;
		for (size_t j = 0; j < rule->destination_count; j++) {
			if (rule->destinations[j].address.family == family)
				return true;
		}
	}
	return false;
}

static void warn_forwarding(const struct config *config)
{
	static const struct {
		int family;
		const char *name, *path, *sysctl;
	} families[] = {
		{AF_INET, "IPv4", "/proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward"},
		{AF_INET6, "IPv6", "/proc/sys/net/ipv6/conf/all/forwarding",
		 "net.ipv6.conf.all.forwarding"},
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (has_transit(config, families[i].family) && read_setting(families[i].path) == 0)
			log_warning("%s forwarding is off: packets in transit will not be "
				    "forwarded; if clients address this machine itself that is all "
				    "right, else: sysctl -w %s=1",
				    families[i].name, families[i].sysctl);
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

static bool has_family(const struct config *config, int family)
{
	for (size_t i = 0; i < config->rule_count; i++) {
		for (size_t j = 0; j < config->rules[i].destination_count; j++) {
			if (config->rules[i].destinations[j].address.family == family)
				return true;
		}
	}
	return false;
}

static void warn_bridges(const struct config *config)
{
	static const struct {
		int family;
		const char *name, *path, *sysctl;
	} families[] = {
		{AF_INET, "IPv4", "/proc/sys/net/bridge/bridge-nf-call-iptables",
		 "net.bridge.bridge-nf-call-iptables"},
		{AF_INET6, "IPv6", "/proc/sys/net/bridge/bridge-nf-call-ip6tables",
		 "net.bridge.bridge-nf-call-ip6tables"},
	};
	char names[NAMES_SIZE];

	if (!find_bridges(names))
		return;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		int value = read_setting(families[i].path);

		if (value == 1 || !has_family(config, families[i].family))
			continue;
		log_warning(
			"%s packets that cross a bridge (%s) are not seen, so not duplicated; if "
			"none should be that is all right, else: %ssysctl -w %s=1",
			families[i].name, names, value < 0 ? "modprobe br_netfilter && " : "",
			families[i].sysctl);
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

static void warn_reverse_path(const struct config *config)
{
	int all = read_setting(IPV4_CONF "/all/rp_filter");
	char names[NAMES_SIZE] = "";
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
	if (names[0] != '\0')
		log_warning("reverse path filtering is strict on %s: originals from clients that "
			    "are reached by another interface will not go on; if there are such "
			    "clients: sysctl -w net.ipv4.conf.all.rp_filter=2",
			    names);
}

void preflight_warn(const struct config *config)
{
	warn_forwarding(config);
	warn_bridges(config);
	warn_reverse_path(config);
}
