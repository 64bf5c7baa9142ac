/* SPDX-License-Identifier: MIT */
#include "control/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

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
	static const unsigned file_access[] = {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH};
	const capng_select_t sets = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;
	bool had[2] = {false};

	if (capng_get_caps_process() < 0)
		return -EPERM;
	/* Where we are root, root's way to other users' files stays: script, configuration and
	 * control socket may lie in somebody's folder. A user of our own never has it. */
	for (unsigned i = 0; i < 2; i++)
		had[i] = geteuid() == 0 && capng_have_capability(CAPNG_PERMITTED, file_access[i]);
	capng_clear(sets);
	for (unsigned i = 0; i < 2; i++)
		if (had[i] &&
		    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, file_access[i]) < 0)
			return -EPERM;
	/* Ambient needs inheritable (capabilities(7)); with both, the rules script keeps the right
	 * to change rules where the daemon is not root. */
	if (capng_update(CAPNG_ADD,
			 CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE | CAPNG_AMBIENT,
			 CAP_NET_ADMIN) < 0 ||
	    capng_apply(sets) < 0)
		return -EPERM;
	return 0;
}
