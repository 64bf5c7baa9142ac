/* SPDX-License-Identifier: MIT */
/* The program itself: configuration, daemon, and whether the two belong together. */
#include "control/doctor.h"
#include "core/config_diff.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_config(const struct doctor *doctor, struct doctor_report *report)
{
	const char *path = doctor->options.config_path;
	const bool invalid = doctor->config_result == CONFIG_FILE_INVALID;
	struct doctor_finding *finding;
	size_t enabled = 0;

	for (size_t i = 0; i < doctor->config_errors.count; i++) {
		finding = doctor_report_add(report, DOCTOR_PROBLEM,
					    invalid ? "config_invalid" : "config_unreadable", path,
					    "%s", doctor->config_errors.messages[i]);

		doctor_meaning(finding, "%s",
			       invalid ? "The daemon does not start with it; one that runs keeps "
					 "its former rules."
				       : "What should be duplicated is not known.");
		doctor_mend(finding,
			    invalid ? "editor %s && trafficduplicator check -c %s"
				    : "ls -l %s # see also: trafficduplicator check -c %s",
			    path, path);
	}
	if (!doctor->config)
		return;
	for (size_t i = 0; i < doctor->config->rule_count; i++)
		enabled += doctor->config->rules[i].enabled;
	finding = doctor_report_add(report, enabled ? DOCTOR_OK : DOCTOR_WARNING, "config", path,
				    "the configuration is valid: rules %zu, of which enabled %zu",
				    doctor->config->rule_count, enabled);
	if (enabled)
		return;
	doctor_meaning(finding, "Nothing is duplicated.");
	doctor_mend(finding, "editor %s && trafficduplicator reload", path);
}

static void say_no_daemon(const struct doctor *doctor, struct doctor_report *report)
{
	const int error = -doctor->status_error;
	struct doctor_finding *finding;

	if (error == EACCES || error == EPERM) {
		finding = doctor_report_add(report, DOCTOR_WARNING, "daemon_not_asked",
					    doctor->options.socket_path,
					    "the daemon may be asked by root only");
		doctor_meaning(finding, "Whether one runs, and what it has counted, is not known.");
		doctor_mend(finding, "sudo trafficduplicator doctor");
		return;
	}
	if (error == ENOENT || error == ECONNREFUSED) {
		finding = doctor_report_add(report, DOCTOR_PROBLEM, "daemon_not_running",
					    doctor->options.socket_path, "no daemon is running");
		doctor_meaning(finding,
			       "Nothing is duplicated; traffic in transit goes on without.");
		doctor_mend(
			finding,
			"systemctl start trafficduplicator && systemctl status trafficduplicator");
		return;
	}
	finding = doctor_report_add(report, DOCTOR_PROBLEM, "daemon_no_answer",
				    doctor->options.socket_path, "the daemon does not answer: %s",
				    strerror(error));
	doctor_meaning(finding, "It hangs, or is still starting.");
	doctor_mend(finding,
		    "journalctl -u trafficduplicator; systemctl restart trafficduplicator");
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat status_a, status_b;

	if (strcmp(a, b) == 0)
		return true;
	return stat(a, &status_a) == 0 && stat(b, &status_b) == 0 &&
	       status_a.st_dev == status_b.st_dev && status_a.st_ino == status_b.st_ino;
}

/* Returns whether it is the same file that the daemon runs with. */
static bool check_same_file(const struct doctor *doctor, struct doctor_report *report)
{
	const char *theirs = doctor_text(doctor->status, "config");
	struct doctor_finding *finding;

	if (is_same_file(theirs, doctor->options.config_path))
		return true;
	finding = doctor_report_add(report, DOCTOR_WARNING, "daemon_other_config", theirs,
				    "the daemon runs with %s", theirs);
	doctor_meaning(finding, "What follows is about %s, but for rules and queue.",
		       doctor->options.config_path);
	doctor_mend(finding, "trafficduplicator doctor --config %s", theirs);
	return false;
}

/* Writes a line without the spaces that align its columns. */
static void write_squeezed(FILE *out, const char *text, int length)
{
	for (int i = 0; i < length; i++) {
		if (text[i] != ' ' || (i > 0 && text[i - 1] != ' '))
			fputc(text[i], out);
	}
}

