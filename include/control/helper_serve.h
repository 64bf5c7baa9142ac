/* SPDX-License-Identifier: MIT */
/* The helper's own side, and what goes between it and the daemon: helper.c and helper_serve.c. */
#ifndef TRAFFICDUPLICATOR_CONTROL_HELPER_SERVE_H
#define TRAFFICDUPLICATOR_CONTROL_HELPER_SERVE_H

#include "control/helper.h"
#include "control/rules_script.h"

#include <stdint.h>

/* Both are one program: native byte order, and one message is one struct (SOCK_SEQPACKET). */
enum helper_errand { HELPER_RUN_SCRIPT, HELPER_REMOVE_SOCKET, HELPER_MAKE_SOCKET };

/* With HELPER_RUN_SCRIPT come two descriptors: the configuration's text, and the list `resolved`.
 */
enum { HELPER_CONFIG_FD, HELPER_RESOLVED_FD, HELPER_FDS };

struct helper_request {
	uint32_t errand;
	uint32_t worker_count;
	char verb[16]; /* NUL-terminated */
};

/* The first one comes unasked: whether the helper could be confined, with the reason as text. With
 * that to HELPER_MAKE_SOCKET comes the socket. */
struct helper_answer {
	int32_t result; /* 0, 1 or -errno: rules_script_run */
	struct rules_script_output output;
};

/* Gives up what the helper does not need, and serves until the other end of fd is closed. */
_Noreturn void helper_serve(int fd, const struct helper_options *options);

#endif
