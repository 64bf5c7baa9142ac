/* SPDX-License-Identifier: MIT */
/* Rules that anybody may send to. */
#include "control/doctor.h"
#include "control/exposure.h"

struct listener {
	const struct doctor *doctor;
	struct doctor_report *report;
};

static void mend(const struct doctor *doctor, struct doctor_finding *finding)
{
	doctor_mend(finding, "editor %s # SOURCEADDRESS, then trafficduplicator reload",
		    doctor->options.config_path);
}

static void add_finding(void *context, const struct exposure_finding *exposed)
{
	const struct listener *listener = context;
	char address[IP_TEXT_SIZE];
	struct doctor_finding *finding = doctor_report_add(
		listener->report, DOCTOR_WARNING, "rule_open", exposed->rule->name,
		"rule \"%s\" takes packets from any client at %s (%s), a public address",
		exposed->rule->name, ip_format(&exposed->address, address), exposed->interface);

	doctor_meaning(finding,
		       "Whoever on the Internet reaches it can have the destinations receive "
		       "anything in anybody's name. Copies are made before this machine's own "
		       "input rules: a firewall has to stand before it.");
	mend(listener->doctor, finding);
}

/* The public address of an instance is on Amazon's side (docs.aws.amazon.com, "Amazon EC2 instance
 * IP addressing"), so that nothing here tells whether it has one. */
static void check_ec2(const struct doctor *doctor, struct doctor_report *report)
{
	struct doctor_finding *finding;

	finding = doctor_report_add(report, DOCTOR_CHECK, "ec2_rule_open", NULL,
				    "a rule takes packets from any client");
	doctor_meaning(
		finding,
		"Whether this EC2 instance has a public address cannot be seen from here. The "
		"security group should let your clients in and nobody else.");
	mend(doctor, finding);
}

void doctor_check_exposure(const struct doctor *doctor, struct doctor_report *report)
{
	struct listener listener = {doctor, report};
	const int exposed = exposure_examine(doctor->config, add_finding, &listener);

	if (exposed > 0)
		return;
	if (doctor_cloud_is_ec2(doctor->options.sysfs) && exposure_has_open_rule(doctor->config))
		check_ec2(doctor, report);
	else if (exposed == 0)
		doctor_report_add(report, DOCTOR_OK, "exposure", NULL,
				  "no rule takes packets from any client at a public address of "
				  "this machine");
}