/* Writes lines of config_diff as one text, of a bearable length; the caller frees it. */
static char *join_lines(const char *lines)
{
	enum { LONGEST = 600 };
	char *joined = NULL;
	size_t size;
	FILE *out = open_memstream(&joined, &size);

	if (!out)
		return NULL;
	for (const char *at = lines; *at;) {
		const char *text = at + strspn(at, " ");
		const int length = (int)strcspn(text, "\n");
		const char *before = at == lines ? "" : text > at ? ", " : "; ";

		if (text - lines + length > LONGEST) {
			fprintf(out, "%s...", before);
			break;
		}
		fputs(before, out);
		write_squeezed(out, text, length);
		at = text + length + (text[length] == '\n');
	}
	if (fclose(out) == 0)
		return joined;
	free(joined);
	return NULL;
}

/* Whether the running configuration is that of the file, in all that it means. */
static void check_reloaded(const struct doctor *doctor, struct doctor_report *report)
{
	struct doctor_finding *finding;
	char *changes, *joined;
	bool settings_only;

	if (!doctor->config || !doctor->running)
		return;
	changes = config_diff(doctor->running, doctor->config);
	joined = changes ? join_lines(changes) : NULL;
	if (!joined) {
		report->out_of_memory = true;
	} else if (strcmp(changes, "no change\n") != 0) {
		settings_only = strncmp(changes, "changed SETTINGS\n", 17) == 0;
		finding = doctor_report_add(report, settings_only ? DOCTOR_WARNING : DOCTOR_PROBLEM,
					    "daemon_not_reloaded", doctor->options.config_path,
					    "the daemon does not run what the file says");
		doctor_meaning(finding, "The file has changed since it was loaded: %s.", joined);
		doctor_mend_reload(doctor, finding);
	}
	free(changes);
	free(joined);
}

/* Effective capabilities as a bit mask (proc(5)), or 0 where they cannot be read. */
static uint64_t effective_capabilities(pid_t pid)
{
	char path[32], line[256];
	uint64_t mask = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "CapEff: %" SCNx64, &mask) == 1)
			break;
	}
	fclose(file);
	return mask;
}

static void check_capabilities(const struct doctor *doctor, struct doctor_report *report)
{
	struct doctor_finding *finding;

	if (doctor->daemon_pid == 0)
		return;
	if (effective_capabilities(doctor->daemon_pid) & (UINT64_C(1) << CAP_NET_ADMIN)) {
		doctor_report_add(
			report, DOCTOR_OK, "daemon_capabilities", NULL,
			"the daemon holds CAP_NET_ADMIN, which every packet's verdict needs");
		return;
	}
	finding = doctor_report_add(report, DOCTOR_PROBLEM, "daemon_capabilities", NULL,
				    "the daemon does not hold CAP_NET_ADMIN");
	doctor_meaning(finding,
		       "The kernel refuses its verdicts: packets wait in the queue for ever.");
	doctor_mend(finding, "systemctl restart trafficduplicator # its unit has "
			     "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW");
}

/* proc(5): the link to a program's file ends so when that is no longer at its path. */
static void check_replaced(const struct doctor *doctor, struct doctor_report *report)
{
	static const char deleted[] = " (deleted)";
	struct doctor_finding *finding;
	char path[32], program[4096];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)doctor->daemon_pid);
	length = doctor->daemon_pid ? readlink(path, program, sizeof(program)) : -1;
	if (length < (ssize_t)strlen(deleted) ||
	    memcmp(program + length - strlen(deleted), deleted, strlen(deleted)) != 0)
		return;
	finding = doctor_report_add(report, DOCTOR_WARNING, "program_replaced", NULL,
				    "the program was replaced since the daemon started");
	doctor_meaning(finding, "It goes on as the former version.");
	doctor_mend(finding, "systemctl restart trafficduplicator");
}

void doctor_check_program(const struct doctor *doctor, struct doctor_report *report)
{
	const char *theirs = doctor_text(doctor->status, "version");
	struct doctor_finding *finding;

	check_replaced(doctor, report);
	doctor_report_add(report, DOCTOR_OK, "version", NULL, "trafficduplicator %s",
			  TRAFFICDUPLICATOR_VERSION);
	check_config(doctor, report);
	if (!doctor->status) {
		say_no_daemon(doctor, report);
		return;
	}
	doctor_report_add(report, DOCTOR_OK, "daemon", NULL, "the daemon runs, as process %d",
			  (int)doctor->daemon_pid);
	if (strcmp(theirs, TRAFFICDUPLICATOR_VERSION) != 0) {
		finding = doctor_report_add(report, DOCTOR_WARNING, "daemon_version", NULL,
					    "the daemon is version %s", theirs);
		doctor_meaning(finding, "The program was upgraded, and the daemon not restarted.");
		doctor_mend(finding, "systemctl restart trafficduplicator");
	}
	if (check_same_file(doctor, report))
		check_reloaded(doctor, report);
	check_capabilities(doctor, report);
}
