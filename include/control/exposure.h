/* SPDX-License-Identifier: MIT */
/*
 * Rules that anybody on the Internet can send to, by the facts of this machine. Asks the kernel for
 * addresses and routes, which needs no privilege; changes nothing.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_EXPOSURE_H
#define TRAFFICDUPLICATOR_CONTROL_EXPOSURE_H

#include "core/config.h"

#include <net/if.h>

struct exposure_finding {
	const struct config_rule *rule;
	struct ip_address address;   /* of this machine, public, covered by the rule */
	char interface[IF_NAMESIZE]; /* that has it */
};

/* What *finding points to is valid during the call. */
typedef void exposure_tell(void *context, const struct exposure_finding *finding);

/*
 * Tells, once at most, of each enabled rule that any client may send to (config_rule_is_open) at a
 * public address of this machine: one that LISTENADDRESS covers, and whose interface, or that of
 * the way to the Internet, INTERFACE names, where there are such keys. Says nothing of a machine
 * whose public address is elsewhere, as behind NAT or in Amazon EC2. Returns how many rules it told
 * of, or -errno where the kernel does not say which addresses there are.
 */
int exposure_examine(const struct config *config, exposure_tell *tell, void *context);

/* Whether an enabled rule lets any client send, by either family, wherever it listens. */
bool exposure_has_open_rule(const struct config *config);

/* "takes packets from any client at 192.0.2.1 (eth0), ...": for behind the name of the rule. */
#define EXPOSURE_TEXT_SIZE 384
const char *exposure_describe(const struct exposure_finding *finding,
			      char text[static EXPOSURE_TEXT_SIZE]);

#endif
