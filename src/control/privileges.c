/* SPDX-License-Identifier: MIT */
#include "control/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>

#define START_MESSAGE(what)                                                                        \
	"this needs " what ": run it as root, or as a service with AmbientCapabilities="           \
	"CAP_NET_ADMIN CAP_NET_RAW"

const char *privileges_missing(void)
{
	bool admin, raw;

	if (capng_get_caps_process() < 0)
		return "this process's capabilities cannot be read";
	admin = capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
	raw = capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_RAW);
	if (admin && raw)
		return NULL;
	if (raw)
		return START_MESSAGE("CAP_NET_ADMIN (to queue packets)");
	if (admin)
		return START_MESSAGE("CAP_NET_RAW (to send copies)");
	return START_MESSAGE("CAP_NET_ADMIN (to queue packets) and CAP_NET_RAW (to send copies)");
}

int privileges_drop(void)
{
	const capng_select_t sets = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;

	if (capng_get_caps_process() < 0)
		return -EPERM;
	capng_clear(sets);
	/* Ambient needs inheritable (capabilities(7)); with both, the rules script keeps the right
	 * to change rules where the daemon is not root. */
	if (capng_update(CAPNG_ADD,
			 CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE | CAPNG_AMBIENT,
			 CAP_NET_ADMIN) < 0 ||
	    capng_apply(sets) < 0)
		return -EPERM;
	return 0;
}
