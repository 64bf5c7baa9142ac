/* SPDX-License-Identifier: MIT */
/* A word about rules that the Internet can send to, at start and reload. */
#include "control/daemon_state.h"
#include "control/exposure.h"
#include "control/log.h"

#include <event2/buffer.h>
#include <stdio.h>

struct exposed {
	size_t count;
	char first[CONFIG_RULE_NAME_MAX + EXPOSURE_TEXT_SIZE + 16];
};

static void take(void *context, const struct exposure_finding *finding)
{
	struct exposed *exposed = context;
	char text[EXPOSURE_TEXT_SIZE];

	if (exposed->count++ == 0)
		snprintf(exposed->first, sizeof(exposed->first), "rule \"%s\": %s",
			 finding->rule->name, exposure_describe(finding, text));
}

void daemon_exposure_warn(const struct daemon *daemon, struct evbuffer *report)
{
	struct exposed exposed = {0};
	char more[96] = "";

	/* Where the kernel does not say, there is nothing to warn of. */
	exposure_examine(daemon->program.config, take, &exposed);
	if (exposed.count == 0)
		return;
	if (exposed.count > 1)
		snprintf(more, sizeof(more),
			 " (%zu more rules likewise: 'trafficduplicator check')",
			 exposed.count - 1);
	if (report)
		evbuffer_add_printf(report, "warning: %s%s\n", exposed.first, more);
	else
		log_warning("%s%s", exposed.first, more);
}
