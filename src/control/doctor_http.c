/* SPDX-License-Identifier: MIT */
/* Whether browsers and monitoring reach the daemon, and who else does. */
#include "control/doctor.h"

#include <string.h>

/* why is what the daemon says (daemon_http.c), in the words of the version that runs. */
static void mend_open(struct doctor_finding *finding, const char *why, unsigned port)
{
	if (strstr(why, "does not have the address"))
		doctor_mend(finding, "ip -brief address # which addresses this machine has");
	else if (strstr(why, "CAP_NET_BIND_SERVICE"))
		doctor_mend(finding,
			    "systemctl edit trafficduplicator # extend AmbientCapabilities "
			    "and CapabilityBoundingSet, and restart");
	else
		doctor_mend(finding, "ss -ltnp 'sport = :%u' # who listens there", port);
}

static void check_open(const struct doctor *doctor, struct doctor_report *report)
{
	const char *http = doctor_text(doctor->status, "http");
	char where[CONFIG_HTTP_SIZE];
	struct doctor_finding *finding;

	if (!http || strcmp(http, "off") == 0)
		return;
	config_http_format(&doctor->in_force->settings, where);
	if (strncmp(http, "unavailable", strlen("unavailable")) != 0) {
		doctor_report_add(report, DOCTOR_OK, "http", NULL, "HTTP answers on %s", http);
		return;
	}
	finding = doctor_report_add(report, DOCTOR_WARNING, "http_unavailable", NULL,
				    "HTTP cannot listen on %s", where);
	doctor_meaning(finding,
		       "Status page, metrics and /healthz are %s. The daemon goes on trying.",
		       http);
	mend_open(finding, http, doctor->in_force->settings.http_port);
}

static void check_exposed(const struct doctor *doctor, struct doctor_report *report)
{
	const struct config_settings *settings = &doctor->in_force->settings;
	struct doctor_finding *finding;
	char where[CONFIG_HTTP_SIZE];

	if (!config_http_is_exposed(settings))
		return;
	finding = doctor_report_add(report, DOCTOR_CHECK, "http_exposed", NULL,
				    "HTTP on %s is not for this machine alone",
				    config_http_format(settings, where));
	doctor_meaning(finding, "Whoever reaches this port can read all addresses and counters.");
	doctor_mend(finding, "nft list ruleset # is TCP port %u open to those only who shall read?",
		    settings->http_port);
}

void doctor_check_http(const struct doctor *doctor, struct doctor_report *report)
{
	check_open(doctor, report);
	check_exposed(doctor, report);
}
