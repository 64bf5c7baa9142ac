/* SPDX-License-Identifier: MIT */
/* A look at the kernel's settings before traffic is touched: warns, and changes nothing. */
#ifndef TRAFFICDUPLICATOR_CONTROL_PREFLIGHT_H
#define TRAFFICDUPLICATOR_CONTROL_PREFLIGHT_H

#include "core/config.h"

/* One setting: "IPv4 forwarding is off: packets in transit ..., else: sysctl -w ...". */
struct preflight_finding {
	const char *id;	     /* "ipv4_forwarding", "ipv6_forwarding", "ipv4_bridge", "ipv6_bridge",
				"reverse_path"; static */
	const char *title;   /* what is so */
	const char *meaning; /* what comes of it, and when that is all right */
	const char *command; /* what changes it */
};

/* What *finding points to is valid during the call. */
typedef void preflight_tell(void *context, const struct preflight_finding *finding);

/* Tells of each setting that keeps packets in transit from going on or from being seen at all. */
void preflight_examine(const struct config *config, preflight_tell *tell, void *context);

/*
 * Logs a warning for each setting that keeps packets in transit from going on or from being seen
 * at all: forwarding off, bridges that netfilter does not see, strict reverse path filtering. Each
 * says what it means and the command that changes it.
 */
void preflight_warn(const struct config *config);

#endif
