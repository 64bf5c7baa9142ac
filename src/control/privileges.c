/* SPDX-License-Identifier: MIT */
#include "control/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
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

static bool has_capability(unsigned capability)
{
	return capng_have_capability(CAPNG_PERMITTED, capability) != 0;
}

/* What a role keeps, of what there is: CAP_NET_ADMIN comes first. Returns how many. */
static unsigned choose(enum privileges_role role, unsigned kept[static 3])
{
	unsigned count = 0;

	kept[count++] = CAP_NET_ADMIN;
	/* A user of our own never has these. */
	if (geteuid() == 0 && has_capability(CAP_DAC_READ_SEARCH))
		kept[count++] = CAP_DAC_READ_SEARCH;
	if (geteuid() == 0 && role == PRIVILEGES_HELPER && has_capability(CAP_DAC_OVERRIDE))
		kept[count++] = CAP_DAC_OVERRIDE;
	return count;
}

static bool is_among(unsigned capability, const unsigned *kept, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (kept[i] == capability)
			return true;
	return false;
}

/* Shuts the ways by which a program that is executed could have more than what is kept. Returns 0
 * or -errno. */
static int bar_the_way_back(const unsigned *kept, unsigned count)
{
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED;

	for (unsigned capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
		if (!is_among(capability, kept, count) && prctl(PR_CAPBSET_DROP, capability) < 0)
			return -errno;
	return prctl(PR_SET_SECUREBITS, bits) < 0 ? -errno : 0;
}

int privileges_drop(enum privileges_role role)
{
	const capng_select_t sets = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;
	unsigned kept[3], count;
	/* Ambient needs inheritable (capabilities(7)). */
	unsigned types = CAPNG_EFFECTIVE | CAPNG_PERMITTED |
			 (role == PRIVILEGES_HELPER ? CAPNG_INHERITABLE | CAPNG_AMBIENT : 0);
	int error = 0;

	if (capng_get_caps_process() < 0)
		return -EPERM;
	count = choose(role, kept);
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		error = bar_the_way_back(kept, role == PRIVILEGES_HELPER ? count : 0);
	if (error)
		return error;
	capng_clear(sets);
	for (unsigned i = 0; i < count; i++)
		if (capng_update(CAPNG_ADD, (capng_type_t)types, kept[i]) < 0)
			return -EPERM;
	return capng_apply(sets) < 0 ? -EPERM : 0;
}
