/* SPDX-License-Identifier: MIT */
/* The kernel's settings for packets in transit. */
#include "control/doctor.h"
#include "control/preflight.h"

#include <ctype.h>
#include <stddef.h>

static void add_finding(void *context, const struct preflight_finding *setting)
{
	struct doctor_finding *finding =
		doctor_report_add(context, DOCTOR_WARNING, setting->id, NULL, "%s", setting->title);

	doctor_meaning(finding, "%c%s.", toupper((unsigned char)setting->meaning[0]),
		       setting->meaning + 1);
	doctor_mend(finding, "%s", setting->command);
}

void doctor_check_settings(const struct doctor *doctor, struct doctor_report *report)
{
	const size_t before = report->count;

	preflight_examine(doctor->config, add_finding, report);
	if (report->count == before)
		doctor_report_add(report, DOCTOR_OK, "settings", NULL,
				  "forwarding, bridges and reverse path filters let packets in "
				  "transit go on");
}
