/* SPDX-License-Identifier: MIT */
#include "control/doctor.h"

#include "cli/verbs.h"
#include "core/packet.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool wants_colour(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && terminal &&
	       strcmp(terminal, "dumb") != 0;
}

static void print_finding(const struct doctor_finding *finding, bool colour)
{
	static const char *const colours[DOCTOR_LEVEL_COUNT] = {
		[DOCTOR_OK] = "\033[32m",
		[DOCTOR_CHECK] = "\033[36m",
		[DOCTOR_WARNING] = "\033[33m",
		[DOCTOR_PROBLEM] = "\033[1;31m",
	};

	printf("  %s%-7s%s  %s\n", colour ? colours[finding->level] : "",
	       doctor_level_name(finding->level), colour ? "\033[0m" : "", finding->title);
	if (finding->meaning)
		printf("           %s\n", finding->meaning);
	if (finding->mend)
		printf("           %s> %s%s\n", colour ? "\033[1m" : "", finding->mend,
		       colour ? "\033[0m" : "");
}

static void print_for_people(const struct doctor_report *report)
{
	const bool colour = wants_colour();
	const char *subject = "";

	for (size_t i = 0; i < report->count; i++) {
		const struct doctor_finding *finding = &report->findings[i];

		if (strcmp(finding->subject, subject) != 0)
			printf("%s%s\n", i > 0 ? "\n" : "", finding->subject);
		subject = finding->subject;
		print_finding(finding, colour);
	}
	printf("\nproblems %zu, warnings %zu, to check elsewhere %zu\n",
	       doctor_report_count(report, DOCTOR_PROBLEM),
	       doctor_report_count(report, DOCTOR_WARNING),
	       doctor_report_count(report, DOCTOR_CHECK));
}

static void put_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text ? json_object_new_string(text) : NULL);
}

static void put_count(struct json_object *object, const char *key,
		      const struct doctor_report *report, enum doctor_level level)
{
	json_object_object_add(object, key,
			       json_object_new_uint64(doctor_report_count(report, level)));
}

static struct json_object *finding_object(const struct doctor_finding *finding)
{
	struct json_object *object = json_object_new_object();

	put_text(object, "level", doctor_level_name(finding->level));
	put_text(object, "subject", finding->subject);
	put_text(object, "id", finding->id);
	put_text(object, "about", finding->about);
	put_text(object, "title", finding->title);
	put_text(object, "meaning", finding->meaning);
	put_text(object, "mend", finding->mend);
	return object;
}

static void print_json(const struct doctor_report *report)
{
	const int style =
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
	struct json_object *object = json_object_new_object();
	struct json_object *findings = json_object_new_array();

	for (size_t i = 0; i < report->count; i++)
		json_object_array_add(findings, finding_object(&report->findings[i]));
	put_text(object, "version", TRAFFICDUPLICATOR_VERSION);
	put_count(object, "problems", report, DOCTOR_PROBLEM);
	put_count(object, "warnings", report, DOCTOR_WARNING);
	json_object_object_add(object, "findings", findings);
	printf("%s\n", json_object_to_json_string_ext(object, style));
	json_object_put(object);
}

static int exit_code(const struct doctor_report *report, enum config_file_result config_result)
{
	if (config_result == CONFIG_FILE_INVALID)
		return EXIT_INVALID_CONFIG;
	return doctor_report_count(report, DOCTOR_PROBLEM) ? EXIT_FAILED : EXIT_FINE;
}

int verb_doctor(const struct options *options)
{
	struct doctor_options doctor_options = {
		.config_path = options->config_path,
		.socket_path = options->socket_path,
		.no_rules = options->no_rules,
		.sysfs = "/sys",
	};
	const char *client_text = options->send_test_client;
	enum config_file_result config_result;
	struct doctor_report report = {0};
	struct ip_address client;
	int code = EXIT_FAILED;

	if (client_text) {
		if (!ip_parse(client_text, strlen(client_text), &client) ||
		    !packet_source_is_sound(&client)) {
			fprintf(stderr,
				"trafficduplicator: --send-test takes the address of a client, not "
				"'%s'\n",
				client_text);
			return EXIT_USAGE;
		}
		doctor_options.send_test_client = &client;
	}
	if (doctor_examine(&doctor_options, &report, &config_result) < 0) {
		fprintf(stderr, "trafficduplicator: out of memory, or no netlink\n");
	} else {
		(options->json ? print_json : print_for_people)(&report);
		code = exit_code(&report, config_result);
	}
	doctor_report_free(&report);
	return code;
}
