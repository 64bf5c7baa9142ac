/* SPDX-License-Identifier: MIT */
/* What doctor says of rules that are open, in EC2 and elsewhere. Public addresses of the machine
 * are in tests/netns/test_open_rules.py; here it has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_expect.h"
#include "control/doctor.h"
#include "netmon_namespace.h"

#include <stdio.h>
#include <sys/stat.h>

/* The only finding, of a machine whose DMI texts are below sysfs. */
static void expect_finding(const char *sysfs, const char *members, const char *id)
{
	struct config *config = expect_rule(members);
	const struct doctor doctor = {.options = {.sysfs = sysfs, .config_path = "t"},
				      .config = config};
	struct doctor_report report = {0};

	doctor_check_exposure(&doctor, &report);
	assert_int_equal(report.count, 1);
	assert_string_equal(report.findings[0].id, id);
	doctor_report_free(&report);
	config_free(config);
}

/* The public address of an instance is on the other side of Amazon's NAT. */
static void asks_to_look_in_ec2(void **state)
{
	char sysfs[] = "/tmp/sysfs.XXXXXX", command[512];

	(void)state;
	assert_non_null(mkdtemp(sysfs));
	snprintf(command, sizeof(command),
		 "mkdir -p %s/class/dmi/id && echo Amazon EC2 >%s/class/dmi/id/sys_vendor", sysfs,
		 sysfs);
	run(command);
	expect_finding(sysfs, "", "ec2_rule_open");
	expect_finding(sysfs, ", \"SOURCEADDRESS\": [\"10.0.0.0/8\", \"fd00::/8\"]", "exposure");
	expect_finding(sysfs, ", \"ENABLED\": false", "exposure");
	snprintf(command, sizeof(command), "rm -r %s", sysfs);
	run(command);
}

static void is_content_elsewhere(void **state)
{
	(void)state;
	expect_finding("/nonexistent", "", "exposure");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_namespace(asks_to_look_in_ec2),
		in_namespace(is_content_elsewhere),
	};

	if (!can_enter_namespaces("test_doctor_exposure"))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
