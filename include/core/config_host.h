/* SPDX-License-Identifier: MIT */
/* An address that copies can go to or come from, or the name of a host. Used by the config and
 * import modules only. */
#ifndef TRAFFICDUPLICATOR_CORE_CONFIG_HOST_H
#define TRAFFICDUPLICATOR_CORE_CONFIG_HOST_H

#include "core/config_read.h"

/*
 * Reads the unicast address of a host. Anything else is reported, with what would be right: form.
 */
bool config_host_read_address(const struct config_value *value, const char *text, size_t length,
			      const char *form, struct ip_address *address);

/*
 * Reads an address or a host name (RFC 1123 2.1, and "_" as resolvers take it). Sets *address, or
 * *host in lower case, which the caller frees, and the other one to none. Anything else is reported
 * and leaves both none.
 */
bool config_host_read(const struct config_value *value, const char *text, size_t length,
		      const char *form, struct ip_address *address, char **host);

/* Whether this, without its final dot, is what config_host_read takes for a host name. */
bool config_host_is_name(const char *text, size_t length);

/*
 * Whether a name, without its final dot, is localhost or lies below it: always this machine (RFC
 * 6761 6.3).
 */
bool config_host_is_localhost(const char *text, size_t length);

#endif
