/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A sysfs with DMI texts of its own. */
struct fake {
	char root[64];
};

static int make_sysfs(void **state)
{
	static struct fake fake;
	char path[256];

	strcpy(fake.root, "/tmp/sysfs.XXXXXX");
	if (!mkdtemp(fake.root))
		return -1;
	snprintf(path, sizeof(path), "mkdir -p %s/class/dmi/id", fake.root);
	*state = &fake;
	return system(path);
}

static int remove_sysfs(void **state)
{
	const struct fake *fake = *state;
	char command[256];

	snprintf(command, sizeof(command), "rm -r %s", fake->root);
	return system(command);
}

static void write_dmi(const struct fake *fake, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/class/dmi/id/%s", fake->root, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%s\n", text);
	fclose(file);
}

/* The one finding of this id that the cloud's check gives. */
static struct doctor_finding examine(const struct fake *fake, struct doctor_report *report,
				     const char *id)
{
	const struct doctor doctor = {.options = {.sysfs = fake->root}};

	doctor_check_cloud(&doctor, report);
	for (size_t i = 0; i < report->count; i++) {
		if (strcmp(report->findings[i].id, id) == 0)
			return report->findings[i];
	}
	fail_msg("no finding %s", id);
	return (struct doctor_finding){0};
}

static void nitro_names_its_instance(void **state)
{
	struct doctor_report report = {0};
	struct doctor_finding finding;

	write_dmi(*state, "sys_vendor", "Amazon EC2");
	write_dmi(*state, "board_asset_tag", "i-0123456789abcdef0");
	finding = examine(*state, &report, "ec2_source_check");
	assert_int_equal(finding.level, DOCTOR_CHECK);
	assert_string_equal(finding.mend, "aws ec2 modify-instance-attribute --instance-id "
					  "i-0123456789abcdef0 --no-source-dest-check");
	doctor_report_free(&report);
}

static void bare_metal_has_it_on_the_board(void **state)
{
	struct doctor_report report = {0};

	write_dmi(*state, "sys_vendor", "Supermicro");
	write_dmi(*state, "board_vendor", "Amazon EC2");
	examine(*state, &report, "ec2_source_check");
	doctor_report_free(&report);
}

static void xen_has_it_in_its_uuid(void **state)
{
	struct doctor_report report = {0};
	struct doctor_finding finding;

	write_dmi(*state, "sys_vendor", "Xen");
	write_dmi(*state, "product_uuid", "EC2E1916-9099-7CAF-FD21-012345ABCDEF");
	finding = examine(*state, &report, "ec2_source_check");
	assert_non_null(strstr(finding.mend, "--instance-id i-... "));
	doctor_report_free(&report);
}

static void other_machines_are_none(void **state)
{
	struct doctor_report report = {0};

	assert_false(doctor_cloud_is_ec2("/nonexistent"));
	write_dmi(*state, "sys_vendor", "QEMU");
	write_dmi(*state, "product_uuid", "4c4c4544-0ec2-ec2e-8054-b9c04f564432");
	write_dmi(*state, "board_asset_tag", "i-am-not");
	assert_int_equal(examine(*state, &report, "cloud").level, DOCTOR_OK);
	doctor_report_free(&report);
}

static void allowances_that_were_exceeded_are_told(void **state)
{
	struct doctor_report report = {0};

	(void)state;
	assert_false(doctor_cloud_allowance(&report, "eth0", "tx_packets", 5));
	assert_false(doctor_cloud_allowance(&report, "eth0", "exceeded", 5));
	assert_true(doctor_cloud_allowance(&report, "eth0", "bw_in_allowance_exceeded", 0));
	assert_int_equal(report.count, 0);
	assert_true(doctor_cloud_allowance(&report, "eth0", "pps_allowance_exceeded", 5));
	assert_int_equal(report.count, 1);
	assert_int_equal(report.findings[0].level, DOCTOR_WARNING);
	assert_string_equal(report.findings[0].id, "allowance_exceeded");
	assert_string_equal(report.findings[0].about, "eth0");
	assert_string_equal(report.findings[0].title, "eth0: pps_allowance_exceeded is 5");
	doctor_report_free(&report);
}

#define with_sysfs(test) cmocka_unit_test_setup_teardown(test, make_sysfs, remove_sysfs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_sysfs(nitro_names_its_instance),
		with_sysfs(bare_metal_has_it_on_the_board),
		with_sysfs(xen_has_it_in_its_uuid),
		with_sysfs(other_machines_are_none),
		cmocka_unit_test(allowances_that_were_exceeded_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
